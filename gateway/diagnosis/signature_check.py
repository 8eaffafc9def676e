"""What a verifier makes of a captured request: signature base, digest, times and signature."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.diagnosis.captures import Capture
from gateway.diagnosis.finding import Finding
from gateway.diagnosis.shown_values import shown_name, shown_value
from gateway.errors import SignatureInvalid
from gateway.provider.credentials import COVERED, COVERED_WITH_BODY
from gateway.runtime import rfc3339
from gateway.signing import Message, PublicKey, SignatureInput, check_content_digest, verify

_OTHER_BODY = (
    "The body must be the very bytes that were signed: no other blanks, no other coding, and no "
    "line break after it."
)
_OTHER_BASE = (
    "Another key has signed it, or a component has changed on its way: --received FILE, with what "
    "the other side got, shows which."
)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a verifier has beside the request.

    ``keyid`` is the id of the key, where it is known; ``now`` is in UNIX seconds.
    """

    key: PublicKey
    keyid: str | None
    now: float


def base_lines(capture: Capture) -> list[str]:
    """The lines of the signature base (section 2.5), as they may be shown.

    A component that is not there has no value: there is no base then. No lines at all where
    Signature-Input cannot be read.
    """
    message = capture.as_message()
    try:
        given = SignatureInput.of(message)
    except SignatureInvalid:
        return []
    covered = [(name, _component(message, name)) for name in given.covered]
    return [
        f'"{shown_name(name)}": {"(missing)" if value is None else shown_value(name, value)}'
        for name, value in [*covered, ("@signature-params", given.params)]
    ]


def examine(capture: Capture, verifier: Verifier) -> Iterator[Finding]:
    """What is right and what is wrong with the signature of a request, one by one."""
    message = capture.as_message()
    try:
        given = SignatureInput.of(message)
    except SignatureInvalid as error:
        yield Finding(False, _sentence(error))
        return
    yield from _coverage(capture, message, given)
    yield from _digest(capture)
    yield from _times(given.parameters, verifier.now)
    yield from _key_id(given.parameters, verifier.keyid)
    yield _signature(message, given.parameters, verifier.key)


def _component(message: Message, name: str) -> str | None:
    try:
        return message.component(name)
    except SignatureInvalid:
        return None


def _coverage(capture: Capture, message: Message, given: SignatureInput) -> Iterator[Finding]:
    wanted = COVERED_WITH_BODY if capture.body else COVERED
    left_out = [name for name in wanted if name not in given.covered]
    if left_out:
        yield Finding(False, f"The provider wants {', '.join(left_out)} to be covered as well.")
    for name in given.covered:
        if _component(message, name) is None:
            what = f"{shown_name(name)} is covered, and the request has no such value in ASCII."
            yield Finding(False, what, "Without it there is no signature base.")


def _digest(capture: Capture) -> Iterator[Finding]:
    header, body = capture.field("content-digest"), capture.body
    if body is None or (header is None and not body):
        return
    try:
        check_content_digest(header or "", body)
    except SignatureInvalid as error:
        advice = _OTHER_BODY if header else "A request with a body needs one."
        yield Finding(False, f"{_sentence(error)} It has {len(body)} bytes.", advice)
    else:
        yield Finding(True, f"Content-Digest fits the body of {len(body)} bytes.")


def _times(parameters: Any, now: float) -> Iterator[Finding]:
    created, expires = parameters.get("created"), parameters.get("expires")
    if type(created) is not int or type(expires) not in {int, type(None)}:
        return  # the verifier has words for that
    if created > now:
        advice = "Synchronise the clocks (NTP), or raise GATEWAY_CREATED_BACKDATE."
        yield Finding(False, f"created is in the future: {_moment(created)}.", advice)
    elif expires is not None and now > expires:
        advice = "For an older capture, say when it arrived with --at TIME."
        yield Finding(False, f"The signature expired at {_moment(expires)}.", advice)
    else:
        until = "for ever" if expires is None else f"until {_moment(expires)}"
        yield Finding(True, f"The signature is in force from {_moment(created)} {until}.")


def _moment(seconds: int) -> str:
    try:
        return rfc3339(seconds)
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s, which is no date"


def _key_id(parameters: Any, known: str | None) -> Iterator[Finding]:
    if known is not None and parameters.get("keyid") != known:
        advice = "Another gateway has signed it, or the key was changed since."
        yield Finding(False, "The keyid is not GATEWAY_SIGNING_KEY_ID.", advice)


def _signature(message: Message, parameters: Any, key: PublicKey) -> Finding:
    """Whether it fits, at a moment at which it is in force: the times are a finding of their own"""
    created = parameters.get("created")
    now = created if type(created) is int else 0
    try:
        verify(message, lambda _keyid: key, now=now, required=())
    except SignatureInvalid as error:
        return Finding(False, _sentence(error), _OTHER_BASE)
    return Finding(True, "The signature fits the signature base and the public key.")


def _sentence(error: SignatureInvalid) -> str:
    return f"{error.message[:1].upper()}{error.message[1:]}."
