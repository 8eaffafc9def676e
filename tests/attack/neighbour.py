"""A neighbour of whoever attacks: another caller who wants one card at a time, and gets it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count

from tests.attack.target import Target, answer

BETWEEN = 0.02  # seconds between two requests
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CARD = "query Neighbour($id: ID!) { card(id: $id) { id status } }"


@dataclass
class Waits:
    """How long the neighbour waited for its answers, in seconds, and what failed."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """The longest wait."""
        return max(self.seconds, default=0.0)


class Neighbour:
    """Asks again and again, on a kept connection and on a new one in turn."""

    def __init__(self, port: int, token: str, card_id: str) -> None:
        self._target = Target(port, token, float("inf"))
        self._request = self._target.post(CARD, {"id": card_id})
        self._expected = card_id.encode()

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Waits]:
        """Ask for the length of a block."""
        waits, ends = Waits(), asyncio.Event()
        task = asyncio.create_task(self._ask(waits, ends))
        try:
            yield waits
        finally:
            ends.set()
            await task

    async def _ask(self, waits: Waits, ends: asyncio.Event) -> None:
        kept: _Streams | None = None
        for number in count():
            if ends.is_set():
                break
            streams, kept = kept, None
            began = time.perf_counter()
            try:
                streams = streams or await self._target.connect()
                await self._once(*streams)
                kept = None if number % 2 else streams
            except (OSError, asyncio.IncompleteReadError, AssertionError) as error:
                waits.failures.append(f"{type(error).__name__}: {error}")
            waits.seconds.append(time.perf_counter() - began)
            if streams and not kept:
                streams[1].close()
            await asyncio.sleep(BETWEEN)
        if kept:
            kept[1].close()

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._request)
        body = await answer(reader)
        assert self._expected in body, body.decode()
