"""Spans of OpenTelemetry, with names and attributes of its semantic conventions.

HTTP: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ (stable; ``url.template`` is not)
GraphQL: https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/ (in development)

All attributes have values of a fixed vocabulary but ``graphql.operation.name``. No URL is among
them, since it has ids, nor the text of an exception.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from starlette.types import Scope

from gateway.errors import GatewayError
from gateway.events import AttemptEnded, Event, ProviderCallEnded
from gateway.telemetry.loggable import loggable
from gateway.telemetry.trace_context import TraceContext, trace_context
from gateway.telemetry.tracing import NO_SPAN, OpenSpan, Tracing

Attributes = dict[str, str | int]
_METHODS = frozenset(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]
)
_ROOT = Context()


async def _nothing() -> None:
    """What there is to do at the end where nothing is exported."""


class Spans(Tracing):
    """Tracing with a tracer; ``close`` ends the export.

    Spans are children of those of callers, and the provider gets them as parents, where the trace
    ``propagates``. A span whose parent here is not sampled is not made: no sampler of the standard
    variables would sample it.
    """

    def __init__(
        self,
        tracer: Tracer,
        *,
        propagates: bool = True,
        close: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self._tracer = tracer
        self._propagates = propagates
        self._close = close
        self.sinks = (_note,)

    def request(self, scope: Scope) -> OpenSpan:
        """See ``Tracing``; the parent is the caller's span."""
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        name = f"{'HTTP' if method == '_OTHER' else method} /graphql"
        attributes: Attributes = {
            "http.request.method": method,
            "http.route": "/graphql",
            "url.path": "/graphql",
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
            **_server(*(scope.get("server") or (None, None))),
        }
        parent = trace_context.get() if self._propagates else None
        return self._begin(name, SpanKind.SERVER, attributes, parent)

    def operation(self) -> OpenSpan:
        """See ``Tracing``; its name is known once the document is read."""
        return self._within("GraphQL Operation", SpanKind.SERVER, {})

    def call(self, method: str, route: str | None, server: tuple[str, int]) -> OpenSpan:
        """See ``Tracing``."""
        attributes: Attributes = {"http.request.method": method, **_server(*server)}
        if route is None:
            return self._within(method, SpanKind.CLIENT, attributes)
        attributes["url.template"] = route
        return self._within(f"{method} {route}", SpanKind.CLIENT, attributes)

    async def aclose(self) -> None:
        """See ``Tracing``."""
        await self._close()

    def _within(self, name: str, kind: SpanKind, attributes: Attributes) -> OpenSpan:
        parent = _open.get()
        if parent is None:
            return self._begin(name, kind, attributes, None)
        return self._begin(name, kind, attributes, parent.context) if parent.is_sampled else NO_SPAN

    def _begin(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: TraceContext | None
    ) -> OpenSpan:
        above = _ROOT if parent is None else _as_parent(parent)
        # Never entered as a context manager of its own: that would keep the texts of exceptions.
        span = self._tracer.start_span(name, above, kind, attributes)
        own = TraceContext(
            _traceparent(span.get_span_context()),
            parent.tracestate if parent is not None else "",
            is_ours=True,
            is_sent=self._propagates,
        )
        return _BegunSpan(span, own)


def _server(host: str | None, port: int | None) -> Attributes:
    if host is None:  # it is not known
        return {}
    return {"server.address": host} | ({} if port is None else {"server.port": port})


def _as_parent(parent: TraceContext) -> Context:
    """Without the ``tracestate``, which is passed on but not exported: its texts are others'."""
    context = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=not parent.is_ours,
        trace_flags=TraceFlags(parent.flags),
    )
    return set_span_in_context(NonRecordingSpan(context), _ROOT)


def _traceparent(span: SpanContext) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


class _BegunSpan(OpenSpan):
    """A span; ``context`` is what its children are begun with, here and at the provider.

    Where it is not sampled nobody will see it, but log lines have its ids.
    """

    __slots__ = (
        "_attempts",
        "_failed",
        "_outer",
        "_outer_context",
        "_span",
        "context",
        "is_sampled",
    )

    _outer: "Token[_BegunSpan | None]"
    _outer_context: Token[TraceContext | None]

    def __init__(self, span: Span, context: TraceContext) -> None:
        self._span = span
        self.context = context
        self.is_sampled = span.is_recording()  # it stays so: calls may go on after their request
        self._attempts = 0
        self._failed = False

    def __enter__(self) -> OpenSpan:
        self._outer = _open.set(self)
        self._outer_context = trace_context.set(self.context)
        return self

    def __exit__(
        self, kind: type[Any] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        trace_context.reset(self._outer_context)
        _open.reset(self._outer)
        if kind is not None:
            self.failed(error.code if isinstance(error, GatewayError) else kind.__name__)
        self._span.end()

    def answered(self, status: int) -> None:
        """Of a server only statuses from 500 on are failures of its own."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.failed(str(status))

    def executed(self, kind: str, name: str | None) -> None:
        """The span has the name of the kind: that of the operation may be any of very many."""
        self._span.update_name(kind)
        self._span.set_attribute("graphql.operation.type", kind)
        if (shown := loggable(name)) is not None:
            self._span.set_attribute("graphql.operation.name", shown)

    def failed(self, error_type: str) -> None:
        """See ``OpenSpan``; the first one counts."""
        if not self._failed:
            self._failed = True
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(StatusCode.ERROR)

    def attempted(self, attempt: AttemptEnded) -> None:
        """Keep what became of an attempt of this call."""
        self._attempts += 1
        facts: Attributes = {"attempt": self._attempts, "outcome": attempt.outcome}
        if attempt.status is not None:
            facts["http.response.status_code"] = attempt.status
        if attempt.cause is not None:
            facts["error.type"] = attempt.cause
        self._span.add_event("attempt", facts)

    def ended(self, call: ProviderCallEnded) -> None:
        """Keep what this call came to."""
        if call.status is not None:
            self._span.set_attribute("http.response.status_code", call.status)
        if call.attempts > 1:
            self._span.set_attribute("http.request.resend_count", call.attempts - 1)
        if call.outcome != "success":
            is_refused = call.status is not None and call.status >= 400
            self.failed(call.cause or (str(call.status) if is_refused else call.outcome))


_open: ContextVar[_BegunSpan | None] = ContextVar("open_span", default=None)


def _note(event: Event) -> None:
    """Give the span of a call what the call has told; each event is told within its span."""
    if not isinstance(event, AttemptEnded | ProviderCallEnded):
        return
    if (span := _open.get()) is None or not span.is_sampled:
        return
    if isinstance(event, AttemptEnded):
        span.attempted(event)
    else:
        span.ended(event)
