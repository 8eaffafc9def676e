"""Real processes on real sockets: the commands as a user types them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parent.parent


class Process:
    """A running command whose output is collected line by line."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=environment.pop("cwd", ROOT),
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **environment},
        )
        self.lines: list[str] = []
        self._queue: Queue[str | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """The first match in the output; fails with the output when the process ends before."""
        while True:
            line = self._queue.get(timeout=timeout)
            if line is None:
                self._queue.put(None)  # for `end`, which waits for it too
                raise AssertionError(f"no {pattern!r} in:\n{''.join(self.lines)}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """End the process with a signal; its exit code."""
        self._process.send_signal(how)
        return self.end(timeout)

    def end(self, timeout: float = 30) -> int:
        """Wait for the process to end by itself; its exit code."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    @property
    def output(self) -> str:
        """All that was written, once the process has ended."""
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Process]:
    """Run a command for the length of a block."""
    process = Process(*arguments, **environment)
    try:
        yield process
    finally:
        if process.alive:
            process.stop(signal.SIGTERM)  # in order, so that coverage counts what it did


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command to its end: exit code and output."""
    process = Process(*arguments, **environment)
    code = process.end()
    return code, process.output
