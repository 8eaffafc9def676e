"""A neighbour of whoever attacks: another caller who wants one card at a time, and gets it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean

from tests.attack.target import Target, answer
from tests.processes import queued

BETWEEN = 0.02  # seconds between two requests
USUAL = 0.0017  # seconds that the computation takes on a machine with nothing else to do
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CARD = "query Neighbour($id: ID!) { card(id: $id) { id status } }"


@dataclass
class Waits:
    """How long the neighbour waited for its answers, in seconds, and what failed.

    The time in which gateway, provider or neighbour waited for a processor does not count: other
    programs took it. ``computations`` are the seconds that one and the same computation took it
    meanwhile.
    """

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    computations: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """The longest wait."""
        return max(self.seconds, default=0.0)

    @property
    def slowness(self) -> float:
        """How many times as long as usual everything takes on this machine now; at least 1."""
        return max(1.0, fmean(self.computations or [USUAL]) / USUAL)


class Neighbour:
    """Asks again and again, on a kept connection and on a new one in turn."""

    def __init__(self, port: int, token: str, card_id: str, processes: Sequence[int]) -> None:
        self._target = Target(port, token, float("inf"))
        self._request = self._target.post(CARD, {"id": card_id})
        self._expected = card_id.encode()
        self._processes: list[int | str] = [*processes, "self"]

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
            began, queued_before = time.perf_counter(), self._queued()
            try:
                streams = streams or await self._target.connect()
                await self._once(*streams)
                kept = None if number % 2 else streams
            except (OSError, asyncio.IncompleteReadError, AssertionError) as error:
                waits.failures.append(f"{type(error).__name__}: {error}")
            waited, in_queues = time.perf_counter() - began, self._queued() - queued_before
            waits.seconds.append(max(0.0, waited - in_queues))
            waits.computations.append(_timed_computation())
            if streams and not kept:
                streams[1].close()
            await asyncio.sleep(BETWEEN)
        if kept:
            kept[1].close()

    def _queued(self) -> float:
        return sum(queued(process) for process in self._processes)

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._request)
        body = await answer(reader)
        assert self._expected in body, body.decode()


def _timed_computation() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(20_000):
        total += number * number
    return time.perf_counter() - began
