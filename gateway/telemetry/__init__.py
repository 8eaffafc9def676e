"""What the gateway tells its operators; never a value of a caller or of a card."""

from gateway.telemetry.caller_id import caller_id, caller_name, on_behalf_of
from gateway.telemetry.log_lines import LOG_LINES, LogLine
from gateway.telemetry.log_sink import LogSink
from gateway.telemetry.log_writers import DirectWriter, QueuedWriter
from gateway.telemetry.loggable import loggable, loggable_address
from gateway.telemetry.logs import configure_logging, lines_dropped, set_log_level
from gateway.telemetry.request_id import (
    NO_REQUEST,
    RequestIdMiddleware,
    new_request_id,
    request_id,
)
from gateway.telemetry.subject_key import with_subject_key
from gateway.telemetry.trace_context import TraceContext, trace_context
from gateway.telemetry.tracing import NO_TRACING, OpenSpan, Tracing, server_of, tracing_of

__all__ = [
    "LOG_LINES",
    "NO_REQUEST",
    "NO_TRACING",
    "DirectWriter",
    "LogLine",
    "LogSink",
    "OpenSpan",
    "QueuedWriter",
    "RequestIdMiddleware",
    "TraceContext",
    "Tracing",
    "caller_id",
    "caller_name",
    "configure_logging",
    "lines_dropped",
    "loggable",
    "loggable_address",
    "new_request_id",
    "on_behalf_of",
    "request_id",
    "server_of",
    "set_log_level",
    "trace_context",
    "tracing_of",
    "with_subject_key",
]
