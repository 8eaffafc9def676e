"""Metrics of the calls to the provider."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations
from gateway.telemetry.metrics.requests import SECONDS

_NONE = "none"


class ProviderMetrics:
    """Calls, attempts, and what the provider asks of the gateway or refuses it."""

    def __init__(self, declare: Declarations) -> None:
        self._calls = declare.counters(
            "gateway_provider_calls",
            "Calls to the provider, each with all its attempts, by the outcome of the last one.",
            ("method", "route", "outcome"),
        )
        self._durations = declare.histograms(
            "gateway_provider_call_duration_seconds",
            "Time of a call to the provider, with its attempts and the waits between them.",
            SECONDS,
            ("method", "route"),
        )
        self._attempts = declare.counters(
            "gateway_provider_attempts",
            "Attempts of calls to the provider; `cause` is the class of what broke one, or `none`.",
            ("method", "route", "outcome", "cause"),
        )
        self._held_back = declare.counters(
            "gateway_requests_held_back",
            "Times that the provider asked for a pause (`api`), or gave no access token.",
            ("of",),
        )
        self._breaker = declare.counters(
            "gateway_breaker_changes",
            "Times that the circuit breaker for reads has opened or closed.",
            ("state",),
        )
        self._renewals = declare.counter(
            "gateway_access_token_renewals", "Access tokens that the provider gave."
        )
        self._token_refusals = declare.counters(
            "gateway_access_token_refusals",
            "Fetches of an access token that failed, by the code of the error.",
            ("code",),
        )
        self._in_tolerance = declare.gauge(
            "gateway_clock_within_tolerance",
            "Whether the provider's clock, as last seen, is close enough to ours.",
            "livemin",
        )
        self._in_tolerance.set(1)
        self._unreadable = declare.counters(
            "gateway_card_fields_unreadable",
            "Answers of the provider with fields that are not as documented.",
            ("route",),
        )
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.ProviderCallEnded: self._call_ended,
            events.AttemptEnded: self._attempt_ended,
            events.RequestsHeldBack: self._requests_held_back,
            events.BreakerChanged: lambda event: self._breaker[event.state].inc(),
            events.TokenRenewed: lambda _: self._renewals.inc(),
            events.ClockSkewChanged: lambda event: self._in_tolerance.set(event.within_tolerance),
            events.CardFieldsUnreadable: lambda event: self._unreadable[event.route].inc(),
        }

    def _call_ended(self, event: events.ProviderCallEnded) -> None:
        self._calls[event.method, event.route, event.outcome].inc()
        self._durations[event.method, event.route].observe(event.duration)

    def _attempt_ended(self, event: events.AttemptEnded) -> None:
        cause = event.cause or _NONE
        self._attempts[event.method, event.route, event.outcome, cause].inc()

    def _requests_held_back(self, event: events.RequestsHeldBack) -> None:
        self._held_back[event.of].inc()
        if event.of == "access_token":
            self._token_refusals[event.code or _NONE].inc()
