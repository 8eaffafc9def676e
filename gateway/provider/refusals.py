"""From what a call came to, to the error that says so. Messages are safe to show."""

import re
from types import NoneType
from typing import Any

from gateway import errors
from gateway.answers import BODY_LIMIT
from gateway.provider.decoding import undocumented
from gateway.provider.endpoints import Call
from gateway.provider.models import Card
from gateway.provider.payments import Transaction
from gateway.provider.progress import Attempt
from gateway.provider.retries import Outcome
from gateway.provider.transport import Cause, Reply, causes

_TAG = re.compile(r"<[^<>]*>")
_OF_THE_KEY = re.compile(r"idempoten|in[ -](flight|progress)|concurren|(?<!signing) key\b")
_IN_FLIGHT = re.compile(
    r"flight|progress|concurren|outstanding|pending|processing|being|running|ongoing|waiting"
    r"|later|duplicat"
)
# What stands in the way of another card, so that none was made.
_CARD = re.compile(r"(?<![a-z])card(?!in)")
_NO_OTHER = re.compile(
    r"\b(has|have|had|one|only|most|many|active|state|status)\b|exist|limit|maxim|exceed|allow|permit"
)
_REUSED = re.compile(
    r"payload|parameter|body|match|re-?used?|already (been )?used|used (already|before|for|with)"
    r"|different (content|input|request)|another (content|input)"
)


def outcome_of_conflict(call: Call[Any], reply: Reply) -> Outcome:
    """What a 400, 409 or 422 means to a call with a key: only its text can tell (section 5).

    IN_FLIGHT: an earlier request with the key is being carried out. KEY_REUSED: the key was used
    with another payload. Any other outcome says nothing of the key. No 409 is documented for a
    create, so there it is about the key unless its text says why there can be no other card.
    """
    text = _TAG.sub(" ", reply.body.decode(errors="replace").lower())
    of_the_key = bool(_OF_THE_KEY.search(text))
    in_flight = bool(_IN_FLIGHT.search(text))
    is_reused = bool(_REUSED.search(text)) and not in_flight
    match reply.status:
        case 400:
            is_reused = is_reused and "idempoten" in text
            return Outcome.KEY_REUSED if is_reused else Outcome.OTHER_REFUSAL
        case 422:
            return Outcome.KEY_REUSED if of_the_key else Outcome.UNPROCESSABLE
    is_documented = call.endpoint.conflict is not errors.Refused
    refuses_a_card = bool(_CARD.search(text) and _NO_OTHER.search(text)) and not in_flight
    if (is_documented or refuses_a_card) and not of_the_key:
        return Outcome.CONFLICT
    return Outcome.KEY_REUSED if is_reused else Outcome.IN_FLIGHT


def refusal(call: Call[Any], attempt: Attempt[Any]) -> errors.GatewayError:
    """The error for an attempt that ended a call, where it is certain what it means."""
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
                "The provider does not accept the gateway's credentials.", refuses_us=True
            )
        case _:
            return _no_answer(attempt, status)


# Those outcomes that the text of the answer decides; UNREADABLE is another 2xx here.
_BY_TEXT = frozenset(
    {Outcome.CONFLICT, Outcome.IN_FLIGHT, Outcome.UNPROCESSABLE, Outcome.UNREADABLE}
)
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


def flawed(call: Call[Any], cause: Cause) -> errors.ProviderProtocolError:
    """The error for an answer whose body cannot be used."""
    if isinstance(cause, causes.AnswerTooLarge) and call.endpoint.reads in _LISTS:
        return _list_too_long(_LISTS[call.endpoint.reads])
    return undocumented(f"{_FLAWS[type(cause)]} Check GATEWAY_PROVIDER_URL.")


_LISTS: dict[Any, str] = {
    list[Card]: "list of cards is too long to be read at once; ask for single cards by their ids.",
    list[Transaction]: "list of transactions is too long to be read at once.",
}


def _list_too_long(what: str) -> errors.ProviderProtocolError:
    """The provider has no pages, so nothing but single objects can be asked for instead."""
    error = errors.ProviderProtocolError(f"The provider's {what}")
    error.hint = f"The gateway reads at most {BODY_LIMIT} bytes of an answer."
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


def _no_answer(attempt: Attempt[Any], status: int | None) -> errors.GatewayError:
    if attempt.outcome is Outcome.CLOCKS_APART:
        return errors.ProviderUnavailable(
            "The clocks of gateway and provider differ by over 30 seconds, so the age of a key is "
            "not known; nothing was sent."
        )
    if attempt.outcome is Outcome.WITHDRAWN:
        return errors.ProviderUnavailable(
            "A later request for this card, or the state of the ledger, does not permit to send "
            "this one."
        )
    if attempt.outcome is Outcome.TOO_LATE:
        return errors.DeadlineExceeded("The request could not be signed in time.")
    if attempt.outcome is Outcome.POOL_EXHAUSTED:
        return errors.Overloaded("The gateway is busy; try again in a moment.")
    after = attempt.retry_after
    if attempt.outcome is Outcome.TOO_MANY:
        by = errors.LimitedBy.PROVIDER
        return errors.RateLimited("The provider asks to slow down.", by=by, retry_after=after)
    what = f"answered with status {status}" if status else "could not be reached"
    message = f"The provider {what}; try again in a moment."
    return errors.ProviderUnavailable(message, retry_after=after)
