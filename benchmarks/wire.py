"""One HTTP connection of the load generator: one request at a time, no work that is not needed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import httptools


class WrongAnswer(Exception):
    """An answer that is not the one that was asked for: the run is worth nothing."""


class Refused(WrongAnswer):
    """An answer that is an error: wrong too, except where errors are what is counted."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as bytes, and what its answer must be: ``check`` raises WrongAnswer."""

    wire: bytes
    check: Callable[[bytes], None]


class Owner(Protocol):
    """Who is told what became of a request."""

    def answered(self, connection: "Connection", status: int, body: bytes) -> None:
        """The whole answer is there."""

    def lost(self, connection: "Connection") -> None:
        """The connection is gone; ``connection.ask`` was not answered if it is there."""


class Connection(asyncio.Protocol):
    """A kept-alive connection; ``began`` is when its request was meant to be sent."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._body: list[bytes] = []
        self.ask: Ask | None = None
        self.began = 0.0
        self.idle_since = 0.0

    def send(self, ask: Ask, began: float | None = None) -> None:
        """Send a request; a time given is the one that its latency is counted from."""
        self.ask = ask
        self.began = time.perf_counter() if began is None else began
        if self._transport is not None:
            self._transport.write(ask.wire)
        else:  # it was closed before there was anything to ask
            asyncio.get_running_loop().call_soon(self._owner.lost, self)

    def close(self) -> None:
        """Close it; its owner is not told."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self._transport is not None:
            self._transport = None
            self._owner.lost(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._body = []

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.idle_since = time.perf_counter()
        self._owner.answered(self, self._parser.get_status_code(), b"".join(self._body))


def post(host: str, body: bytes, *headers: str) -> bytes:
    """A ``POST /graphql`` as bytes; ``host`` is with its port, headers are whole lines."""
    lines = [
        "POST /graphql HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
