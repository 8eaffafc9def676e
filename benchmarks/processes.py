"""Processes on cores of their own, and what the kernel knows of them: CPU time and memory."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024  # in a MiB; the kernel counts memory in KiB


class Cores(NamedTuple):
    """Which cores are for the system under test, and which for provider and generator."""

    system: frozenset[int]
    others: frozenset[int]

    @property
    def apart(self) -> bool:
        """Whether they do not share."""
        return self.system.isdisjoint(self.others)


def divide_cores() -> Cores:
    """The last core for the system, the others for the rest; nothing to divide where only one."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(frozenset(), frozenset())
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return Cores(frozenset(cores), frozenset(cores))
    return Cores(frozenset(cores[-1:]), frozenset(cores[:-1]))


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, on these cores."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class ProcessEnded(Exception):
    """A process ended, or did not get ready, when it was needed; the message has its last words."""


class Process:
    """A command with its output in a file; it leads a group that is ended with it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path,
        cores: frozenset[int],
        cwd: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._output = output
        self.cores = cores
        with on_cores(cores), output.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are the benchmark's own
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,
            )

    def wait_for(self, text: str, timeout: float) -> str:
        """The first line of the output with this text; raises ProcessEnded."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.output.splitlines(keepends=True):
                if text in line and line.endswith("\n"):
                    return line
            self.check()
            time.sleep(0.002)
        raise ProcessEnded(f"It was not ready after {timeout:.0f} s:\n{self.output[-2000:]}")

    def check(self) -> None:
        """Raises ProcessEnded when it has."""
        if self._process.poll() is not None:
            code = self._process.returncode
            raise ProcessEnded(f"It ended with exit code {code}:\n{self.output[-2000:]}")

    def stop(self) -> None:
        """End it in order, and all of its group without where that takes too long."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
                return

    @property
    def output(self) -> str:
        """What it wrote so far."""
        return self._output.read_text(errors="replace")

    def cpu(self) -> float:
        """CPU seconds that it and its children used."""
        return sum(_cpu(pid) for pid in self._tree())

    def peak_memory(self) -> float:
        """The most memory that it and its children held, in MiB (the sum of their VmHWM)."""
        return sum(_status(pid, "VmHWM") for pid in self._tree()) / _KIB

    def memory(self) -> float:
        """The memory that it and its children hold now, in MiB."""
        return sum(_status(pid, "VmRSS") for pid in self._tree()) / _KIB

    def _tree(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found.extend(int(child) for child in children.read_text().split())
        return found


def busy(cores: frozenset[int]) -> float:
    """CPU seconds that these cores have spent on anything at all."""
    wanted = {f"cpu{core}" for core in cores}
    seconds = 0.0
    with contextlib.suppress(OSError):
        for line in Path("/proc/stat").read_text().splitlines():
            name, *ticks = line.split()
            if name in wanted:
                idle = int(ticks[3]) + int(ticks[4])  # idle, and waiting for a disk
                seconds += (sum(int(each) for each in ticks[:8]) - idle) / _TICKS
    return seconds


def _cpu(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
