"""What the gateway tells its operators; never a value of a caller or of a card."""

from gateway.telemetry.logs import configure_logging
from gateway.telemetry.request_id import (
    NO_REQUEST,
    RequestIdMiddleware,
    request_id,
    traceparent,
)

__all__ = ["NO_REQUEST", "RequestIdMiddleware", "configure_logging", "request_id", "traceparent"]
