"""The last exchange with the provider, and which part of the diagnosis it belongs to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.config import ProviderSettings
from gateway.diagnosis import answers
from gateway.diagnosis.connection import broken, missing_tls, wants_tls
from gateway.diagnosis.finding import Finding
from gateway.provider import ProviderClock
from gateway.provider.transport import (
    Cause,
    ExchangeFailed,
    Reply,
    Request,
    Timeouts,
    Transport,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came of a request to ``target``, an escaped path; neither of both: nothing in time."""

    method: str
    target: str
    reply: Reply | None = None
    cause: Cause | None = None


class Watched:
    """A transport that remembers its last exchange."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.last: Exchange | None = None

    async def exchange(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the whole answer; raises ExchangeFailed."""
        self.last = Exchange(request.method, request.target)
        try:
            reply = await self._transport.exchange(request, timeouts)
        except ExchangeFailed as error:
            self.last = Exchange(request.method, request.target, cause=error.cause)
            raise
        self.last = Exchange(request.method, request.target, reply)
        return reply

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


async def explain(
    exchange: Exchange | None, settings: ProviderSettings, clock: ProviderClock
) -> Finding:
    """What is wrong where this was the last exchange of a call that failed."""
    if exchange is None or exchange.reply is None:
        return await broken(exchange.cause if exchange else None, settings)
    url, reply = urlsplit(settings.provider_url), exchange.reply
    if reply.flaw is not None and reply.status < 300:
        return await broken(reply.flaw, settings)
    # What servers say on their TLS port to a request in the clear.
    if reply.status == 400 and not answers.is_json(reply) and await wants_tls(settings):
        return missing_tls(settings)
    if exchange.target.endswith("/auth/token"):
        return answers.token(reply, url)
    if exchange.target.endswith("/auth/signing"):
        if exchange.method == "DELETE":
            return answers.deletion(reply, url)
        return answers.registration(reply, url)
    return answers.signature(reply, url, clock)
