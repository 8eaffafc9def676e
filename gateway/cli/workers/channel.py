"""Between the supervisor and a worker: connections go down, the worker's state comes up."""

import contextlib
import socket
from collections.abc import Iterator

READY = b"+"
_CONNECTION = b"c"  # a descriptor has to travel with at least one byte
_MOST = 65_536
# Room for some twenty connections: a worker that is busy for long has no more of them waiting.
_ROOM = 8192


class Channel:
    """Two connected sockets, made before the fork; both processes have the object.

    The supervisor keeps the worker's end open too. What a worker that died had not taken from it
    can so be given to another one. The worker closes the supervisor's end, so that it sees the end
    of the supervisor, however that came about.
    """

    def __init__(self) -> None:
        self._upper, self._lower = socket.socketpair()
        self._upper.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        self._upper.setblocking(False)
        self._lower.setblocking(False)

    @property
    def upper(self) -> socket.socket:
        """The supervisor's end, to wait at."""
        return self._upper

    def give(self, connection: socket.socket) -> bool:
        """Hand a connection to the worker; False where it takes none now."""
        try:
            socket.send_fds(self._upper, [_CONNECTION], [connection.fileno()])
        except OSError:  # there is no room, since the worker is busy, or no worker any more
            return False
        connection.close()
        return True

    def fileno(self) -> int:
        """The worker's end, which becomes readable with a connection."""
        return self._lower.fileno()

    def is_up(self) -> None:
        """Tell the supervisor that this worker takes connections."""
        self.tell(READY)

    def take(self) -> socket.socket | None:
        """The next connection, in the worker; raises EOFError when the supervisor has ended."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._lower, 1, 1)
        except BlockingIOError:
            return None
        if not data:
            raise EOFError
        if not descriptors:  # this process has no descriptor left: the connection is lost
            return None
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
        return connection

    def untaken(self) -> Iterator[socket.socket]:
        """What the worker has left, in the supervisor: connections that nobody has looked at."""
        with contextlib.suppress(EOFError):
            while (connection := self.take()) is not None:
                yield connection

    def tell(self, message: bytes) -> None:
        """Send a message to the supervisor, as the worker; one that has ended need not hear it."""
        with contextlib.suppress(OSError):
            self._lower.send(message[:_MOST])

    def hear(self) -> bytes | None:
        """What the worker says; empty: it takes no more connections; None: it says nothing."""
        try:
            return self._upper.recv(_MOST)
        except BlockingIOError:
            return None

    def leave(self) -> None:
        """Tell the supervisor that this worker takes no more connections."""
        with contextlib.suppress(OSError):
            self._lower.shutdown(socket.SHUT_WR)

    def close_upper(self) -> None:
        """Close the supervisor's end, in a worker."""
        self._upper.close()

    def close(self) -> None:
        """Close both ends."""
        self._upper.close()
        self._lower.close()
