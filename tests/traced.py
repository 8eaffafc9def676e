"""Tracing of tests: its spans go to an exporter at once, and to no collector."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler

from gateway.telemetry.spans import Spans


def tracing_to(
    exporter: SpanExporter, root: Sampler = ALWAYS_ON, *, propagates: bool = True
) -> Spans:
    """Tracing with this exporter; ``root`` decides where a caller does not."""
    provider = TracerProvider(sampler=ParentBased(root), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Spans(provider.get_tracer("tests"), propagates=propagates)
