"""What one client may make the server keep, and for how long."""

import resource
from dataclasses import dataclass
from typing import Self

from gateway.config import ServerSettings

REQUEST_LINE = 8 * 1024  # bytes of the target in it
HEAD = 32 * 1024  # bytes of all header fields
FIELDS = 100
PIPELINED = 16  # requests that wait for the one before on the same connection
# Bytes around a chunked body beyond eight for each of its own: sizes, extensions, trailer fields.
FRAMING = 32 * 1024
# Bytes that are read and dropped after an answer that came before the end of its request, so that
# the client can read the answer: closing at once would reset the connection.
UNWANTED = 1024 * 1024
LINGER = 2.0  # seconds for the same

SETTLING = 2.0
"""Seconds at the end in which the outcomes of calls are written down."""

_MOST_CONNECTIONS = 10_000
_FEWEST_CONNECTIONS = 16
_OWN_DESCRIPTORS = 64  # files, event loop, ledger


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times in seconds; ``connections`` is the most that clients may have open at once."""

    head: float
    """For the header section of a request."""
    keep_alive: float
    """For the next request to begin."""
    connections: int
    drain: float
    """For the requests and calls that are in progress when connections are no longer accepted."""
    readiness_delay: float = 0
    """Between SIGTERM and that."""
    stalled: float = 30
    """For a client to take any of the bytes that wait for it."""

    @classmethod
    def of(cls, settings: ServerSettings, *, call_deadline: float, max_calls: int) -> Self:
        """The bounds that are set; each call to the provider needs a descriptor, too."""
        most = settings.max_client_connections or _fitting(max_calls)
        return cls(
            head=settings.header_timeout,
            keep_alive=settings.keep_alive,
            connections=most,
            readiness_delay=settings.readiness_delay,
            drain=settings.shutdown_grace or call_deadline,
        )

    @classmethod
    def by_default(cls) -> Self:
        """For a server that nobody configures."""
        return cls.of(ServerSettings.of(readiness_delay=0), call_deadline=5, max_calls=0)

    @property
    def end(self) -> float:
        """Seconds that an orderly end takes at most."""
        return self.readiness_delay + self.drain + SETTLING


def _fitting(reserved: int) -> int:
    """As many connections as the process may have descriptors for, less what it needs itself."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(min(limit - reserved - _OWN_DESCRIPTORS, _MOST_CONNECTIONS), _FEWEST_CONNECTIONS)
