"""The load generator: closed loop, constant arrival and bursts; every answer is checked.

How it works: raw connections on uvloop. In the closed loop each connection sends its next request
when the last is answered. At constant arrival requests are due at fixed times, whatever the system
does, and a latency counts from the time it was due: a system that stalls cannot hide the wait of
those that came meanwhile (coordinated omission).
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from benchmarks.wire import Ask, Connection, Refused, WrongAnswer

PATIENCE = 90.0
"""Seconds that answers may take after the last request was sent."""
_IDLE = 3.0  # servers close what is idle for some 5 seconds: not used after this
_TICK = 0.001


@dataclass(slots=True)
class Load:
    """What came of a load. Latencies are in seconds, of the answers within the measured time."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)
    answered: int = 0
    """All good answers, those of the warm-up too."""
    errors: int = 0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that ``share`` of all do not exceed."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


class _Driver:
    """What the three kinds of load share: connections, checking, and how it ends."""

    def __init__(self, url: str, *, tolerant: bool = False) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._tolerant = tolerant
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self.load = Load()

    async def connect(self) -> Connection:
        """A new connection of this load."""
        make = self._loop.create_connection(lambda: Connection(self), *self._address)
        _, connection = await make
        return connection

    async def connect_all(self, count: int) -> list[Connection]:
        """So many connections at once."""
        return await asyncio.gather(*(self.connect() for _ in range(count)))

    async def finished(self, seconds: float) -> None:
        """Wait for the end, patiently; raises WrongAnswer."""
        try:
            await asyncio.wait_for(self._done, seconds + PATIENCE)
        except TimeoutError:
            raise WrongAnswer(f"Requests were not answered within {PATIENCE:.0f} s.") from None

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        """Check an answer, count it, go on."""
        ask, connection.ask = connection.ask, None
        try:
            if ask is None:
                raise WrongAnswer("There was an answer to no request.")
            _check(ask, status, body)
            self.load.answered += 1
            self.count(connection, time.perf_counter())
        except Refused as refused:
            self._refused(refused)
        except WrongAnswer as wrong:
            self._end(wrong)
        if not self._done.done():
            self.go_on(connection)

    def lost(self, connection: Connection) -> None:
        """The other end closed: an error where a request was not answered."""
        asked, connection.ask = connection.ask is not None, None
        if asked:
            self._refused(Refused("The connection was closed before the answer."))
        if not self._done.done():
            self.gone(connection, asked=asked)

    def count(self, connection: Connection, now: float) -> None:
        """A good answer came; measured from when its request was due."""
        self.load.latencies.append(now - connection.began)

    def go_on(self, connection: Connection) -> None:
        """The connection is free again."""
        raise NotImplementedError

    def gone(self, connection: Connection, *, asked: bool) -> None:
        """The connection can be used no more; ``asked`` if a request was under way on it."""
        raise NotImplementedError

    def _refused(self, refused: Refused) -> None:
        self.load.errors += 1
        if not self._tolerant:
            self._end(refused)

    def _end(self, wrong: WrongAnswer | None = None) -> None:
        if self._done.done():
            return
        if wrong is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(wrong)


def _check(ask: Ask, status: int, body: bytes) -> None:
    if status != 200:
        raise Refused(f"Answered with HTTP {status}: {body[:200].decode(errors='replace')}")
    ask.check(body)


class _ClosedLoop(_Driver):
    """Each connection always has one request under way."""

    async def run(
        self, asks: Iterator[Ask], connections: int, warm_up: float, seconds: float
    ) -> Load:
        opened = await self.connect_all(connections)
        self._asks, self._busy = asks, connections
        self._from = time.perf_counter() + warm_up
        self._until, self.load.seconds = self._from + seconds, seconds
        for connection in opened:
            connection.send(next(asks))
        try:
            await self.finished(warm_up + seconds)
        finally:
            for connection in opened:
                connection.close()
        return self.load

    def count(self, connection: Connection, now: float) -> None:
        if self._from <= now < self._until:
            super().count(connection, now)
        elif now >= self._until and not self.load.latencies:
            # Slower than the measured time: it lasts until there is something to measure.
            self.load.seconds = now - self._from
            super().count(connection, now)

    def go_on(self, connection: Connection) -> None:
        if time.perf_counter() < self._until or not self.load.latencies:
            connection.send(next(self._asks))
            return
        self._busy -= 1
        if not self._busy:
            self._end()

    def gone(self, connection: Connection, *, asked: bool) -> None:
        """One that has done its part may go; another one has ended the load already."""


