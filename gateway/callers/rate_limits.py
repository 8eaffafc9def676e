"""How often a caller may ask: one limit per caller and operation, counted here or in a store."""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping

from limits import RateLimitItem, parse

from gateway.callers.shared_limits import SharedLimits, StoreUnavailable
from gateway.config import OFF
from gateway.errors import LimitedBy, Overloaded, RateLimited
from gateway.events import RateLimitHit, Sink

_ROUNDING = 1e-6  # seconds


class RateLimiter:
    """Counts in memory: one moment per caller and operation, and none for those who rest.

    How it works (the generic cell rate algorithm): each request takes its share of the period, and
    ``due`` is when all that were let in have been worked off. It may be a whole period ahead: a
    caller may use up the amount at once, and then has one more for each share that goes by. The
    limits library's own memory walks over all callers again and again, a thread for each.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: OrderedDict[tuple[str, str], float] = OrderedDict()

    def hit(self, rule: RateLimitItem, caller: str, operation: str) -> float:
        """Count a request and return 0, or the seconds until one more is allowed."""
        now, key, period = self._clock(), (operation, caller), rule.get_expiry()
        due = max(self._due.get(key, now), now) + period / rule.amount
        if due - now > period + _ROUNDING:
            return due - now - period
        self._due[key] = due
        self._due.move_to_end(key)
        self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        while self._due and next(iter(self._due.values())) <= now:
            self._due.popitem(last=False)

    def __len__(self) -> int:
        return len(self._due)


def rate_rule(text: str) -> RateLimitItem | None:
    """A rate such as 60/minute, or None for off; raises ValueError."""
    return None if text == OFF else parse(text)


class RateLimits:
    """Counts operations by caller; ``rules`` maps an operation to a text such as 60/minute, or off.

    An operation without a rule is refused: one that was forgotten must not be without a limit.
    ``reads`` are the operations that change nothing.
    ``store`` is the URL of a store for gateways that share their counts; empty: each gateway counts
    by itself. While the store is unavailable reads are counted by each gateway, and all else is
    refused: nobody issues more cards because the counts are lost.
    """

    def __init__(
        self, rules: Mapping[str, str], *, reads: Collection[str], store: str, emit: Sink
    ) -> None:
        self._rules = {operation: rate_rule(rule) for operation, rule in rules.items()}
        self._reads = frozenset(reads)
        self._emit = emit
        self._limiter = RateLimiter()
        self._shared: SharedLimits | None = None
        if store and any(self._rules.values()):
            self._shared = SharedLimits(store, emit=emit)

    async def count(self, caller: str, operation: str) -> None:
        """Count one operation.

        Raises RateLimited with the seconds until one more is allowed, or Overloaded when the
        operation cannot be counted now, and KeyError for an operation without a rule.
        """
        rule = self._rules[operation]
        if rule is None:
            return
        wait = await self._hit(rule, caller, operation)
        if wait > 0:
            after = max(round(wait, 1), 0.1)
            self._emit(RateLimitHit(caller=caller, field=operation, retry_after=after))
            raise RateLimited(
                f"Rate limit exceeded; retry after {after:g} s.",
                by=LimitedBy.GATEWAY,
                retry_after=after,
            )

    async def _hit(self, rule: RateLimitItem, caller: str, operation: str) -> float:
        if self._shared is None:
            return self._limiter.hit(rule, caller, operation)
        try:
            return await self._shared.hit(rule, caller, operation)
        except StoreUnavailable:
            if operation in self._reads:
                return self._limiter.hit(rule, caller, operation)
        raise Overloaded("The rate limit cannot be checked now; try again in a moment.")

    async def check(self) -> None:
        """Write a log line when the store is unavailable; without a store do nothing."""
        if self._shared is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._shared.check()

    async def aclose(self) -> None:
        """Close the connections to the store."""
        if self._shared is not None:
            await self._shared.aclose()
