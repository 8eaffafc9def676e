"""Metrics of the ledger of idempotency keys."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_ALARMS = ("lost_entries", "late_success", "card_of_another_key")


class LedgerMetrics:
    """Claims, answers, keys that are not resolved, and the store."""

    def __init__(self, declare: Declarations) -> None:
        self._claims = declare.counters(
            "gateway_ledger_claims",
            "Times that the right to send the call of a key was taken.",
            ("how",),
        )
        self._answers = declare.counters(
            "gateway_ledger_answers",
            "Requests with a key, by what they were told of its call.",
            ("outcome",),
        )
        self._unresolved = declare.gauges(
            "gateway_ledger_unresolved",
            "Keys whose outcome is not known, of all gateways that share the store.",
            "livemostrecent",
            ("state",),
        )
        self._oldest = declare.gauge(
            "gateway_ledger_oldest_unresolved_seconds",
            "Age of the oldest of them; 0 where there is none.",
            "livemostrecent",
        )
        self._steps = declare.histograms(
            "gateway_ledger_store_duration_seconds",
            "Time that the store takes for one step.",
            _SECONDS,
            ("step",),
        )
        self._failures = declare.counters(
            "gateway_ledger_store_failures", "Steps that the store did not take.", ("step",)
        )
        self._available = declare.gauge(
            "gateway_ledger_available",
            "Whether the store could be used when it was asked last.",
            "livemin",
        )
        self._available.set(1)
        self._alarms = declare.counters(
            "gateway_ledger_alarms",
            "What must not happen to a key, and has; somebody should look.",
            ("what",),
        )
        for what in _ALARMS:  # else the first of them would be no increase
            self._alarms[what]
        self._full = declare.counter(
            "gateway_ledger_full",
            "Times that new keys were refused for want of room, told once a minute at most.",
        )
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.KeyClaimed: lambda event: self._claims[event.how].inc(),
            events.KeyAnswered: lambda event: self._answers[event.outcome].inc(),
            events.LedgerCounted: self._counted,
            events.StoreStepEnded: self._step_ended,
            events.LedgerChanged: lambda event: self._available.set(event.problem is None),
            events.LedgerAlarm: lambda event: self._alarms[event.what].inc(),
            events.LedgerFull: lambda _: self._full.inc(),
        }

    def _counted(self, event: events.LedgerCounted) -> None:
        self._unresolved["sending"].set(event.sending)
        self._unresolved["indeterminate"].set(event.indeterminate)
        self._oldest.set(event.oldest)

    def _step_ended(self, event: events.StoreStepEnded) -> None:
        self._steps[event.step].observe(event.duration)
        if event.failed:
            self._failures[event.step].inc()