class _ConstantArrival(_Driver):
    """Requests are due at fixed times; connections are opened where all are busy."""

    async def run(self, asks: Iterator[Ask], rate: float, warm_up: float, seconds: float) -> Load:
        self._asks, self._step, self._all = asks, 1 / rate, round(rate * (warm_up + seconds))
        self._sent = self._ended = self._opening = 0
        self._warm_up, self.load.seconds = warm_up, seconds
        self._due: deque[float] = deque()
        self._connections: set[Connection] = set()
        self._free = await self.connect_all(math.ceil(rate * 0.1) + 1)
        self._connections.update(self._free)
        self._start = time.perf_counter()
        self._tick()
        try:
            await self.finished(warm_up + seconds)
        finally:
            for connection in self._connections:
                connection.close()
        return self.load

    def _tick(self) -> None:
        """Send all that is due by now."""
        now = time.perf_counter() - self._start
        while self._sent < self._all and self._sent * self._step <= now:
            self._due.append(self._start + self._sent * self._step)
            self._sent += 1
        self._send_due()
        if self._sent < self._all and not self._done.done():
            self._loop.call_later(max(self._sent * self._step - now, _TICK), self._tick)

    def _send_due(self) -> None:
        while self._due and (connection := self._take()) is not None:
            connection.send(next(self._asks), self._due.popleft())
        for _ in range(len(self._due) - self._opening):
            self._opening += 1
            opening = self._loop.create_task(self.connect())
            opening.add_done_callback(self._opened)

    def _take(self) -> Connection | None:
        """The connection that was used last, so that the others are not kept from closing."""
        while self._free:
            connection = self._free.pop()
            if time.perf_counter() - connection.idle_since < _IDLE or not connection.idle_since:
                return connection
            self._connections.discard(connection)
            connection.close()
        return None

    def _opened(self, opening: asyncio.Task[Connection]) -> None:
        self._opening -= 1
        if error := opening.exception():
            self._end(WrongAnswer(f"No further connection could be opened: {error}."))
            return
        self._connections.add(opening.result())
        self._free.append(opening.result())
        self._send_due()

    def count(self, connection: Connection, now: float) -> None:
        if connection.began - self._start >= self._warm_up:
            super().count(connection, now)

    def go_on(self, connection: Connection) -> None:
        self._free.append(connection)
        self._one_ended()

    def gone(self, connection: Connection, *, asked: bool) -> None:
        self._connections.discard(connection)
        if asked:
            self._one_ended()
        elif connection in self._free:
            self._free.remove(connection)

    def _one_ended(self) -> None:
        self._ended += 1
        if self._ended == self._all:
            self._end()
        else:
            self._send_due()


class _Burst(_Driver):
    """Many callers, each with one request, all at the same moment."""

    async def run(self, asks: Iterator[Ask], callers: int) -> Load:
        opened = await self.connect_all(callers)
        self._waiting = callers
        requests = [next(asks) for _ in opened]
        started = time.perf_counter()
        for connection, ask in zip(opened, requests, strict=True):
            connection.send(ask, started)
        try:
            await self.finished(0)
        finally:
            for connection in opened:
                connection.close()
        self.load.seconds = time.perf_counter() - started
        return self.load

    def go_on(self, connection: Connection) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._end()

    def gone(self, connection: Connection, *, asked: bool) -> None:
        if asked:
            self.go_on(connection)


@contextlib.asynccontextmanager
async def _watching(load: Load, watch: Callable[[Load], None] | None) -> AsyncIterator[None]:
    async def each_second() -> None:
        for second in itertools.count(1):
            await asyncio.sleep(start + second - loop.time())
            if watch is not None:
                watch(load)

    loop = asyncio.get_running_loop()
    start = loop.time()
    task = loop.create_task(each_second())
    try:
        yield
    finally:
        task.cancel()


def closed_loop(
    url: str,
    asks: Iterator[Ask],
    *,
    seconds: float,
    warm_up: float = 0.0,
    connections: int = 32,
    watch: Callable[[Load], None] | None = None,
) -> Load:
    """Load with a constant number of requests under way; raises WrongAnswer.

    ``watch`` is called each second.
    """

    async def run() -> Load:
        driver = _ClosedLoop(url)
        async with _watching(driver.load, watch):
            return await driver.run(asks, connections, warm_up, seconds)

    return uvloop.run(run())


def constant_arrival(
    url: str, asks: Iterator[Ask], *, rate: float, seconds: float, warm_up: float = 0.0
) -> Load:
    """Load with so many requests per second, come what may; raises WrongAnswer."""

    async def run() -> Load:
        return await _ConstantArrival(url).run(asks, rate, warm_up, seconds)

    return uvloop.run(run())


def burst(url: str, asks: Iterator[Ask], *, callers: int) -> Load:
    """So many callers at once; errors are counted, a wrong answer raises WrongAnswer."""

    async def run() -> Load:
        return await _Burst(url, tolerant=True).run(asks, callers)

    return uvloop.run(run())
