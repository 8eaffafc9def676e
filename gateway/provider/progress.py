"""What is known of a call while its attempts go on."""

from dataclasses import dataclass, field

from gateway.ledger import Claim
from gateway.provider.retries import OPEN, Outcome

_NOT_SENT = frozenset(
    {Outcome.NO_TOKEN, Outcome.NEVER_CONNECTED, Outcome.POOL_EXHAUSTED, Outcome.TOO_LATE}
)


@dataclass(slots=True)
class Progress:
    """What is known of a call so far; a read has no claim."""

    claim: Claim | None
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: bool = False

    @property
    def sent(self) -> bool:
        """Whether a request has left."""
        return not _NOT_SENT.issuperset(self.outcomes)

    @property
    def open(self) -> bool:
        """Whether an attempt may have been carried out without our knowing."""
        earlier = self.claim is not None and self.claim.indeterminate
        return earlier or self.in_flight or not OPEN.isdisjoint(self.outcomes)
