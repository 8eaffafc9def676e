"""What makes a request ours: Content-Digest and signature, fresh for each attempt.

Facts (provider page, sections 2 and 4.1): covered are ``@method @authority @path`` and, where there
is a body, ``content-digest`` (sha-512, exact bytes); the parameters are keyid, alg, created and
expires, 300 seconds apart; the label is ``sig``; ``/auth/*`` is not signed.
"""

from collections.abc import Callable

from gateway.ledger import SIGNATURE_LIFE
from gateway.provider.transport import Request
from gateway.signing import Message, Signer, content_digest

COVERED: tuple[str, ...] = ("@method", "@authority", "@path")
COVERED_WITH_BODY = (*COVERED, "content-digest")
LEAST_LIFE = 10  # seconds: what holds for less is not worth sending


class TooLate(Exception):
    """The request may not be signed any more; nothing was sent."""


class Credentials:
    """Completes requests to one ``authority``: lower-case, without a scheme's default port."""

    def __init__(
        self, signer: Signer, authority: str, *, now: Callable[[], float], backdate: int
    ) -> None:
        self._signer = signer
        self._authority = authority
        self._now = now
        self._backdate = backdate

    def sign(self, request: Request, *, at: float, not_after: float) -> None:
        """Add the digest and a signature made ``at`` this time, over the exact bytes that are sent.

        It expires at ``not_after`` (UNIX seconds) at the latest; raises TooLate where that is near.
        """
        now, headers, covered = self._now(), request.headers, COVERED
        created = int(at) - self._backdate
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
