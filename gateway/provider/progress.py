"""What is known of a call while its attempts go on, and what each attempt came to."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from gateway.errors import GatewayError
from gateway.ledger import Claim
from gateway.provider.models import AccessToken
from gateway.provider.retries import OPEN, Outcome
from gateway.provider.transport import Cause, Reply

T = TypeVar("T")

_NOT_SENT = frozenset(
    {
        Outcome.NO_TOKEN,
        Outcome.HELD_BACK,
        Outcome.NEVER_CONNECTED,
        Outcome.POOL_EXHAUSTED,
        Outcome.TOO_LATE,
        Outcome.CLOCKS_APART,
        Outcome.WITHDRAWN,
    }
)

_NOT_COUNTED = frozenset({Outcome.IN_FLIGHT, Outcome.HELD_BACK})


class Attempt(msgspec.Struct, Generic[T], frozen=True):
    """What one try came to; ``value`` is what was read where it is ``readable``.

    That is so where the outcome is SUCCESS, or UNREADABLE only because its status is another 2xx
    than the documented one. ``cause`` says why there was no whole answer, and ``retry_after`` after
    how many seconds the provider wants to be asked again.
    """

    outcome: Outcome
    reply: Reply | None = None
    value: T = None  # type: ignore[assignment]  # None unless it is readable
    token: AccessToken | None = None
    error: GatewayError | None = None
    cause: Cause | None = None
    readable: bool = False
    retry_after: float | None = None


@dataclass(slots=True)
class Progress:
    """What is known of a call so far; a read has no claim."""

    claim: Claim | None
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: bool = False

    @property
    def counted(self) -> int:
        """The attempts that count against the most: a wait is bounded by time."""
        return sum(outcome not in _NOT_COUNTED for outcome in self.outcomes)

    @property
    def sent(self) -> bool:
        """Whether a request has left."""
        return not _NOT_SENT.issuperset(self.outcomes)

    @property
    def is_of_another(self) -> bool:
        """Whether the key was in flight before a request of this call can have arrived: it is that
        of a request which the ledger does not know."""
        if Outcome.IN_FLIGHT not in self.outcomes or (self.claim and self.claim.indeterminate):
            return False
        return OPEN.isdisjoint(self.outcomes[: self.outcomes.index(Outcome.IN_FLIGHT)])

    @property
    def open(self) -> bool:
        """Whether an attempt may have been carried out without our knowing."""
        earlier = self.claim is not None and self.claim.indeterminate
        return earlier or self.in_flight or not OPEN.isdisjoint(self.outcomes)
