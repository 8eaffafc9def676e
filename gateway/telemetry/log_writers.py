"""Writing log lines so that nobody waits for whoever reads them.

A pipe holds 64 KiB. Once it is full, a write waits until its reader reads, and so would the process
with all its requests. Where the reader is too slow lines are dropped, counted, and the count is
written once there is room; where it is gone, all are. No error ever reaches whoever logs.
"""

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
ATOMIC = select.PIPE_BUF  # bytes that a pipe takes as a whole: lines of several processes never mix
_FINISH = 2.0  # seconds for the last lines
_SHORT = 0.1
# Seconds for which lines gather after the first: a change of threads costs more than a line does.
_GATHER = 0.05

SayDropped = Callable[[int], str]
"""The line that says how many were dropped."""


class QueuedWriter:
    """Writes in a thread of its own what waits in a queue: for processes that serve.

    The thread begins here: make it in the process that writes, not in one that forks afterwards.
    """

    def __init__(self, descriptor: int, say_dropped: SayDropped) -> None:
        self._descriptor = descriptor
        self._say_dropped = say_dropped
        self.dropped = 0
        """How many lines were dropped since the beginning."""
        self._lines: deque[bytes] = deque()
        self._bytes = self._dropped = 0
        self._fails = self._is_idle = False
        # One that its own thread may take again: a signal can come, and be logged, at any point.
        self._lock = threading.RLock()
        self._wake = SimpleQueue[None]()
        self._hurry = threading.Event()
        self._finishers: list[threading.Event] = []
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, text: str) -> None:
        """Put a line in the queue, or drop it where there is no room."""
        line = _encoded(text)
        with self._lock:
            if len(self._lines) >= MOST_LINES or self._bytes + len(line) > MOST_BYTES:
                self._drop(1)
                return
            self._lines.append(line)
            self._bytes += len(line)
            if self._is_idle:
                self._is_idle = False
                self._wake.put(None)

    def flush(self) -> None:
        """Do nothing: loggers call this after each line."""

    def finish(self) -> None:
        """Wait until all is written, for two seconds at most."""
        finished = threading.Event()
        with self._lock:
            if self._is_idle:
                return
            self._finishers.append(finished)
        self._hurry.set()
        finished.wait(_FINISH)

    def _run(self) -> None:
        while True:
            lines, count = self._next()
            if lines:
                self._put(lines, count)
            else:
                self._wake.get()
                self._hurry.wait(_GATHER)

    def _next(self) -> tuple[bytes, int]:
        """What to write next, and how many lines are lost if that fails; empty: nothing."""
        with self._lock:
            if self._dropped and not self._fails and self._has_room():
                count, self._dropped = self._dropped, 0
                return _encoded(self._say_dropped(count)), count
            if self._lines:
                return self._take()
            self._is_idle = True
            for finished in self._finishers:
                finished.set()
            self._finishers.clear()
            return b"", 0

    def _has_room(self) -> bool:
        """Half of it: else a slow reader would get a count between any two lines."""
        return len(self._lines) <= MOST_LINES // 2 and self._bytes <= MOST_BYTES // 2

    def _take(self) -> tuple[bytes, int]:
        """The first line, and those after it that can be written together with it."""
        taken = [self._lines.popleft()]
        size = len(taken[0])
        while self._lines and size + len(self._lines[0]) <= ATOMIC:
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return b"".join(taken), len(taken)

    def _put(self, lines: bytes, count: int) -> None:
        self._fails = not _write(self._descriptor, lines)
        if self._fails:
            with self._lock:
                self._drop(count)

    def _drop(self, count: int) -> None:
        self._dropped += count
        self.dropped += count


class DirectWriter:
    """Writes at once, where the reader leaves room: for a process that must have no other thread.

    It waits a tenth of a second at most for a line.
    """

    def __init__(self, descriptor: int, say_dropped: SayDropped) -> None:
        self._descriptor = descriptor
        self._say_dropped = say_dropped
        self._dropped = 0
        self.dropped = 0
        """How many lines were dropped since the beginning."""

    def write(self, text: str) -> None:
        """Write a line, or drop it where there is no room."""
        if self._dropped and self._put(self._say_dropped(self._dropped)):
            self._dropped = 0
        if self._dropped or not self._put(text):
            self._dropped += 1
            self.dropped += 1

    def flush(self) -> None:
        """Do nothing: loggers call this after each line."""

    def finish(self) -> None:
        """Write how many lines were dropped, if there is room now."""
        if self._dropped:
            self._put(self._say_dropped(self._dropped))

    def _put(self, text: str) -> bool:
        return _has_room(self._descriptor, _SHORT) and _write(self._descriptor, _encoded(text))


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _write(descriptor: int, data: bytes) -> bool:
    """Write all of it, past Python's buffers; False where it cannot be written."""
    try:
        while data:
            with contextlib.suppress(BlockingIOError):  # the other end made it non-blocking
                data = data[os.write(descriptor, data) :]
                continue
            _has_room(descriptor, None)
    except OSError:
        return False
    return True


def _has_room(descriptor: int, seconds: float | None) -> bool:
    """Wait for room; a pipe that says so takes ``ATOMIC`` bytes without a wait."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
