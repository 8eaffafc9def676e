"""Signals as something that a supervisor can wait for beside its sockets."""

import contextlib
import os
import signal
from collections.abc import Iterator

_ENDS = (signal.SIGINT, signal.SIGTERM)
_ALL = (*_ENDS, signal.SIGCHLD, signal.SIGHUP)


class Signals:
    """From now on SIGINT and SIGTERM ask for an orderly end, SIGHUP for settings to be read anew,
    and SIGCHLD wakes the supervisor.
    """

    def __init__(self) -> None:
        self.end_is_wanted = False
        self.hurry_is_wanted = False
        """Whether the end was asked for twice, or by Ctrl-C."""
        self.reload_is_wanted = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        # Python writes a byte into the pipe for each signal that has a handler.
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _ALL:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    def _note(self, number: int, _frame: object) -> None:
        if number in _ENDS:
            self.hurry_is_wanted = self.end_is_wanted or number == signal.SIGINT
            self.end_is_wanted = True
        self.reload_is_wanted = self.reload_is_wanted or number == signal.SIGHUP

    def fileno(self) -> int:
        """What becomes readable with a signal."""
        return self._read

    def clear(self) -> None:
        """Forget the signals that have been: what they tell is looked up afterwards."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep signals back for the length of a block, in which the process forks."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)

    def leave_to_worker(self) -> None:
        """Undo all of it in the child of a fork, which would wake its parent with its own signals.

        Until it serves, a worker has nothing to finish: SIGTERM ends it at once. SIGINT it leaves
        alone, since Ctrl-C reaches the whole process group, and the supervisor acts on it. SIGHUP
        is kept back until it serves.
        """
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_ALL} - {signal.SIGHUP})
