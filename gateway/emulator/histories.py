"""A status over time: frozen values, so that what it is follows from the time alone."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, Self

CREATE_DIGITS = 9
READ_DIGITS = 6


class Change(NamedTuple):
    """What a status becomes, and when (UNIX seconds)."""

    status: str
    at: float


@dataclass(frozen=True, slots=True)
class History:
    """What a status was, is and will be; the first change is the creation."""

    changes: tuple[Change, ...]

    @property
    def created(self) -> float:
        """When it came into being."""
        return self.changes[0].at

    def current(self, now: float) -> Change:
        """The latest change whose time has come."""
        come = (change for change in reversed(self.changes) if change.at <= now)
        return next(come, self.changes[0])

    def awaits_change(self, now: float) -> bool:
        """Whether a change is still to come."""
        return any(change.at > now for change in self.changes)

    def then(self, *changes: Change) -> Self:
        """The same, and further changes."""
        return replace(self, changes=(*self.changes, *changes))

    def overruled(self, change: Change) -> Self:
        """The same with this change instead of those that are still to come."""
        begun, *others = self.changes
        come = (other for other in others if other.at <= change.at)
        return replace(self, changes=(begun, *come, change))


def begin(status: str, at: float) -> History:
    """The history of something new."""
    return History((Change(status, at),))


def timestamp(seconds: float, digits: int) -> str:
    """ISO 8601 in UTC with ``digits`` fractional digits, truncated, never rounded (section 1)."""
    fraction, whole = math.modf(seconds)
    nanoseconds = int(fraction * 1e9)
    moment = datetime.fromtimestamp(whole, UTC).replace(tzinfo=None).isoformat()
    return f"{moment}.{nanoseconds:09d}"[: len(moment) + 1 + digits] + "Z"


def dates(history: History, now: float, digits: int) -> dict[str, str]:
    """``createdAt`` and ``updatedAt`` as JSON has them."""
    return {
        "createdAt": timestamp(history.created, digits),
        "updatedAt": timestamp(history.current(now).at, digits),
    }
