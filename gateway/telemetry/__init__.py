"""What the gateway tells its operators; never a value of a caller or of a card."""

from gateway.telemetry.caller_id import caller_id, caller_name, on_behalf_of
from gateway.telemetry.log_sink import LogSink
from gateway.telemetry.log_writers import DirectWriter, QueuedWriter
from gateway.telemetry.loggable import loggable, loggable_address
from gateway.telemetry.logs import configure_logging, lines_dropped, set_log_level
from gateway.telemetry.request_id import (
    NO_REQUEST,
    RequestIdMiddleware,
    new_request_id,
    request_id,
    traceparent,
)
from gateway.telemetry.subject_key import with_subject_key

__all__ = [
    "NO_REQUEST",
    "DirectWriter",
    "LogSink",
    "QueuedWriter",
    "RequestIdMiddleware",
    "caller_id",
    "caller_name",
    "configure_logging",
    "lines_dropped",
    "loggable",
    "loggable_address",
    "new_request_id",
    "on_behalf_of",
    "request_id",
    "set_log_level",
    "traceparent",
    "with_subject_key",
]
