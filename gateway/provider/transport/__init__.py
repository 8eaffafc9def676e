"""The way to the provider: one request, one answer; nothing is ever sent twice."""

from gateway.provider.transport import causes
from gateway.provider.transport.network import NetworkTransport
from gateway.provider.transport.transport import (
    ExchangeFailed,
    Origin,
    Reply,
    Request,
    Timeouts,
    Transport,
)

__all__ = [
    "ExchangeFailed",
    "NetworkTransport",
    "Origin",
    "Reply",
    "Request",
    "Timeouts",
    "Transport",
    "causes",
]
