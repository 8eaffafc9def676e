"""Metrics of the audit trail."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations


class AuditMetrics:
    """Lines that are on the disk, those that are given up, and whether it takes any."""

    def __init__(self, declare: Declarations) -> None:
        self._available = declare.gauge(
            "gateway_audit_available", "Whether the audit trail can be written.", "livemin"
        )
        self._available.set(1)
        self._lines = declare.counters(
            "gateway_audit_lines", "Lines of the audit trail that are on the disk.", ("event",)
        )
        self._lost = declare.counter("gateway_audit_lines_lost", "Lines that were given up.")
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.AuditChanged: lambda event: self._available.set(event.problem is None),
            events.AuditLineWritten: lambda event: self._lines[event.event].inc(),
            events.AuditLineLost: lambda _: self._lost.inc(),
        }
