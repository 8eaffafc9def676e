"""Metrics as they are declared here: by name and text, and by the labels that they have."""

from typing import Any, Generic, Literal, TypeAlias, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.registry import CollectorRegistry

Mode: TypeAlias = Literal["liveall", "livemax", "livemin", "livemostrecent", "livesum"]
"""How the gauges of several processes are put together."""

M = TypeVar("M", Counter, Gauge, Histogram)


class ByLabels(dict[Any, M], Generic[M]):
    """The metrics of one name, by the value of its label, or by a tuple of several.

    ``labels`` of prometheus_client makes texts of all values and takes a lock, each time.
    """

    def __init__(self, parent: M) -> None:
        super().__init__()
        self._parent: M = parent

    def __missing__(self, values: Any) -> M:
        """Make the metric, where this is the first time."""
        given = values if isinstance(values, tuple) else (values,)
        made: M = self._parent.labels(*given)
        self[values] = made
        return made


class Declarations:
    """Declares metrics in a registry; the names of counters get ``_total``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str) -> Counter:
        """A counter without labels."""
        return Counter(name, text, registry=self._registry)

    def counters(self, name: str, text: str, labels: tuple[str, ...]) -> ByLabels[Counter]:
        """A counter for each value of the labels."""
        return ByLabels(Counter(name, text, labels, registry=self._registry))

    def gauge(self, name: str, text: str, mode: Mode) -> Gauge:
        """A gauge without labels."""
        return Gauge(name, text, registry=self._registry, multiprocess_mode=mode)

    def gauges(self, name: str, text: str, mode: Mode, labels: tuple[str, ...]) -> ByLabels[Gauge]:
        """A gauge for each value of the labels."""
        made = Gauge(name, text, labels, registry=self._registry, multiprocess_mode=mode)
        return ByLabels(made)

    def histograms(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...]
    ) -> ByLabels[Histogram]:
        """A histogram for each value of the labels."""
        made = Histogram(name, text, labels, buckets=buckets, registry=self._registry)
        return ByLabels(made)
