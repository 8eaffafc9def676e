"""The open connections of clients: where there are too many, those that wait longest are closed."""

import time
from collections import OrderedDict
from typing import Protocol

from gateway.events import ConnectionsClosed, Sink

_SAID_EVERY = 60.0  # seconds between two events about connections that were closed


class Connection(Protocol):
    """What is counted here."""

    def give_way(self) -> None:
        """Close: another connection needs the place."""


class Connections:
    """Counts connections, and knows which of them wait for their client.

    A connection waits from its beginning, or from its last answer, until a whole request has come:
    closing it loses nothing that anybody has begun to carry out.
    """

    def __init__(self, most: int, emit: Sink) -> None:
        self._most = most
        self._emit = emit
        self._open = 0
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._closed = 0
        self._said = -_SAID_EVERY

    def __len__(self) -> int:
        return self._open

    def opened(self, connection: Connection) -> None:
        """A connection was made; where it is one too many, the one that waits longest is closed."""
        self._open += 1
        self._waiting[connection] = None
        if self._open > self._most:
            self.make_room()

    def waits(self, connection: Connection) -> None:
        """It was answered, and waits for its next request, or for the rest of one."""
        self._waiting[connection] = None
        self._waiting.move_to_end(connection)

    def works(self, connection: Connection) -> None:
        """A whole request has come."""
        self._waiting.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """It has ended."""
        self._open -= 1
        self._waiting.pop(connection, None)

    def make_room(self) -> None:
        """Close the connection that has waited longest."""
        if not self._waiting:
            return
        oldest, _ = self._waiting.popitem(last=False)
        self._closed += 1
        self._say()
        oldest.give_way()

    def _say(self) -> None:
        now = time.monotonic()
        if now >= self._said + _SAID_EVERY:
            self._emit(ConnectionsClosed(open=self._open, closed=self._closed))
            self._said, self._closed = now, 0
