"""Metrics of requests to ``/graphql``."""

from collections.abc import Callable
from typing import Any

from gateway import events
from gateway.telemetry.metrics.declared import Declarations

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NONE, _SEVERAL = "none", "several"


class RequestMetrics:
    """Requests, errors and durations by the field of the root; refusals of what was sent."""

    def __init__(self, declare: Declarations) -> None:
        self._requests = declare.counters(
            "gateway_requests",
            "Answered requests to /graphql. `field` is that of the root: `several` where there are "
            "more, `none` where none was executed.",
            ("field", "kind", "status"),
        )
        self._durations = declare.histograms(
            "gateway_request_duration_seconds",
            "Time to the answer of a request.",
            SECONDS,
            ("field", "kind"),
        )
        self._errors = declare.counters(
            "gateway_request_errors",
            "Requests with an error of this code, failures in results included.",
            ("field", "code"),
        )
        self._documents = declare.counters(
            "gateway_documents_refused",
            "Documents that were not executed; `limit` is the one that they pass, or `none`.",
            ("code", "limit"),
        )
        self._http = declare.counters(
            "gateway_http_requests_refused",
            "Requests that were too large, too slow or no HTTP/1.1.",
            ("status",),
        )
        self._faults = declare.counter("gateway_unexpected_errors", "Faults of the gateway.")
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            events.OperationEnded: self._ended,
            events.DocumentRefused: self._document_refused,
            events.HttpRequestRefused: self._http_refused,
            events.UnexpectedError: self._unexpected,
        }

    def _ended(self, event: events.OperationEnded) -> None:
        field, kind = _field(event.fields), event.kind or _NONE
        self._requests[field, kind, event.status].inc()
        self._durations[field, kind].observe(event.duration)
        for code in event.errors:
            self._errors[field, code].inc()

    def _document_refused(self, event: events.DocumentRefused) -> None:
        for code in event.codes:
            for limit in event.limits or (_NONE,):
                self._documents[code, limit].inc()

    def _http_refused(self, event: events.HttpRequestRefused) -> None:
        self._http[event.status].inc()

    def _unexpected(self, _event: events.UnexpectedError) -> None:
        self._faults.inc()


def _field(fields: tuple[str, ...]) -> str:
    if not fields:
        return _NONE
    return fields[0] if len(set(fields)) == 1 else _SEVERAL
