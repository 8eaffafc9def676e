"""A real Redis or Valkey server on a free port, for tests that share counts."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = shutil.which("valkey-server") or shutil.which("redis-server")
needs_server = pytest.mark.skipif(
    SERVER is None,
    reason="neither valkey-server nor redis-server is installed "
    "(on Debian: apt-get install valkey-server, or redis-server)",
)
LIMIT = 60  # seconds until a server listens, on a busy machine


class Store:
    """A server that can be stopped and started again on the same port, empty."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = _free_port()
        self._folder = folder
        self._options = [option.format(port=self.port) for option in options]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"async+redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert SERVER is not None
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command = [SERVER, *fixed, "--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + LIMIT
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError(f"{SERVER} does not listen on port {self.port} (limit: {LIMIT} s)")

    def stop(self) -> None:
        """End it, and with it what it has counted."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(LIMIT)
            self._process = None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def store(folder: Path, *options: str) -> Iterator[Store]:
    """Run a server for the length of a block; ``{port}`` in an option is its port."""
    server = Store(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
