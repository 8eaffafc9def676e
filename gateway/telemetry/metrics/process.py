"""Metrics of what is so now in one process: sampled, and told by its server."""

import time
from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations

_BREAKER = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
_UNKNOWN = -1.0


class ProcessMetrics:
    """Gauges of the last sample, and counters of what the server has closed or refused."""

    def __init__(self, declare: Declarations) -> None:
        gauge, counter = declare.gauge, declare.counter
        self._breaker = gauge(
            "gateway_breaker_open", "1: reads are held back; 0.5: one is tried; 0.", "livemax"
        )
        self._in_progress = gauge(
            "gateway_provider_calls_in_progress", "Calls to the provider now.", "livesum"
        )
        self._waiting = gauge(
            "gateway_provider_calls_waiting", "Calls that wait for their turn.", "livesum"
        )
        self._limit = gauge(
            "gateway_provider_calls_limit", "Most calls to the provider at once.", "livesum"
        )
        self._token_age = gauge(
            "gateway_access_token_age_seconds",
            "Seconds since the access token was fetched; -1: there is none.",
            "livemax",
        )
        self._skew = gauge(
            "gateway_clock_skew_seconds",
            "How far the provider's clock is ahead of ours, as last seen.",
            "livemostrecent",
        )
        self._jwks_age = gauge(
            "gateway_jwks_age_seconds",
            "Age of the identity provider's keys; -1: there are none.",
            "livemax",
        )
        self._lag = gauge(
            "gateway_event_loop_lag_seconds",
            "The longest that the event loop was late by in the last two seconds.",
            "livemax",
        )
        self._caches = declare.gauges(
            "gateway_cache_entries", "What a cache holds.", "livesum", ("cache",)
        )
        self._cache_bytes = declare.gauges(
            "gateway_cache_bytes",
            "Memory that a cache takes, as it was measured.",
            "livesum",
            ("cache",),
        )
        self._connections = gauge(
            "gateway_connections_open", "Connections of clients now.", "livesum"
        )
        self._closed = counter(
            "gateway_connections_closed",
            "Connections that waited for a request and were closed for want of room; counted when "
            "that is told, once a minute.",
        )
        self._not_accepted = counter(
            "gateway_connections_not_accepted", "Times that no descriptor was left for one."
        )
        self._cut_off = counter(
            "gateway_requests_cut_off", "Requests that the end of the server did not wait for."
        )
        self._dropped = counter(
            "gateway_log_lines_dropped", "Log lines that their reader was too slow for."
        )
        self._descriptors = gauge("process_open_fds", "Open file descriptors.", "liveall")
        self._most_descriptors = gauge("process_max_fds", "Most of them.", "liveall")
        self._memory = gauge("process_resident_memory_bytes", "Memory in RAM.", "liveall")
        self._cpu = counter("process_cpu_seconds", "Time on processors, of user and of system.")
        gauge(
            "process_start_time_seconds", "When the process began, in UNIX seconds.", "liveall"
        ).set(time.time())
        self._last_cpu, self._last_dropped = 0.0, 0
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.StateSampled: self._sampled,
            events.ConnectionsCounted: lambda event: self._connections.set(event.open),
            events.ConnectionsClosed: lambda event: self._closed.inc(event.closed),
            events.ConnectionsNotAccepted: lambda _: self._not_accepted.inc(),
            events.RequestsCutOff: lambda event: self._cut_off.inc(event.requests),
        }

    def _sampled(self, event: events.StateSampled) -> None:
        self._breaker.set(_BREAKER[event.breaker])
        self._in_progress.set(event.calls_in_progress)
        self._waiting.set(event.calls_waiting)
        self._limit.set(event.calls_limit)
        self._token_age.set(_known(event.token_age))
        self._skew.set(event.clock_skew or 0.0)
        self._jwks_age.set(_known(event.jwks_age))
        self._lag.set(event.loop_lag)
        for cache in event.caches:
            self._caches[cache.cache].set(cache.entries)
            self._cache_bytes[cache.cache].set(cache.bytes)
        self._descriptors.set(_known(event.open_descriptors))
        self._most_descriptors.set(_known(event.most_descriptors))
        self._memory.set(_known(event.memory))
        self._count(event)

    def _count(self, event: events.StateSampled) -> None:
        """Samples bring totals of their process, counters want what has come since the last."""
        self._cpu.inc(max(event.cpu - self._last_cpu, 0))
        self._dropped.inc(max(event.log_lines_dropped - self._last_dropped, 0))
        self._last_cpu, self._last_dropped = event.cpu, event.log_lines_dropped


def _known(value: float | None) -> float:
    return _UNKNOWN if value is None else value
