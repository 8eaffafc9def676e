"""Spans sent to a collector over OTLP/HTTP, as the standard variables of OpenTelemetry say.

A thread of the SDK sends them in batches, and nobody waits for it: what a collector does not take
in time is dropped. This file needs the extra ``tracing``. https://opentelemetry.io/docs/specs/otlp/
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from gateway import __version__
from gateway.events import Sink, SpanExportChanged
from gateway.telemetry.spans import Spans
from gateway.telemetry.tracing import FLUSH_TIME


def exported_spans(emit: Sink, *, propagates: bool) -> Spans:
    """Spans that go to the collector of the environment; ``emit`` is called in another thread.

    Threads begin here: call it in the process that serves, not in one that forks afterwards.
    Raises ValueError where the SDK refuses one of its variables.
    """
    own = {"service.name": "card-gateway", "service.version": __version__}
    resource = Resource.create({**own, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Told(OTLPSpanExporter(), emit)))
    _silence()
    tracer = provider.get_tracer("gateway", __version__)
    return Spans(tracer, propagates=propagates, close=lambda: _shut_down(provider))


class _Told(SpanExporter):
    """An exporter that tells when a collector does not take spans any more, or takes them again."""

    def __init__(self, exporter: SpanExporter, emit: Sink) -> None:
        self._exporter = exporter
        self._emit = emit
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        works = result is SpanExportResult.SUCCESS
        if works is not self._works:
            self._works = works
            self._emit(SpanExportChanged(works=works))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _silence() -> None:
    """Keep lines of the export out of the log: there is one for each batch, and they quote URLs.

    What the SDK says of its variables was said before.
    """
    for name in ("opentelemetry", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def _shut_down(provider: TracerProvider) -> None:
    """Send what is left. The SDK would wait for a collector for half a minute."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=shut_down, name="spans", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_TIME):
            await ended.wait()
