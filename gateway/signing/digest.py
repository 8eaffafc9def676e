"""RFC 9530 Content-Digest, sha-512 only: the one that the provider itself uses."""

import base64
import hashlib
import hmac

from gateway.errors import SignatureInvalid
from gateway.signing.fields import parse_dictionary


def content_digest(body: bytes) -> str:
    """The ``Content-Digest`` header value for exactly these bytes (RFC 9530 section 2)."""
    return f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:"


def check_content_digest(header: str, body: bytes) -> None:
    """Check a received ``Content-Digest`` against the body; raises SignatureInvalid.

    A header without ``sha-512`` is refused, never skipped: an unchecked digest covers nothing.
    """
    value, _ = parse_dictionary(header, "Content-Digest").get("sha-512", (None, None))
    if not isinstance(value, bytes):
        raise SignatureInvalid("Content-Digest carries no sha-512")
    if not hmac.compare_digest(value, hashlib.sha512(body).digest()):
        raise SignatureInvalid("Content-Digest does not fit the body")
