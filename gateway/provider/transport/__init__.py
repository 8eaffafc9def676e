"""The way to the provider: one request, one answer; nothing is ever sent twice."""

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.provider.transport import causes
from gateway.provider.transport.causes import Cause
from gateway.provider.transport.network import NetworkTransport
from gateway.provider.transport.transport import (
    ExchangeFailed,
    Origin,
    Reply,
    Request,
    Timeouts,
    Transport,
)

if TYPE_CHECKING:
    import httpx


def transport_to(
    url: str,
    *,
    through: "httpx.AsyncBaseTransport | None" = None,
    ca_file: Path | None = None,
) -> Transport:
    """The network, or the httpx transport that stands in for it, to the provider at ``url``.

    ``ca_file`` is trusted in addition to the system's certificates.
    """
    origin = Origin.of(url)
    if through is None:
        return NetworkTransport(origin, ca_file if origin.scheme == "https" else None)
    # Imported where it is used: a gateway on the real network starts without httpx.
    from gateway.provider.transport.httpx_transport import HttpxTransport

    return HttpxTransport(through, origin)


__all__ = [
    "Cause",
    "ExchangeFailed",
    "NetworkTransport",
    "Origin",
    "Reply",
    "Request",
    "Timeouts",
    "Transport",
    "causes",
    "transport_to",
]
