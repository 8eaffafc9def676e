"""May this be sent again, and under which key? One question, one pure function, one table.

Facts (provider page, section 5): within one hour the same key with the same body gives the
identical answer; with another body it is refused (422, perhaps 409); while the first request is
in flight it is 409. So a modifying call with a key may be repeated wherever its outcome is open,
and one without a key never.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

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
    CLOCKS_APART = auto()  # nobody knows how old its key is: it was not sent
    NO_WHOLE_ANSWER = auto()
    UNREADABLE = auto()
    UNEXPECTED_STATUS = auto()
    UNAUTHORISED = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
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
_KEYED_ONCE = {Outcome.IN_FLIGHT: Step.REPEAT, Outcome.UNREADABLE: Step.REPEAT}
_ONCE = {Outcome.UNAUTHORISED: Step.RENEW_TOKEN}


def may_repeat(outcome: Outcome, kind: Kind, before: Collection[Outcome] = ()) -> Step:
    """Decide what follows an attempt; ``before`` holds the outcomes of the earlier attempts."""
    if kind is Kind.UNKEYED:
        return Step.STOP
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
    if status >= 500:
        return Outcome.BUSY if status == 503 else Outcome.SERVER_ERROR
    return _REFUSALS.get(status, Outcome.OTHER_REFUSAL if status >= 400 else _NEITHER)


_REFUSALS = {
    401: Outcome.UNAUTHORISED,
    404: Outcome.NOT_FOUND,
    408: Outcome.SERVER_ERROR,  # these four say that the request was not taken, by a proxy perhaps
    421: Outcome.SERVER_ERROR,
    425: Outcome.SERVER_ERROR,
    499: Outcome.SERVER_ERROR,
    409: Outcome.CONFLICT,
    422: Outcome.UNPROCESSABLE,
    429: Outcome.TOO_MANY,
}
_NEITHER = Outcome.UNEXPECTED_STATUS


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
