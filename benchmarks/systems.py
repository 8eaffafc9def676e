"""The provider and the systems that are measured, as processes that answer."""

import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.processes import Cores, Process, ProcessEnded
from benchmarks.provider import Counters
from benchmarks.workloads import ISSUE, ISSUE_IN_HIVE

ROOT = Path(__file__).parent.parent
HIVE = ROOT / "benchmarks" / "peers" / "hive" / "run"
READY = 30.0  # seconds
HIVE_READY = 300.0  # its first run installs it
HIVE_WARM = 12.0  # seconds of load until its engine has compiled what is hot


class NotHere(Exception):
    """A peer cannot be run on this machine; the message says why."""


class ProviderProcess:
    """The constant provider, and what its counters say."""

    def __init__(self, folder: Path, cores: Cores) -> None:
        self.process = Process(
            [sys.executable, "-m", "benchmarks.provider"],
            output=folder / "provider.log",
            cores=cores.others,
            cwd=folder,
            environment={"PYTHONPATH": str(ROOT)},
        )
        self.url = self.process.wait_for("http://", READY).strip()

    def close(self) -> None:
        """End it."""
        self.process.stop()

    def reset(self, latency_ms: float) -> None:
        """Count from zero, with this latency from now on."""
        url = f"{self.url}/control?latency_ms={latency_ms}"
        httpx.put(url, trust_env=False).raise_for_status()

    def counters(self) -> Counters:
        """What happened since then."""
        return msgspec.json.decode(
            httpx.get(f"{self.url}/control", trust_env=False).content, type=Counters
        )


@dataclass(frozen=True)
class System:
    """One that answers ``POST /graphql`` under ``url``."""

    name: str
    url: str
    process: Process
    issue: str = ISSUE
    """The mutation in the words of its schema."""
    warm_up: float = 0.0
    """Seconds of load that it needs before it is measured, where the usual ones do not do."""

    def stop(self) -> None:
        """End it."""
        self.process.stop()


class Site:
    """Where the systems are started: a folder without settings, a key, a provider, the cores."""

    def __init__(self, folder: Path, provider_url: str, cores: Cores) -> None:
        self.folder = folder
        self._cores = cores
        self._provider_url = f"{provider_url}/v1"
        self._key_file = folder / "key.pem"
        self._key_file.write_bytes(_new_key())
        self._key_id, self._api_key, self._api_secret = str(uuid4()), str(uuid4()), uuid4().hex

    def gateway(self, checkout: Path = ROOT, *, name: str = "gateway", **settings: str) -> System:
        """``gateway serve`` as a user runs it; ``settings`` are further ones, without prefix."""
        given = {
            "port": "0",
            "auth": "none",
            "provider_url": self._provider_url,
            "provider_api_key": self._api_key,
            "provider_api_secret": self._api_secret,
            "signing_key_file": str(self._key_file),
            "signing_key_id": self._key_id,
            **self._ledger(checkout),
        } | settings
        environment = {f"GATEWAY_{key.upper()}": value for key, value in given.items()}
        process = self._start(
            name,
            [_python_of(checkout), "-m", "gateway", "serve"],
            {"PYTHONPATH": str(checkout), **environment},
        )
        line = _ready(process, "Serving http", READY)
        return System(name, line.split()[-1].removesuffix("/graphql"), process)

    def _ledger(self, checkout: Path) -> dict[str, str]:
        """In memory, unless a scenario wants another; older versions know no such setting."""
        settings = checkout / "gateway" / "config" / "ledger.py"
        known = settings.exists() and "    ledger: " in settings.read_text()
        return {"ledger": "memory"} if known else {}

    def peer(self, name: str) -> System:
        """A peer of ours: a module of ``benchmarks.peers``."""
        command, port = [sys.executable, "-m", f"benchmarks.peers.{name}"], _free_port()
        environment = {"PORT": str(port), "PYTHONPATH": str(ROOT), **self._access}
        process = self._start(name, command, environment)
        url = f"http://127.0.0.1:{port}"
        _ready(process, f"running on {url}", READY)
        return System(name, url, process)

    def hive(self) -> System:
        """Hive Gateway with a signing plugin; raises NotHere."""
        if shutil.which("npm") is None:
            raise NotHere("npm is not installed")
        if not HIVE.exists():
            raise NotHere("benchmarks/peers/hive is not there")
        port = _free_port()
        process = self._start("hive", [str(HIVE)], {"HIVE_PORT": str(port), **self._access})
        try:
            _ready(process, "listening", HIVE_READY)
        except ProcessEnded as ended:
            why = str(ended).splitlines()[0].rstrip(":")
            raise NotHere(f"it did not start. {why}; try {HIVE.relative_to(ROOT)}") from ended
        return System("hive", f"http://127.0.0.1:{port}", process, ISSUE_IN_HIVE, HIVE_WARM)

    @property
    def _access(self) -> dict[str, str]:
        return {
            "PROVIDER_URL": self._provider_url,
            "SIGNING_KEY_FILE": str(self._key_file),
            "SIGNING_KEY_ID": self._key_id,
            "API_KEY": self._api_key,
            "API_SECRET": self._api_secret,
        }

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Process:
        return Process(
            command,
            output=self.folder / f"{name}.log",
            cores=self._cores.system,
            cwd=self.folder,
            environment=environment,
        )


def _ready(process: Process, text: str, patience: float) -> str:
    try:
        return process.wait_for(text, patience)
    except BaseException:
        process.stop()
        raise


def _python_of(checkout: Path) -> str:
    """The interpreter of a checkout where it has its own, else ours."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
