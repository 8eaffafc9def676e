"""How often a caller may ask: one limit per caller and operation, counted here or in a store."""

import hashlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping

from gateway.callers.pace import Pace, pace_of
from gateway.callers.shared_limits import SharedLimits, StoreUnavailable
from gateway.errors import LimitedBy, Overloaded, RateLimited
from gateway.events import RateLimitHit, Sink
from gateway.telemetry import caller_name

_ROUNDING = 1e-6  # seconds


class RateLimiter:
    """Counts in memory: one moment per caller and operation, and none for those who rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: defaultdict[str, OrderedDict[str, float]] = defaultdict(OrderedDict)

    def hit(self, pace: Pace, caller: str, operation: str) -> float:
        """Count a request and return 0, or the seconds until one more is allowed."""
        now, callers = self._clock(), self._due[operation]
        due = max(callers.get(caller, now), now) + pace.interval
        if due - now > pace.ahead + _ROUNDING:
            return due - now - pace.ahead
        callers[caller] = due
        callers.move_to_end(caller)
        while callers and next(iter(callers.values())) <= now:
            callers.popitem(last=False)
        return 0.0

    def forget(self, operation: str) -> None:
        """Begin anew to count an operation."""
        self._due.pop(operation, None)

    def __len__(self) -> int:
        return sum(map(len, self._due.values()))


class RateLimits:
    """Counts operations by caller; ``rules`` maps an operation to a text such as 60/minute, or off.

    An operation without a rule is refused: one that was forgotten must not be without a limit.
    ``reads`` are the operations that change nothing.
    ``store`` is the URL of a store for gateways that share their counts; empty: each gateway counts
    by itself, as all do while the store is unavailable. With ``store_required`` nothing is let in
    then that cannot be counted together.
    """

    def __init__(
        self,
        rules: Mapping[str, str],
        *,
        reads: Collection[str],
        store: str,
        emit: Sink,
        store_required: bool = False,
    ) -> None:
        self._reads = frozenset(reads)
        self._paces = self._paces_of(rules)
        self._emit = emit
        self._limiter = RateLimiter()
        self._store_required = store_required
        self._shared = SharedLimits(store, emit=emit) if store else None

    def _paces_of(self, rules: Mapping[str, str]) -> dict[str, Pace | None]:
        return {name: pace_of(rule, reads=name in self._reads) for name, rule in rules.items()}

    def change(self, rules: Mapping[str, str]) -> None:
        """Count by other rules from now on; what keeps its rule keeps its counts."""
        paces = self._paces_of(rules)
        for name in paces:
            if paces[name] != self._paces.get(name):
                self._limiter.forget(name)
        self._paces = paces

    async def count(self, caller: str, operation: str) -> None:
        """Count one operation of the caller with this id.

        Raises RateLimited with the seconds until one more is allowed, or Overloaded when the
        operation cannot be counted now, and KeyError for an operation without a rule.
        """
        pace = self._paces[operation]
        if pace is None:
            return
        wait = await self._hit(pace, caller, operation)
        if wait > 0:
            after = max(round(wait, 1), 0.1)
            name = caller_name.get()
            self._emit(RateLimitHit(caller=name, field=operation, retry_after=after))
            raise RateLimited(
                f"Rate limit exceeded; retry after {after:g} s.",
                by=LimitedBy.GATEWAY,
                retry_after=after,
            )

    async def _hit(self, pace: Pace, caller: str, operation: str) -> float:
        if self._shared is None:
            return self._limiter.hit(pace, caller, operation)
        try:
            return await self._shared.hit(pace, _hidden(caller), operation)
        except StoreUnavailable:
            if self._store_required:
                raise Overloaded(
                    "The rate limit cannot be checked now; try again in a moment."
                ) from None
        return self._limiter.hit(pace, caller, operation)

    async def check(self) -> None:
        """Write a log line when the store is unavailable; without a store do nothing."""
        if self._shared is not None and any(self._paces.values()):
            await self._shared.check()

    async def aclose(self) -> None:
        """Close the connections to the store."""
        if self._shared is not None:
            await self._shared.aclose()


def _hidden(caller: str) -> str:
    """A name of a fixed length, so that whoever reads the store does not see who the callers are.

    It has no secret key: all gateways that share the store must find the same counts.
    """
    return hashlib.sha256(caller.encode(errors="surrogatepass")).hexdigest()[:32]
