"""Cards: frozen values whose status follows from the time, and how they look as JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

from gateway.emulator.answers import Refusal

CREATE_DIGITS = 9
READ_DIGITS = 6
_YEARS_VALID = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """How the issuing of a card ends, and when (UNIX seconds)."""

    status: Literal["active", "issue_failed"]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedCard:
    """A virtual card; times are UNIX seconds. Undecided, it is ``issuing`` for ever."""

    id: str
    account_id: str
    billing_address: Mapping[str, str]
    created: float
    decision: Decision | None = None

    def status(self, now: float) -> str:
        """``issuing``, ``active`` or ``issue_failed`` at this moment (section 6.4)."""
        return self.decision.status if self.decision and self.decision.at <= now else "issuing"

    def updated(self, now: float) -> float:
        """When the status last changed."""
        return self.decision.at if self.decision and self.decision.at <= now else self.created

    def decide(self, decision: Decision) -> Self:
        """The card with its issuing decided; refuses a second decision with 409.

        A decision counts from its 202, before it shows in the status: otherwise two calls within
        the activation delay could both be accepted and contradict each other.
        """
        if self.decision is not None:
            raise Refusal(409, "invalid state transition: the card is not issuing any more")
        return replace(self, decision=decision)

    def to_json(self, now: float, *, digits: int, rich: bool = False) -> dict[str, Any]:
        """The card as the provider's real samples show it (section 6.3).

        ``digits`` is how many fractional digits the two dates have; ``rich`` adds, to an active
        card, the optional fields that the schema knows and the samples lack.
        """
        status = self.status(now)
        return {
            "id": self.id,
            "accountId": self.account_id,
            "type": "virtual",
            **(self._plastic() if rich and status == "active" else {}),
            "billingAddress": dict(self.billing_address),
            "status": status,
            "createdAt": timestamp(self.created, digits),
            "updatedAt": timestamp(self.updated(now), digits),
        }

    def _plastic(self) -> dict[str, str]:
        created = datetime.fromtimestamp(self.created, UTC)
        return {
            "name": "John Carter",
            "network": "mastercard",
            "maskedPan": f"530518******{UUID(self.id).int % 10_000:04d}",
            "expirationDate": f"{created.month:02d}/{created.year + _YEARS_VALID}",
        }


def timestamp(seconds: float, digits: int) -> str:
    """ISO 8601 in UTC with ``digits`` fractional digits, truncated, never rounded (section 1)."""
    fraction, whole = math.modf(seconds)
    nanoseconds = int(fraction * 1e9)
    moment = datetime.fromtimestamp(whole, UTC).replace(tzinfo=None).isoformat()
    return f"{moment}.{nanoseconds:09d}"[: len(moment) + 1 + digits] + "Z"
