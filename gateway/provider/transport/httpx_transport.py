"""An httpx transport as the way to the provider: for tests, and for the emulator in the process."""

from collections.abc import AsyncIterable

import httpx

from gateway.answers import UnusableBody, whole_body
from gateway.provider.retries import Outcome
from gateway.provider.transport import causes
from gateway.provider.transport.transport import (
    ExchangeFailed,
    Origin,
    Reply,
    Request,
    Timeouts,
    flaw_of,
)

_CAUSES: dict[type[httpx.RequestError], type[causes.Cause]] = {
    httpx.ConnectTimeout: causes.ConnectTimedOut,
    httpx.ReadTimeout: causes.ReadTimedOut,
    httpx.WriteTimeout: causes.WriteTimedOut,
    httpx.RemoteProtocolError: causes.UnreadableAnswer,
    httpx.DecodingError: causes.UnreadableAnswer,
}


def _cause(error: httpx.RequestError) -> causes.Cause:
    found = _CAUSES.get(type(error))
    return found() if found else causes.of_error(error)


async def _reply(response: httpx.Response) -> Reply:
    """The answer, with its body as it was sent: httpx would inflate it without a bound."""
    stream, headers = response.stream, response.headers
    assert isinstance(stream, AsyncIterable)  # noqa: S101 (what an AsyncBaseTransport answers with)
    coding, length = headers.get("Content-Encoding", ""), headers.get("Content-Length", "")
    try:
        body = await whole_body(stream, coding=coding, length=length)
    except UnusableBody as error:
        return Reply(response.status_code, headers, flaw=flaw_of(error))
    return Reply(response.status_code, headers, body)


class HttpxTransport:
    """Sends through any ``httpx.AsyncBaseTransport``.

    The transport is called directly: no cookies, no redirects, no proxy of the environment.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, origin: Origin) -> None:
        self._transport = transport
        self._origin = httpx.URL(str(origin))

    async def exchange(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the whole answer; raises ExchangeFailed."""
        try:
            response = await self._transport.handle_async_request(self._as_httpx(request, timeouts))
            try:
                return await _reply(response)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ExchangeFailed(Outcome.NEVER_CONNECTED) from _cause(error)
        except httpx.PoolTimeout:
            raise ExchangeFailed(Outcome.POOL_EXHAUSTED) from None
        except httpx.RequestError as error:
            raise ExchangeFailed(Outcome.NO_WHOLE_ANSWER) from _cause(error)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    def _as_httpx(self, request: Request, timeouts: Timeouts) -> httpx.Request:
        limits = httpx.Timeout(
            connect=timeouts.connect,
            read=timeouts.read,
            write=timeouts.write,
            pool=timeouts.connect,
        )
        return httpx.Request(
            request.method,
            self._origin.copy_with(raw_path=request.target.encode("ascii")),
            headers=request.headers,
            content=request.body or None,
            extensions={"timeout": limits.as_dict()},
        )
