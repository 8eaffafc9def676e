"""What is attacked, and for how long."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile_documents import operation_of

LARGEST = 64 * 1024 * 1024  # bytes on one connection


@dataclass
class Target:
    """A gateway on loopback; whoever attacks it ends with ``until``, by the monotonic clock."""

    port: int
    token: str
    until: float
    sent: int = 0
    """Requests, or connections, so far."""
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether the time is not over."""
        return time.monotonic() < self.until

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        self.sent += 1
        return await asyncio.open_connection("127.0.0.1", self.port)

    def post(self, document: str, variables: dict[str, Any] | None = None) -> bytes:
        """A request that asks for a document."""
        name = operation_of(document)
        asked = {"query": document, "variables": variables or {}, "operationName": name}
        body = json.dumps(asked).encode()
        head = (
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
    return await reader.readexactly(int(length[15:]))


Attack = Callable[[Target], Awaitable[None]]


def together(most: int, one: Attack) -> Attack:
    """The same attack so many times at once."""

    async def attack(target: Target) -> None:
        await asyncio.gather(*(again_and_again(target, one) for _ in range(most)))

    return attack


async def again_and_again(target: Target, one: Attack) -> None:
    """Begin anew whenever the gateway ends it, until the time is over."""
    while target.goes_on:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(max(target.until - time.monotonic(), 0.01)):
                await one(target)
        await asyncio.sleep(0)
