"""Who gets which connection: each worker in turn, whatever the kernel's scheduler prefers."""

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from gateway.cli.workers.channel import Channel

# Seconds without accepting where the system has no descriptor or memory left; the kernel's queue
# keeps what arrives meanwhile.
_EXHAUSTED = 0.1


class Distributor:
    """Takes connections from the listening socket and hands them out."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        listener.setblocking(False)
        self._stopped = False
        self._held: deque[socket.socket] = deque()
        self._turn = 0

    @property
    def holds(self) -> bool:
        """Whether connections wait here for a worker with room; the kernel keeps later ones."""
        return bool(self._held)

    @property
    def accepts(self) -> bool:
        """Whether connections are taken from the listening socket: none is held, and it is open."""
        return not (self._held or self._stopped)

    def accept(self) -> None:
        """Take one connection from the listening socket, if there is one."""
        try:
            connection, _ = self.listener.accept()
        except (BlockingIOError, ConnectionError):  # its client has gone meanwhile
            return
        except OSError as error:
            structlog.get_logger().error("connections_are_not_accepted", error=error)
            time.sleep(_EXHAUSTED)
            return
        self._held.append(connection)

    def take_back(self, channel: Channel) -> None:
        """Keep for others what a worker that has left did not take."""
        self._held.extend(channel.untaken())

    def hand_out(self, takers: Sequence[Channel]) -> None:
        """Give what is here to these workers in turn; what none of them can take stays."""
        while self._held and self._given(self._held[0], takers):
            self._held.popleft()

    def _given(self, connection: socket.socket, takers: Sequence[Channel]) -> bool:
        for step in range(len(takers)):
            place = (self._turn + step) % len(takers)
            if takers[place].give(connection):
                self._turn = place + 1
                return True
        return False

    def accept_the_last(self, takers: Callable[[], Sequence[Channel]]) -> None:
        """Hand out the connections that the kernel has, as far as there is room, and no more."""
        while self.accepts:
            self.accept()
            if not self._held:
                break
            self.hand_out(takers())
        self.stop_listening()

    def stop_listening(self) -> None:
        """Close the listening socket: whoever connects from now on is refused."""
        self._stopped = True
        self.listener.close()

    def close(self) -> None:
        """Close the listening socket, and the connections that nobody took."""
        self.stop_listening()
        while self._held:
            self._held.popleft().close()
