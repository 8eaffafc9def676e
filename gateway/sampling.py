"""What is so now in this process, told every two seconds to whoever keeps metrics."""

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.callers import KeySet
from gateway.events import CacheSize, Sink, StateSampled
from gateway.graphql import Documents
from gateway.ledger import Ledger
from gateway.provider import ProviderClient
from gateway.telemetry import lines_dropped

_EVERY = 2.0  # seconds between two samples
_TICKS = 8  # in that time, each a look at how late the event loop is
_COUNT_EVERY = 5.0  # seconds between two looks into the ledger
_DESCRIPTORS = Path("/proc/self/fd")
_MEMORY = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Looks at the parts of the application, in tasks of its own."""

    def __init__(
        self,
        provider: ProviderClient,
        ledger: Ledger[Any],
        keys: KeySet | None,
        documents: Documents,
        emit: Sink,
    ) -> None:
        self._provider = provider
        self._ledger = ledger
        self._keys = keys
        self._documents = documents
        self._emit = emit
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._sample()), asyncio.create_task(self._count())]

    async def aclose(self) -> None:
        """Look no more, after a last look."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            self._emit(self._state(0.0))

    async def _sample(self) -> None:
        lag = 0.0
        while True:
            self._emit(self._state(lag))
            lag = max([await _lateness(_EVERY / _TICKS) for _ in range(_TICKS)])

    async def _count(self) -> None:
        """Apart from the samples: a store may take long, or never answer."""
        while True:
            await self._ledger.count()
            await asyncio.sleep(_COUNT_EVERY)

    def _state(self, lag: float) -> StateSampled:
        provider = self._provider
        places, clock = provider.concurrency, provider.clock
        return StateSampled(
            breaker=provider.breaker.value,
            calls_in_progress=places.in_use,
            calls_waiting=places.waiting,
            calls_limit=places.most,
            token_age=provider.token_age,
            clock_skew=clock.skew,
            jwks_age=self._keys.age if self._keys else None,
            caches=tuple(self._caches()),
            loop_lag=lag,
            log_lines_dropped=lines_dropped(),
            open_descriptors=_read(lambda: len(os.listdir(_DESCRIPTORS))),
            most_descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            memory=_read(lambda: int(_MEMORY.read_text().split()[1]) * _PAGE),
            cpu=time.process_time(),
        )

    def _caches(self) -> Iterator[CacheSize]:
        for name, cache in self._documents.caches().items():
            yield CacheSize(cache=name, entries=len(cache), bytes=cache.size)


async def _lateness(seconds: float) -> float:
    """Sleep, and say by how much longer it was than that."""
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    await asyncio.sleep(seconds)
    return max(loop.time() - due, 0.0)


def _read(look: Callable[[], int]) -> int | None:
    """What the system says of this process; None on systems without /proc."""
    try:
        return look()
    except OSError:
        return None
