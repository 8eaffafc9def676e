"""Cards: frozen values whose status follows from the time, and how they look as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

from gateway.emulator.answers import Refusal
from gateway.emulator.histories import Change, History, dates

CardStatus = Literal[
    "issuing", "issue_failed", "active", "inactive", "suspended", "blocked", "terminated"
]
_TRANSITIONS = {"active": "inactive", "inactive": "active", "terminated": "active"}
"""What a caller may ask for, and from which status: section 6.4 lists no other transition,
so that any other is refused [inferred], terminating an inactive card too."""
_YEARS_VALID = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedCard:
    """A virtual card. Undecided, it is ``issuing`` for ever."""

    id: str
    account_id: str
    billing_address: Mapping[str, str]
    history: History

    def status(self, now: float) -> str:
        """The status at this moment (section 6.4)."""
        return self.history.current(now).status

    def updated(self, now: float) -> float:
        """When the status last changed (UNIX seconds)."""
        return self.history.current(now).at

    def has_ended(self, now: float) -> bool:
        """Whether it never was a card, or is none any more."""
        return self.status(now) in {"issue_failed", "terminated"}

    def decide(self, decision: Change, now: float) -> Self:
        """The card with its issuing decided; refuses a second decision with 409.

        A decision counts from its 202, before it shows in the status: otherwise two calls within
        the activation delay could both be accepted and contradict each other.
        """
        if self.status(now) != "issuing" or self.history.awaits_change(now):
            raise Refusal(409, "invalid state transition: the card is not issuing any more")
        return replace(self, history=self.history.then(decision))

    def enter(self, change: Change) -> Self:
        """The card after a change that takes place now; refuses other transitions with 409."""
        status = self.status(change.at)
        if status != _TRANSITIONS[change.status]:
            raise Refusal(409, f"invalid state transition: the card is {status}")
        return replace(self, history=self.history.then(change))

    def to_json(self, now: float, *, digits: int, rich: bool = False) -> dict[str, Any]:
        """The card as the provider's real samples show it (section 6.3).

        ``digits`` is how many fractional digits the two dates have; ``rich`` adds, to a card that
        was issued, the optional fields that the schema knows and the samples lack.
        """
        status = self.status(now)
        return {
            "id": self.id,
            "accountId": self.account_id,
            "type": "virtual",
            **(self._plastic() if rich and status not in {"issuing", "issue_failed"} else {}),
            "billingAddress": dict(self.billing_address),
            "status": status,
            **dates(self.history, now, digits),
        }

    def _plastic(self) -> dict[str, str]:
        created = datetime.fromtimestamp(self.history.created, UTC)
        return {
            "name": "John Carter",
            "network": "mastercard",
            "maskedPan": f"530518******{UUID(self.id).int % 10_000:04d}",
            "expirationDate": f"{created.month:02d}/{created.year + _YEARS_VALID}",
        }
