"""The sink that hands each event to the metrics which are about it."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prometheus_client import disable_created_metrics
from prometheus_client.registry import CollectorRegistry

from gateway import __version__
from gateway.events import Event, StateSampled
from gateway.telemetry.metrics.audit import AuditMetrics
from gateway.telemetry.metrics.callers import CallerMetrics
from gateway.telemetry.metrics.declared import Declarations
from gateway.telemetry.metrics.exposition import exposition_of
from gateway.telemetry.metrics.ledger import LedgerMetrics
from gateway.telemetry.metrics.process import ProcessMetrics
from gateway.telemetry.metrics.provider import ProviderMetrics
from gateway.telemetry.metrics.requests import RequestMetrics
from gateway.telemetry.metrics.settings import SettingsMetrics

_MOST_WAITING = 200


class MetricsSink:
    """Counts events: some two hundred in one go, or those of two seconds.

    It takes a third of the time so: between the steps of a request nothing of what counts them
    would still be in the caches of the processor.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each, which nobody asks for
        registry = CollectorRegistry()
        self._waiting = deque[Event]()
        self._show = exposition_of(registry)
        declare = Declarations(registry)
        info = declare.gauges(
            "gateway_build_info", "The version of the gateway.", "livemax", ("version",)
        )
        info[__version__].set(1)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            **RequestMetrics(declare).handlers,
            **CallerMetrics(declare).handlers,
            **ProviderMetrics(declare).handlers,
            **LedgerMetrics(declare).handlers,
            **AuditMetrics(declare).handlers,
            **SettingsMetrics(declare).handlers,
            **ProcessMetrics(declare).handlers,
        }

    @property
    def counts(self) -> set[type[Any]]:
        """The events that are counted; the others are passed over."""
        return set(self._handlers)

    def __call__(self, event: Event) -> None:
        """Keep an event, to be counted soon."""
        self._waiting.append(event)
        if len(self._waiting) >= _MOST_WAITING or type(event) is StateSampled:
            self._count()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics of this process, as ``Exposition`` says; from any thread."""
        self._count()
        return self._show(accept)

    def _count(self) -> None:
        """Count the events that wait."""
        with suppress(IndexError):
            while True:
                event = self._waiting.popleft()
                if (handle := self._handlers.get(type(event))) is not None:
                    handle(event)
