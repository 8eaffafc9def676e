"""How often a caller may ask: one limit per caller and operation, counted in memory or a store."""

import time
from collections.abc import Mapping

from limits import RateLimitItem, parse
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from gateway.errors import RateLimited


class RateLimits:
    """Counts operations by caller; ``rules`` maps an operation to a text such as 60/minute.

    ``store`` is a URL of the limits library: ``async+memory://``, or one that gateways share.
    """

    def __init__(self, rules: Mapping[str, str], *, store: str) -> None:
        self._rules: dict[str, RateLimitItem] = {
            operation: parse(rule) for operation, rule in rules.items() if rule
        }
        self._limiter = MovingWindowRateLimiter(storage_from_string(store))

    async def count(self, caller: str, operation: str) -> None:
        """Count one operation; raises RateLimited with the seconds until there is room again."""
        rule = self._rules.get(operation)
        if rule is None or await self._limiter.hit(rule, caller, operation):
            return
        window = await self._limiter.get_window_stats(rule, caller, operation)
        wait = max(0.0, window.reset_time - time.time())
        raise RateLimited("You ask too often; slow down.", retry_after=round(wait, 1))
