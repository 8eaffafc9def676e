"""The real way to the provider: aiohttp's client, held to what a signed request needs.

Nothing is sent twice, no cookie is kept, no redirect is followed, no proxy is taken from the
environment, and the path that is sent is the signed one, byte for byte. What breaks is told apart
exactly, because a modifying call may be given up only if nothing of it can have left:

    refused, no such name, no connection in time   → NEVER_CONNECTED
    reset, closed, timed out, unreadable           → NO_WHOLE_ANSWER
    body too large, or in a coding we do not read  → a Reply without body, and with its flaw
"""

import asyncio
import select
import ssl
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from gateway.answers import EndlessAnswer, UnusableBody, body_of, bounded_session
from gateway.provider.retries import Outcome
from gateway.provider.transport import causes
from gateway.provider.transport.causes import Cause
from gateway.provider.transport.transport import (
    ExchangeFailed,
    Origin,
    Reply,
    Request,
    Timeouts,
    flaw_of,
)

IDLE = 30.0  # seconds that an unused connection is kept: under the 60 to 75 that servers grant


class _Stale(aiohttp.ClientConnectionError):
    """The kept connection is not fit for a request; nothing was sent on it."""


class _SpeaksFirst(aiohttp.ClientConnectionError):
    """A new connection is not fit for a request either; nothing was sent on it."""


_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    _SpeaksFirst,
    UnicodeError,  # a host name that no resolver can be asked for
)


class _Request(aiohttp.ClientRequest):
    """A request that is sent on clean connections only."""

    POST_METHODS: set[str] = (
        set()
    )  # those that would get a made-up Content-Type where there is none

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        kept = conn.protocol in _used
        transport = conn.protocol.transport
        # A new TLS connection may have something to read that is no answer: session tickets.
        looks = kept or transport.get_extra_info("ssl_object") is None
        if conn.protocol.should_close or (looks and _is_readable(transport)):
            raise _Stale if kept else _SpeaksFirst
        _used.add(conn.protocol)
        return await super().send(conn)


# Connections on which a request was sent already.
_used: weakref.WeakSet[Any] = weakref.WeakSet()


def _is_readable(transport: asyncio.Transport) -> bool:
    """Whether something came that the event loop has not seen yet, before anything was asked.

    Either the provider's end of the connection, after which a request would be lost, or an answer
    too many, which would be taken for ours.
    """
    looking = select.poll()
    looking.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(looking.poll(0))


class _Body(aiohttp.Payload):
    """A body that the provider must take in time: aiohttp has no limit for that."""

    _value: bytes

    def __init__(self, body: bytes, seconds: float) -> None:
        super().__init__(body)
        self._size = len(body)
        self._seconds = seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        async with asyncio.timeout(self._seconds):
            await writer.write(self._value)


@lru_cache(maxsize=16)  # nearly always the same
def _as_aiohttp(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        connect=timeouts.connect, sock_connect=timeouts.connect, sock_read=timeouts.read
    )


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """What aiohttp uses by default, without old versions of TLS, and with these certificates."""
    context = ssl.create_default_context()
    # Said outright: distributions set other defaults.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
        # What is in the file is trusted as it is: an intermediate CA, or the certificate itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _cause(error: BaseException) -> Cause:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return causes.ConnectTimedOut()
        case aiohttp.SocketTimeoutError():
            return causes.ReadTimedOut()
        case TimeoutError() if not isinstance(error, aiohttp.ClientError):
            return causes.WriteTimedOut()
        case aiohttp.ServerDisconnectedError():
            return causes.ConnectionClosed()
        case aiohttp.ClientResponseError() | EndlessAnswer():
            return causes.UnreadableAnswer()
        case aiohttp.ClientPayloadError():  # whether it was reset then is not kept
            return causes.ConnectionClosed()
        case _:
            return causes.of_error(error)


class NetworkTransport:
    """Connections to one origin; how many is up to who calls.

    ``ca_file`` holds certificates in PEM that are trusted in addition to the system's.
    """

    def __init__(self, origin: Origin, ca_file: Path | None = None) -> None:
        self._origin = URL(str(origin))
        self._tls = _tls(ca_file) if origin.scheme == "https" else True
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the whole answer; raises ExchangeFailed."""
        while True:
            try:
                return await self._exchange(request, timeouts)
            except _Stale:
                continue  # that connection is closed now, and another one takes its place
            except _NEVER_CONNECTED as error:
                raise ExchangeFailed(Outcome.NEVER_CONNECTED) from _cause(error)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ExchangeFailed(Outcome.NO_WHOLE_ANSWER) from _cause(error)

    async def _exchange(self, request: Request, timeouts: Timeouts) -> Reply:
        async with self._open().request(
            request.method,
            self._origin.with_path(request.target, encoded=True),
            headers=request.headers,
            data=_Body(request.body, timeouts.write) if request.body else None,
            timeout=_as_aiohttp(timeouts),
            allow_redirects=False,
        ) as response:
            if response.status < 200:  # 101: what follows is no HTTP any more
                raise ExchangeFailed(Outcome.NO_WHOLE_ANSWER) from causes.UnreadableAnswer()
            try:
                return Reply(response.status, response.headers, await body_of(response))
            except UnusableBody as error:
                return Reply(response.status, response.headers, flaw=flaw_of(error))

    def _open(self) -> aiohttp.ClientSession:
        # Made at the first use: aiohttp's session belongs to the running event loop.
        if self._session is None:
            self._session = bounded_session(
                aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, ssl=self._tls),
                request_class=_Request,
            )
            # Else it sends a GET or PUT again by itself when a kept connection breaks.
            self._session._retry_connection = False
        return self._session

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
