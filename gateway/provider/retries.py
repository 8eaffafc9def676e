"""May this be sent again, and under which key? One question, one pure function, one table.

Facts (provider page, section 5): within one hour the same key with the same body gives the
identical answer; with another body it is refused (422, perhaps 409); while the first request is
in flight it is 409. So a modifying call with a key may be repeated wherever its outcome is open,
and one without a key never.

"Not carried out" is believed of the statuses alone that RFC 9110 (section 15.5), RFC 6585 or RFC
7725 define as refusals. Other ones come from proxies (nginx 444, 494 to 499; AWS 460, 463), which
may have sent the request on before they gave up: nothing is known of the call then.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

LONGEST_HOLD = 300.0  # seconds that a hint, or refused credentials, hold other calls back
_LONGEST_WAIT = 365 * 24 * 3600.0  # seconds; a number of hundreds of digits is infinite
_BACKOFF_BASE = 0.1
_BACKOFF_CAP = 2.0


class Kind(Enum):
    """What a call does, and whether it carries a key."""

    READ = auto()
    KEYED = auto()
    UNKEYED = auto()


class Outcome(Enum):
    """What one attempt came to."""

    SUCCESS = auto()
    NO_TOKEN = auto()
    NEVER_CONNECTED = auto()
    POOL_EXHAUSTED = auto()
    TOO_LATE = auto()  # its signature could not hold long enough: it was not sent
    HELD_BACK = auto()  # the provider has asked for a pause: it was not sent
    WITHDRAWN = auto()  # the ledger does not permit it any more: it was not sent
    CLOCKS_APART = auto()  # nobody knows how old its key is: it was not sent
    NO_WHOLE_ANSWER = auto()
    UNREADABLE = auto()
    UNEXPECTED_STATUS = auto()
    UNAUTHORISED = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    KEY_REUSED = auto()  # a refusal that says that the key was used with another payload
    IN_FLIGHT = auto()  # a conflict that speaks of the key: somebody is carrying this call out
    UNPROCESSABLE = auto()
    TOO_MANY = auto()
    OTHER_REFUSAL = auto()
    BUSY = auto()
    SERVER_ERROR = auto()


class Step(Enum):
    """What to do next."""

    STOP = auto()
    REPEAT = auto()
    RENEW_TOKEN = auto()


# Outcomes after which a modifying call may have happened all the same. 503 is among them: a proxy
# answers it too when the provider's end of the connection broke after the request had gone there.
# So is a key in flight, even under a new key: a proxy may have sent the request twice.
OPEN = frozenset(
    {
        Outcome.NO_WHOLE_ANSWER,
        Outcome.UNREADABLE,
        Outcome.UNEXPECTED_STATUS,
        Outcome.IN_FLIGHT,
        Outcome.BUSY,
        Outcome.SERVER_ERROR,
    }
)
_ALWAYS = {
    Outcome.NEVER_CONNECTED: Step.REPEAT,
    Outcome.NO_WHOLE_ANSWER: Step.REPEAT,
    Outcome.TOO_MANY: Step.REPEAT,
    Outcome.BUSY: Step.REPEAT,
    Outcome.SERVER_ERROR: Step.REPEAT,
}
_KEYED = {Outcome.IN_FLIGHT: Step.REPEAT, Outcome.HELD_BACK: Step.REPEAT}
_KEYED_ONCE = {Outcome.UNREADABLE: Step.REPEAT}
_ONCE = {Outcome.UNAUTHORISED: Step.RENEW_TOKEN}


def may_repeat(outcome: Outcome, kind: Kind, before: Collection[Outcome] = ()) -> Step:
    """Decide what follows an attempt; ``before`` holds the outcomes of the earlier attempts."""
    if kind is Kind.UNKEYED:
        return Step.STOP
    if kind is Kind.KEYED and outcome in _KEYED:
        return _KEYED[outcome]
    if outcome is Outcome.HELD_BACK:  # a read that has asked already waits for the end of its hint
        return Step.REPEAT if before else Step.STOP
    once = _ONCE | _KEYED_ONCE if kind is Kind.KEYED else _ONCE
    if outcome in once:
        return Step.STOP if outcome in before else once[outcome]
    return _ALWAYS.get(outcome, Step.STOP)


def outcome_of_status(status: int, success: int) -> Outcome:
    """What a whole answer with this HTTP status means, where ``success`` is the documented one."""
    if status == success:
        return Outcome.SUCCESS
    if 200 <= status < 300:
        return Outcome.UNREADABLE
    if status < 400:
        return Outcome.UNEXPECTED_STATUS
    return _REFUSALS.get(status, Outcome.SERVER_ERROR)


# All other ones from 400 on say nothing of what became of the request.
_REFUSALS = dict.fromkeys(
    (400, 402, 403, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 426, 428, 431, 451),
    Outcome.OTHER_REFUSAL,
) | {
    401: Outcome.UNAUTHORISED,
    404: Outcome.NOT_FOUND,
    409: Outcome.CONFLICT,
    422: Outcome.UNPROCESSABLE,
    429: Outcome.TOO_MANY,
    503: Outcome.BUSY,
}


def backoff(attempt: int, *, random: Callable[[], float]) -> float:
    """Seconds to wait after the ``attempt``-th attempt (from 1): exponential, with full jitter."""
    return random() * min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0**attempt)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read ``Retry-After`` (RFC 9110, 10.2.3) in seconds; None when absent or not readable."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]+", value.strip()):
        return min(float(value), _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(0.0, seconds), _LONGEST_WAIT)
