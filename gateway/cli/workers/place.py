"""The place of one worker, as the supervisor sees it: who is in it, and what becomes of them."""

import os
import signal
import time

import structlog

from gateway.cli.workers.channel import READY, Channel
from gateway.cli.workers.restarts import Restarts

log = structlog.get_logger()


class Place:
    """One of the N places: empty, or with a worker that starts, takes connections, or ends.

    ``role`` is what lines of the log call the worker.
    """

    def __init__(self, number: int, role: str = "worker") -> None:
        self.number = number
        self.role = role
        self.channel = Channel()
        self.pid: int | None = None
        self.takes = False
        """Whether the worker takes connections."""
        self.talks = False
        """Whether the worker may still have something to say."""
        self.refusal = ""
        """Why the worker cannot use the settings, in its own words."""
        self.due = self._since = 0.0
        self.restarts = Restarts()

    def fill(self, pid: int) -> None:
        """A worker has been started here."""
        self.pid, self.talks = pid, True
        self._since = time.monotonic()

    def hear(self) -> None:
        """Take notice of what the worker says: it is up, it leaves, or what it cannot use."""
        message = self.channel.hear()
        if message == READY:
            self.takes = True
            log.info(f"{self.role}_started", worker=self.number, pid=self.pid)
        elif message:
            self.refusal = message.decode(errors="replace")  # a long one is cut somewhere
        elif message is not None:
            self.takes = self.talks = False

    def end(self) -> int | None:
        """The exit code of the worker, below zero for a signal; None where none has ended."""
        if self.pid is None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.hear()  # its last words may have come with the news of its end
        return os.waitstatus_to_exitcode(status)

    def clear(self) -> float:
        """The worker has ended, or could not be made: the wait until the next one is due."""
        now = time.monotonic()
        wait = self.restarts.wait_after(now - self._since if self.pid else 0)
        self.pid, self.takes, self.talks, self.due = None, False, False, now + wait
        self.channel.close()
        self.channel = Channel()
        return wait

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the worker, if there is one.

        The number of a process that has ended stays its own until ``end`` has asked for it: the
        signal cannot reach another process.
        """
        if self.pid is not None:
            os.kill(self.pid, number)
