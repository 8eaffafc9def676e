"""Counting requests in a store that several gateways share: a Redis or a Valkey server."""

import asyncio
import math
import time
from collections.abc import Callable

from gateway.callers.pace import Pace
from gateway.events import RateLimitStoreChanged, Sink

TIMEOUT = 1.0  # seconds: whoever waits for a card does not wait longer for a count
PAUSE = 1.0  # seconds after which a store that failed is asked again, by no request
_MICRO = 1_000_000

# As ``RateLimiter`` counts, in one step, and by the server's clock alone: those of gateways may
# differ. Whole microseconds are exact in Lua's numbers; the key is gone when it says nothing more.
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local wait = due - now - ahead
if wait > 0 then return string.format('%.0f', wait) end
local life = string.format('%.0f', math.ceil((due - now) / 1000))
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', life)
return '0'
"""
_PROBE = "card-gateway:probe"
_EVERY_TIME = Pace(1e-6, 1)


class StoreUnavailable(Exception):
    """The store did not answer, or not with a count."""


class SharedLimits:
    """Counts in the store at ``url``, which ``Settings`` has checked; connects when first used.

    A store that failed is asked again in the background: no request waits for it meanwhile.
    """

    def __init__(
        self, url: str, *, emit: Sink, clock: Callable[[], float] = time.monotonic
    ) -> None:
        # Imported where there is a store: without one the gateway starts sooner.
        from valkey.asyncio import ConnectionPool, Valkey

        scheme, _, rest = url.partition("+")[2].partition(":")
        # The client does not compare a certificate's names unless it is told to.
        tls = {"ssl_check_hostname": True} if scheme.lower() in {"rediss", "valkeys"} else {}
        self._pool = ConnectionPool.from_url(f"{scheme}:{rest}", **tls)
        self._script = Valkey(connection_pool=self._pool).register_script(_COUNT)
        self._clock = clock
        self._emit = emit
        self._ask_again_at = -math.inf
        self._failing = False
        self._probe: asyncio.Task[None] | None = None

    async def hit(self, pace: Pace, caller: str, operation: str) -> float:
        """Count a request and return 0, or the seconds until one more is allowed.

        Raises StoreUnavailable.
        """
        if self._failing:
            self._probe_soon()
            raise StoreUnavailable
        interval, burst = _micro(pace.interval), pace.burst
        return await self._ask(f"card-gateway:{operation}:{interval}:{burst}:{caller}", pace)

    async def check(self) -> None:
        """Count something that is nobody's; whether that works is an event."""
        try:
            await self._ask(_PROBE, _EVERY_TIME)
        except StoreUnavailable:
            return

    async def aclose(self) -> None:
        """Close the connections."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
        await self._pool.aclose()

    def _probe_soon(self) -> None:
        is_asked = self._probe is not None and not self._probe.done()
        if not is_asked and self._clock() >= self._ask_again_at:
            self._probe = asyncio.create_task(self.check())

    async def _ask(self, key: str, pace: Pace) -> float:
        interval = _micro(pace.interval)
        name = key.encode(errors="surrogatepass")  # JSON can make a subject of half a character
        try:
            async with asyncio.timeout(TIMEOUT):
                wait = int(await self._script([name], [interval, interval * pace.burst]))
        except Exception as error:  # its client raises errors of its own, of sockets and of parsing
            self._failed(error)
            raise StoreUnavailable from error
        if self._failing:
            self._failing = False
            self._emit(RateLimitStoreChanged(available=True))
        return wait / _MICRO

    def _failed(self, error: Exception) -> None:
        self._ask_again_at = self._clock() + PAUSE
        if not self._failing:  # one line for each outage, not for each request
            self._failing = True
            self._emit(RateLimitStoreChanged(available=False, error=type(error).__name__))


def _micro(seconds: float) -> int:
    return max(round(seconds * _MICRO), 1)
