"""Counting requests in a store that several gateways share: a Redis or a Valkey server."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from limits import RateLimitItem

from gateway.events import RateLimitStoreChanged, Sink

T = TypeVar("T")
TIMEOUT = 1.0  # seconds: whoever waits for a card does not wait longer for a count
PAUSE = 1.0  # seconds for which a store that failed is not asked again
_SHORTEST_WAIT = 1e-6  # seconds


class StoreUnavailable(Exception):
    """The store did not answer, or not with a count."""


class SharedLimits:
    """Counts in the store at ``url``, which ``Settings`` has checked; connects when first used."""

    def __init__(
        self, url: str, *, emit: Sink, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # Imported where there is a store: without one the gateway starts sooner.
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import MovingWindowRateLimiter
        from valkey.asyncio import ConnectionPool, Valkey

        scheme, _, rest = url.partition("+")[2].partition(":")
        # The client does not compare a certificate's names unless it is told to.
        tls = {"ssl_check_hostname": True} if scheme.lower() in {"rediss", "valkeys"} else {}
        self._pool = ConnectionPool.from_url(f"{scheme}:{rest}", **tls)
        self._client = Valkey(connection_pool=self._pool)
        self._limiter = MovingWindowRateLimiter(
            RedisStorage("async+valkey://", connection_pool=self._pool)  # type: ignore[arg-type]
        )
        self._clock = clock
        self._emit = emit
        self._paused_until = -math.inf
        self._failing = False

    async def hit(self, rule: RateLimitItem, caller: str, operation: str) -> float:
        """Count a request and return 0, or the seconds until one more is allowed.

        Raises StoreUnavailable.
        """
        if self._clock() < self._paused_until:
            raise StoreUnavailable
        return await self._ask(self._hit(rule, caller, operation))

    async def check(self) -> None:
        """Ask the store whether it is there; raises StoreUnavailable."""
        await self._ask(self._client.ping())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _hit(self, rule: RateLimitItem, caller: str, operation: str) -> float:
        if await self._limiter.hit(rule, caller, operation):
            return 0.0
        window = await self._limiter.get_window_stats(rule, caller, operation)
        return max(_SHORTEST_WAIT, window.reset_time - time.time())

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT):
                result = await answer
        except Exception as error:  # its client raises errors of its own, of sockets and of parsing
            self._failed(error)
            raise StoreUnavailable from error
        if self._failing:
            self._failing = False
            self._emit(RateLimitStoreChanged(available=True))
        return result

    def _failed(self, error: Exception) -> None:
        self._paused_until = self._clock() + PAUSE
        if not self._failing:  # one line for each outage, not for each request
            self._failing = True
            self._emit(RateLimitStoreChanged(available=False, error=type(error).__name__))
