"""Real processes on real sockets: the commands as a user types them."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

from tests.waiting import PATIENCE

ROOT = Path(__file__).parent.parent
_DATA = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
# Nothing of a test is left in the folder of whoever runs it.
_OWN = {
    "PYTHONUNBUFFERED": "1",
    "XDG_DATA_HOME": _DATA.name,
    "GATEWAY_READINESS_DELAY": "0",  # no load balancer has to notice the end
}


class Process:
    """A running command whose output is collected line by line."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._arguments = arguments
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=environment.pop("cwd", ROOT),
            env={**os.environ, **_OWN, "PYTHONPATH": str(ROOT), **environment},
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

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """The first match in the output; fails with the output when the process ends before."""
        while True:
            try:
                line = self._queue.get(timeout=seconds)
            except Empty:
                raise self._in_vain(f"{pattern!r} in the output", seconds) from None
            if line is None:
                self._queue.put(None)  # for `end`, which waits for it too
                raise AssertionError(f"no {pattern!r} in:\n{self.output}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process with a signal; its exit code."""
        self._process.send_signal(how)
        return self.end()

    def end(self) -> int:
        """Wait for the process to end by itself; its exit code."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._read_rest()
            raise self._in_vain("the end of the process", PATIENCE) from None
        self._read_rest()
        return code

    def _read_rest(self) -> None:
        """Collect the output to its end, which comes once all who inherited it have ended."""
        while (line := self._queue.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _in_vain(self, awaited: str, seconds: float) -> AssertionError:
        command = " ".join(self._arguments)
        return AssertionError(
            f"Waited {seconds:g} s in vain for {awaited} of `gateway {command}`:\n{self.output}"
        )

    @property
    def output(self) -> str:
        """All that was read of what the process wrote; all of it once the process has ended."""
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
            # In order, so that coverage counts what it did, and without a readiness delay.
            process.stop(signal.SIGINT)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that have not ended (Linux)."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:  # it has ended meanwhile
        return []


def memory_of(process_id: int) -> int:
    """Bytes of memory that a process holds; only Linux tells, elsewhere it is 0."""
    if sys.platform != "linux":
        return 0
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def queued(process_id: int | str) -> float:
    """Seconds that the first thread of a process could have run, but no processor was free for it;
    only Linux tells, elsewhere it is 0."""
    file = Path(f"/proc/{process_id}/schedstat")
    return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command to its end: exit code and output."""
    process = Process(*arguments, **environment)
    code = process.end()
    return code, process.output


def on_a_terminal(*arguments: str, until: str = "", **environment: str) -> str:
    """What a command writes to a terminal; with ``until`` it is interrupted after that."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            written += os.read(ours, 65536)
        except OSError:  # how Linux tells that the other end is closed
            break
        if until and until.encode() in written:
            process.send_signal(signal.SIGINT)
            until = ""
    os.close(ours)
    process.wait(timeout=60)
    return written.decode()
