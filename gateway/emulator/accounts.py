"""Accounts: frozen values whose status follows from the time, and how they look as JSON."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_OID, uuid5

from gateway.emulator.histories import READ_DIGITS, History, dates

AccountStatus = Literal["initiating", "pending", "active", "inactive", "closed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedAccount:
    """An account for cards; ``id`` is in lower case. Each has a customer of its own."""

    id: str
    history: History

    def status(self, now: float) -> str:
        """The status at this moment (section 9)."""
        return self.history.current(now).status

    def to_json(self, now: float) -> dict[str, Any]:
        """The account (section 9), without ``chainId``, which is optional."""
        return {
            "id": self.id,
            "customerId": str(uuid5(NAMESPACE_OID, self.id)),
            "status": self.status(now),
            "type": "card_account",
            "currencies": ["EUR"],
            **dates(self.history, now, READ_DIGITS),
        }
