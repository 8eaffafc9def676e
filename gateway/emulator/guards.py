"""What a call must show before anything is done: token, signature, digest, body, idempotency key.

The order is the provider's, as far as it can be told: who are you, did you sign this, did the body
arrive whole, may it be repeated. Each guard refuses in words that say what is wrong.
"""

from gateway.emulator.answers import Refusal
from gateway.emulator.calls import ReceivedCall, uuid_text
from gateway.emulator.state import Emulator
from gateway.errors import SignatureInvalid
from gateway.signing import Message, check_content_digest, content_digest, verify

COVERED = ("@method", "@authority", "@path")
LIFETIME = 300
"""Seconds from ``created`` to ``expires`` (section 4.1)."""
_SLACK = 5


def open_to_all(emulator: Emulator, call: ReceivedCall) -> None:
    """Ask for nothing: ``POST /auth/token`` is how a caller gets something to show."""


def bearer(emulator: Emulator, call: ReceivedCall) -> None:
    """Ask for a token that has not expired (section 2): 401."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "the request carries no bearer token")
    if not emulator.knows_token(token):
        raise Refusal(401, "the access token is not known or has expired")


def signed(emulator: Emulator, call: ReceivedCall) -> None:
    """Ask for a token, a signature that holds and a digest that fits (sections 2 and 4)."""
    bearer(emulator, call)
    try:
        _check_signature(emulator, call)
        _check_digest(call)
    except SignatureInvalid as error:
        raise Refusal(emulator.options.bad_signature_status, error.message) from error


def check_body(call: ReceivedCall, *, takes_body: bool) -> None:
    """Ask for a JSON body where the call takes one, and for none where it does not: 400."""
    if not takes_body:
        if call.body:
            raise Refusal(400, "this call takes no body")
        return
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(400, "Content-Type must be application/json")


def idempotency_key(call: ReceivedCall) -> str:
    """The call's idempotency key, in lower case (section 5); 400 where it is missing or no UUID."""
    if "idempotency-key" not in call.headers:
        raise Refusal(400, "Idempotency-Key is missing")
    return uuid_text(call.headers["idempotency-key"], "Idempotency-Key is not a UUID")


def _check_signature(emulator: Emulator, call: ReceivedCall) -> None:
    # Section 4.1: exactly these components. More may or may not be welcome (section 11): a strict
    # double refuses them, so that we never come to depend on it.
    required = {*COVERED, "content-digest"} if call.body else set(COVERED)
    verified = verify(
        Message(call.method, call.authority, call.path, call.headers),
        emulator.find_key,
        now=emulator.now(),
        required=required,
        tolerance=emulator.options.clock_tolerance,
    )
    if len(verified.covered) != len(required):
        raise SignatureInvalid(f"the signature must cover {', '.join(sorted(required))} alone")
    if verified.expires is None:
        raise SignatureInvalid("the signature does not say when it expires")
    if verified.expires - verified.created > LIFETIME + _SLACK:
        raise SignatureInvalid(f"the signature is valid for more than {LIFETIME} seconds")
    oldest = emulator.options.max_signature_age
    if oldest is not None and emulator.now() - verified.created > oldest:
        raise SignatureInvalid("the signature is too old for --max-signature-age")


def _check_digest(call: ReceivedCall) -> None:
    if call.body:
        check_content_digest(call.headers["content-digest"], call.body)
        # RFC 9530 allows several digests, and parameters. The recipe has neither (section 4.1), and
        # a strict double refuses them, so that we never come to depend on it.
        if call.headers["content-digest"].strip(" \t") != content_digest(call.body):
            raise SignatureInvalid("Content-Digest must be one sha-512 digest and nothing else")
    elif "content-digest" in call.headers:
        raise SignatureInvalid("Content-Digest was sent without a body")
