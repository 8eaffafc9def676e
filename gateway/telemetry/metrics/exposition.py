"""Metrics as the text that Prometheus reads."""

from collections.abc import Callable
from typing import TypeAlias

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

Exposition: TypeAlias = Callable[[str], tuple[bytes, str]]
"""From an ``Accept`` header to the text and its media type: that of Prometheus, or OpenMetrics."""


def exposition_of(metrics: Collector) -> Exposition:
    """Shows what these metrics are when it is asked; takes some milliseconds of a thread."""

    def show(accept: str) -> tuple[bytes, str]:
        encode, media_type = choose_encoder(accept)
        return encode(metrics), media_type

    return show
