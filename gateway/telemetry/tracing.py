"""Tracing as the rest of the gateway sees it: spans around a request, an operation and a call.

``Tracing`` itself is tracing that is off, and costs next to nothing; ``Spans`` is the one that
makes spans of OpenTelemetry. Which of them it is, the composition root is told.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from starlette.types import Scope

from gateway.config import TracingVariables
from gateway.errors import ConfigError
from gateway.events import Sink


class OpenSpan(AbstractContextManager["OpenSpan", None]):
    """What happens in the block of a ``with`` statement; here: nobody is told.

    No exception is kept or shown, but for its class.
    """

    __slots__ = ()

    def __enter__(self) -> "OpenSpan":
        """Begin the span; it is the parent of all that begin within the block."""
        return self

    def __exit__(
        self, kind: type[Any] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """End the span."""

    def answered(self, status: int) -> None:
        """The HTTP status of the answer to a client."""

    def executed(self, kind: str, name: str | None) -> None:
        """The kind of an operation, and its name as ``loggable`` shows it: a client chose it."""

    def failed(self, error_type: str) -> None:
        """The code of an error, the class of an exception, or the like; never a text."""


NO_SPAN = OpenSpan()


class Tracing:
    """Tracing that is off."""

    sinks: Sequence[Sink] = ()
    """What has to be told of all events."""

    def request(self, _scope: Scope) -> OpenSpan:
        """The span of a request to ``/graphql``."""
        return NO_SPAN

    def operation(self) -> OpenSpan:
        """The span of a GraphQL operation."""
        return NO_SPAN

    def call(self, _method: str, _route: str | None, _server: tuple[str, int]) -> OpenSpan:
        """The span of a call to another server, with all its attempts.

        ``_route`` is its path with placeholders, and ``_server`` its host and its port.
        """
        return NO_SPAN

    async def aclose(self) -> None:
        """Export what is left, within ``FLUSH_TIME``."""


def server_of(url: str) -> tuple[str, int]:
    """Host and port of an http(s) URL, as ``Tracing.call`` takes them."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


NO_TRACING = Tracing()
FLUSH_TIME = 1.0
"""Seconds for the last spans at the end of the process; what then is left is lost."""


def tracing_of(variables: TracingVariables, emit: Sink) -> Tracing:
    """Tracing as the environment asks for it, or none; ``emit`` is called in another thread, too.

    Call it in the process that serves: it may begin threads. Raises ConfigError where what exports
    spans is not installed, or refuses one of its variables.
    """
    if not variables.asked_for:
        return NO_TRACING
    try:
        from gateway.telemetry.span_export import exported_spans

        return exported_spans(emit, propagates=variables.propagates)
    except ModuleNotFoundError as error:
        advice = f"needs {error.name}; install card-gateway[tracing], or unset it"
        raise ConfigError([f"OTEL_EXPORTER_OTLP_ENDPOINT: {advice}"]) from None
    except ValueError as error:
        raise ConfigError([f"OTEL_…: the SDK refuses a value ({type(error).__name__})"]) from None
