"""Results as they are kept in ``results.json``: facts of the machine, no names or paths of it."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.figures import Spread
from benchmarks.processes import Cores

_LIBRARIES = (
    *("aiohttp", "cryptography", "graphql-core", "httptools", "httpx", "msgspec", "starlette"),
    *("strawberry-graphql", "uvicorn", "uvloop"),
)


# Spreads, and lists of numbers.
_INNERMOST = re.compile(r'\{\s*"median"[^{}]*\}|\[[^][{}]*\]')


class Machine(msgspec.Struct, frozen=True):
    """What the figures depend on."""

    cores: int
    cpu: str
    pinned: bool
    """Whether the system under test had a core of its own."""
    python: str
    libraries: dict[str, str]

    @classmethod
    def here(cls, cores: Cores) -> "Machine":
        """This one."""
        return cls(
            cores=os.cpu_count() or 1,
            cpu=_cpu_model(),
            pinned=cores.apart,
            python=f"{platform.python_implementation()} {platform.python_version()}",
            libraries={name: version(name) for name in _LIBRARIES},
        )


class Soak(msgspec.Struct, frozen=True):
    """Memory and latency over time: one value for each window of ``window`` seconds."""

    window: float
    memory: list[float]
    p50: list[float]
    p99: list[float]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario: the figures of each system."""

    id: str
    title: str
    date: str = msgspec.field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    machine: Machine
    seconds: float
    """The measured time of each run."""
    systems: dict[str, dict[str, Spread]]
    not_run: dict[str, str] = {}
    """Peers that were left out, and why."""
    soak: Soak | None = None

    def median(self, system: str, figure: str) -> float | None:
        """One figure's median, where it was measured."""
        spread = self.systems.get(system, {}).get(figure)
        return spread.median if spread else None


class Results(msgspec.Struct):
    """All scenarios by id, each as it was measured last."""

    scenarios: dict[str, Result] = {}

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read a file; none where there is none."""
        return msgspec.json.decode(path.read_bytes(), type=cls) if path.exists() else cls()

    def save(self, path: Path) -> None:
        """Write it, sorted by scenario."""
        ordered = {"scenarios": dict(sorted(self.scenarios.items()))}
        text = msgspec.json.format(msgspec.json.encode(ordered).decode(), indent=2)
        path.write_text(_INNERMOST.sub(_on_one_line, text) + "\n")


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split())


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
