"""From what a call came to, to the error that says so. Messages are safe to show."""

from datetime import datetime
from types import NoneType
from typing import Any

from gateway import errors
from gateway.answers import BODY_LIMIT
from gateway.provider.endpoints import Call
from gateway.provider.progress import Attempt
from gateway.provider.retries import Outcome, parse_retry_after
from gateway.provider.transport import Cause, Reply, causes

_OF_THE_KEY = ("idempotency", "in flight", "in-flight", "in progress", "concurren", " key")


def still_in_flight(call: Call[Any], reply: Reply) -> bool:
    """Whether a 409 speaks of the key and not of the card: only its text can tell (section 5).

    No 409 is documented for a create, so there it is the key unless the text speaks of a card.
    """
    text = reply.body.decode(errors="replace").lower()
    if any(word in text for word in _OF_THE_KEY):
        return True
    return call.endpoint.conflict is errors.Refused and "card" not in text


def speaks_of_the_key(attempt: Attempt[Any], *, is_open: bool) -> bool:
    """Whether a 422 says that the key was used before, which we know nothing of.

    It is no conflict: it was told to the one input that we have seen (rule 11 of the ledger). Where
    an earlier attempt ``is_open``, every 422 may mean that.
    """
    if attempt.outcome is not Outcome.UNPROCESSABLE or attempt.reply is None:
        return False
    if is_open:
        return True
    text = attempt.reply.body.decode(errors="replace").lower()
    return any(word in text for word in _OF_THE_KEY)


def refusal(call: Call[Any], attempt: Attempt[Any], now: datetime) -> errors.GatewayError:
    """The error for an attempt that ended a call, where it is certain what it means.

    ``now`` is what a date in ``Retry-After`` counts from.
    """
    if attempt.error is not None:
        return attempt.error
    status = attempt.reply.status if attempt.reply is not None else None
    subject = call.endpoint.subject
    match attempt.outcome:
        case Outcome.NOT_FOUND:
            return errors.NotFound(f"The provider knows no such {subject}.")
        case Outcome.CONFLICT:
            return call.endpoint.conflict(f"The state of this {subject} does not permit that.")
        case Outcome.UNPROCESSABLE | Outcome.OTHER_REFUSAL:
            return errors.Refused(f"The provider refused the request (status {status}).")
        case Outcome.UNREADABLE | Outcome.UNEXPECTED_STATUS:
            return errors.ProviderProtocolError(
                f"The provider answered with status {status}, which is not documented here."
            )
        case Outcome.UNAUTHORISED:
            return errors.ProviderUnavailable(
                "The provider does not accept the gateway's credentials."
            )
        case _:
            return _no_answer(attempt, status, now)


# Those outcomes that the text of the answer decides.
_BY_TEXT = frozenset({Outcome.CONFLICT, Outcome.IN_FLIGHT, Outcome.UNPROCESSABLE})
_FLAWS: dict[type[Cause], str] = {
    causes.AnswerTooLarge: f"The provider's answer is longer than {BODY_LIMIT} bytes.",
    causes.CodingNotAccepted: "The provider's answer is in a content coding that was not asked "
    "for; a proxy may compress it.",
    causes.CodingBroken: "The provider's answer is not the gzip data that it announces.",
}


def needs_body(call: Call[Any], outcome: Outcome) -> bool:
    """Whether it takes the body of an answer to know what it means."""
    if outcome is Outcome.SUCCESS:
        return call.endpoint.reads is not NoneType
    return outcome in _BY_TEXT


def flawed(cause: Cause) -> errors.ProviderProtocolError:
    """The error for an answer whose body cannot be used."""
    error = errors.ProviderProtocolError("The provider's answer is not as documented.")
    error.hint = f"{_FLAWS[type(cause)]} Check GATEWAY_PROVIDER_URL."
    return error


def hint(attempt: Attempt[Any], clocks: str) -> str:
    """What the operator should do about an attempt that ended a call; empty where nothing.

    ``clocks`` is a sentence on the clocks where they differ: signatures carry the time.
    """
    if attempt.error is not None:
        return attempt.error.hint
    match attempt.outcome:
        case Outcome.UNPROCESSABLE | Outcome.OTHER_REFUSAL:
            return clocks
        case Outcome.UNREADABLE | Outcome.UNEXPECTED_STATUS:
            return "Check GATEWAY_PROVIDER_URL."
        case Outcome.UNAUTHORISED:
            return f"Run `gateway doctor`. {clocks}".rstrip()
        case Outcome.CLOCKS_APART:
            return "Set the gateway's clock."
    return ""


def _no_answer(attempt: Attempt[Any], status: int | None, now: datetime) -> errors.GatewayError:
    if attempt.outcome is Outcome.CLOCKS_APART:
        return errors.ProviderUnavailable(
            "The clocks of gateway and provider differ by over 30 seconds, so the age of a key is "
            "not known; nothing was sent."
        )
    if attempt.outcome is Outcome.TOO_LATE:
        return errors.DeadlineExceeded("The request could not be signed in time.")
    if attempt.outcome is Outcome.POOL_EXHAUSTED:
        return errors.Overloaded("The gateway is busy; try again in a moment.")
    header = attempt.reply.headers.get("Retry-After") if attempt.reply else None
    after = parse_retry_after(header, now=now)
    if attempt.outcome is Outcome.TOO_MANY:
        by = errors.LimitedBy.PROVIDER
        return errors.RateLimited("The provider asks to slow down.", by=by, retry_after=after)
    what = f"answered with status {status}" if status else "could not be reached"
    message = f"The provider {what}; try again in a moment."
    return errors.ProviderUnavailable(message, retry_after=after)
