"""Metrics of what operators change while the gateway runs."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations

_MODES = ("on", "repeats-only", "off")


class SettingsMetrics:
    """The switch for mutations, what it has refused, and settings that were read anew."""

    def __init__(self, declare: Declarations) -> None:
        self._modes = declare.gauges(
            "gateway_mutations_mode",
            "1 for the mode that holds: on, repeats-only or off.",
            "livemax",
            ("mode",),
        )
        self._refused = declare.counters(
            "gateway_mutations_refused",
            "Mutations that were refused because of their mode.",
            ("field", "mode"),
        )
        self._reloads = declare.counters(
            "gateway_settings_reloads",
            "Times that settings were read anew: `taken`, or `refused` as unusable.",
            ("result",),
        )
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.MutationsSwitched: self._switched,
            events.MutationRefused: self._mutation_refused,
            events.SettingsReloaded: lambda _: self._reloads["taken"].inc(),
            events.SettingsRefused: lambda _: self._reloads["refused"].inc(),
        }

    def _switched(self, event: events.MutationsSwitched) -> None:
        for mode in _MODES:
            self._modes[mode].set(mode == event.mode)

    def _mutation_refused(self, event: events.MutationRefused) -> None:
        self._refused[event.field, event.mode].inc()
