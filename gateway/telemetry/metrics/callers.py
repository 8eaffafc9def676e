"""Metrics of who is let in, and how often."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations


class CallerMetrics:
    """Refusals of callers and browsers, rate limits, and the identity provider's keys."""

    def __init__(self, declare: Declarations) -> None:
        self._refused = declare.counters(
            "gateway_callers_refused", "Requests whose caller was not let in.", ("code",)
        )
        self._preflights = declare.counters(
            "gateway_preflights_refused",
            "Requests of browsers for pages of other web origins that were refused (CORS).",
            ("reason",),
        )
        self._limited = declare.counters(
            "gateway_rate_limited", "Requests beyond the rate limit of a field.", ("field",)
        )
        self._issues = declare.counter(
            "gateway_issue_limit_hits",
            "Cards that were not issued because of the limit of their account.",
        )
        self._store = declare.gauge(
            "gateway_rate_limit_store_available",
            "Whether the store of shared counts answers; 1 where there is none.",
            "livemin",
        )
        self._store.set(1)
        self._failures = declare.counter(
            "gateway_jwks_failures", "Fetches of the identity provider's keys that failed."
        )
        self._keys_refused = declare.counter(
            "gateway_jwks_keys_refused", "Keys of the identity provider that are passed over."
        )
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.CallerRefused: lambda event: self._refused[event.code].inc(),
            events.PreflightRefused: lambda event: self._preflights[event.reason].inc(),
            events.RateLimitHit: lambda event: self._limited[event.field].inc(),
            events.IssueLimitHit: lambda _: self._issues.inc(),
            events.RateLimitStoreChanged: lambda event: self._store.set(event.available),
            events.IdentityKeysUnavailable: lambda _: self._failures.inc(),
            events.IdentityKeyRefused: lambda _: self._keys_refused.inc(),
        }
