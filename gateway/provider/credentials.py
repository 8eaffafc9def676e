"""What makes a request ours: access token, Content-Digest and signature, fresh for each attempt.

Facts (provider page, sections 2 and 4.1): covered are ``@method @authority @path`` and, where there
is a body, ``content-digest`` (sha-512, exact bytes); the parameters are keyid, alg, created and
expires, 300 seconds apart; the label is ``sig``; ``/auth/*`` is not signed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.events import Sink, TokenRenewed
from gateway.provider.models import AccessToken
from gateway.provider.transport import Request
from gateway.runtime import look_at
from gateway.signing import Message, Signer, content_digest

COVERED: tuple[str, ...] = ("@method", "@authority", "@path")
COVERED_WITH_BODY = (*COVERED, "content-digest")
SIGNATURE_LIFE = 300  # seconds
LEAST_LIFE = 10  # seconds: what holds for less is not worth sending
# A token that lives for seconds only is still used for most of its life before it is renewed.
_LEAST_SHARE = 0.8


class TooLate(Exception):
    """The request may not be signed any more; nothing was sent."""


@dataclass(frozen=True, slots=True)
class FetchedToken:
    """A token and the seconds that it was good for when it arrived."""

    access: AccessToken
    lifetime: float


class TokenSource:
    """Hands out one access token to any number of callers, fetching it once."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[FetchedToken]],
        *,
        clock: Callable[[], float],
        margin: float,
        emit: Sink,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._margin = margin
        self._emit = emit
        self._token: AccessToken | None = None
        self._renew_at = 0.0
        self._fetching: asyncio.Task[AccessToken] | None = None

    async def get(self) -> AccessToken:
        """The current token, fetched where there is none or where it is about to expire.

        Raises what fetching raises; all callers that waited for the same fetch see the same error.
        """
        if self._token is not None and self._clock() < self._renew_at:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(look_at)
        fetching = self._fetching
        await asyncio.wait([fetching])  # which a caller that goes away does not cancel
        return fetching.result()

    def forget(self, token: AccessToken) -> None:
        """Drop a token that the provider refused, unless another caller has renewed it already."""
        if self._token is token:
            self._token = None

    async def _renew(self) -> AccessToken:
        fetched = await self._fetch()
        life = max(fetched.lifetime - self._margin, fetched.lifetime * _LEAST_SHARE)
        self._token, self._renew_at = fetched.access, self._clock() + life
        self._emit(TokenRenewed(lifetime=fetched.lifetime))
        return fetched.access


class Credentials:
    """Completes requests to one ``authority``: lower-case, without a scheme's default port."""

    def __init__(
        self, signer: Signer, authority: str, *, now: Callable[[], float], backdate: int
    ) -> None:
        self._signer = signer
        self._authority = authority
        self._now = now
        self._backdate = backdate

    def sign(self, request: Request, *, not_after: float) -> None:
        """Add the digest and a fresh signature, over the exact bytes that are sent.

        It expires at ``not_after`` (UNIX seconds) at the latest; raises TooLate where that is near.
        """
        now, headers, covered = self._now(), request.headers, COVERED
        created = int(now) - self._backdate
        expires = int(min(created + SIGNATURE_LIFE, not_after))
        if expires - now < LEAST_LIFE:
            raise TooLate
        if request.body:
            headers["Content-Digest"] = content_digest(request.body)
            covered = COVERED_WITH_BODY
        signature = self._signer.sign(
            self._as_message(request), covered, created=created, expires=expires
        )
        headers["Signature-Input"] = signature.signature_input
        headers["Signature"] = signature.signature

    def _as_message(self, request: Request) -> Message:
        """The request as RFC 9421 sees it; of the headers only the digest is covered."""
        return Message(
            method=request.method,
            authority=self._authority,
            path=request.target,
            headers={"content-digest": request.headers.get("Content-Digest", "")},
        )
