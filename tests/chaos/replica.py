"""One replica: a supervisor with its workers, which can be killed and comes back in its place."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping

from tests.processes import Process, children_of
from tests.waiting import PATIENCE


class Replica:
    """`gateway serve` on one port, whichever process it is."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self.url = url
        self._environment = environment
        self._process: Process | None = None
        self._left: list[Process] = []  # killed, or ended by themselves
        self._ended: list[Process] = []

    def start(self) -> None:
        """Start it, as often as it takes: without its ledger it does not."""
        until = time.monotonic() + PATIENCE
        while not self._starts():
            assert time.monotonic() < until, f"the replica does not start:\n{self.output}"

    def _starts(self) -> bool:
        process = Process("serve", **self._environment)
        try:
            process.wait_for("Serving")
        except AssertionError:  # it has ended by itself, and has said why
            self._left.append(process)
            return False
        self._process = process
        return True

    @property
    def has_given_up(self) -> bool:
        """Whether it has ended by itself: so it does where none of its workers can start."""
        return self._process is not None and not self._process.alive

    def workers(self) -> list[int]:
        """The workers that there are; it waits for the first."""
        until = time.monotonic() + PATIENCE
        while not (pids := self._children()) and not self.has_given_up:
            assert time.monotonic() < until, "the replica starts no workers"
            time.sleep(0.02)
        return pids

    def _children(self) -> list[int]:
        return children_of(self._process.pid) if self._process is not None else []

    def renew(self) -> None:
        """Start another where it has given up, or was killed."""
        if self._process is not None:
            self._left.append(self._process)
            self._process = None
        self.start()

    def kill(self, *, with_workers: bool) -> None:
        """End its supervisor without a chance to finish anything, and start another at once.

        Workers that are left alone see it, and end in order beside the new ones.
        """
        assert self._process is not None
        pids = [self._process.pid, *(self._children() if with_workers else [])]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.renew()

    def end(self) -> int:
        """End it in an orderly way; the exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        code = process.stop()
        self._ended.append(process)
        return code

    def stop(self) -> None:
        """End it, and wait for all that was started in its place before."""
        if self._process is not None:
            self.end()
        while self._left:
            process = self._left.pop()
            process.end()
            self._ended.append(process)

    @property
    def output(self) -> str:
        """What was written by those that have ended."""
        return "".join(process.output for process in self._ended)
