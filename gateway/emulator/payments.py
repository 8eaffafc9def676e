"""Authorisations and transactions: frozen values whose status follows from the time."""

from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from gateway.emulator.answers import Refusal
from gateway.emulator.histories import READ_DIGITS, Change, History, dates, timestamp

MERCHANT = {"id": "TEST", "name": "Test Merchant", "mcc": 9999, "country": "GB", "city": "London"}
"""The simulator's: id and category are documented (section 9), the rest is made up."""
_TOKEN = "eip155:1/erc20:0x6b175474e89094c44da98b954eedeac495271d0f"  # noqa: S105 - CAIP-19


@dataclass(frozen=True, slots=True)
class Payment:
    """What is paid with a card; ``amount`` is a normalised decimal, ``currency`` of ISO 4217."""

    account_id: str
    card_id: str
    amount: str
    currency: str

    def to_json(self) -> dict[str, Any]:
        """The fields that authorisations and transactions share.

        Nothing is converted: account and merchant have the same currency, at the rate 1.
        """
        return {
            "accountId": self.account_id,
            "cardId": self.card_id,
            "amount": self.amount,
            "currency": self.currency,
            "merchantAmount": self.amount,
            "merchantCurrency": self.currency,
            "exchangeRate": "1",
            "merchant": MERCHANT,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedAuthorisation:
    """An authorisation: ``pending`` until it is captured or released."""

    id: str
    payment: Payment
    history: History

    def settle(self, begun: Change, done: Change, now: float) -> Self:
        """The authorisation with its capture or release; refuses a second one with 400 [inferred:
        the specification lists no 409 for the simulator].

        It counts from its 202, as the decision on a card does.
        """
        status = self.history.current(now).status
        if status != "pending":
            raise Refusal(400, f"the authorisation is {status}, and not pending")
        if self.history.awaits_change(now):
            raise Refusal(400, "the authorisation is about to be captured")
        return replace(self, history=self.history.then(begun, done))

    def to_json(self, now: float, *, digits: int) -> dict[str, Any]:
        """The authorisation (section 9)."""
        return {
            "id": self.id,
            **self.payment.to_json(),
            "status": self.history.current(now).status,
            **dates(self.history, now, digits),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedTransaction:
    """A captured authorisation; before its creation there is nothing to be seen of it."""

    id: str
    authorisation_id: str
    payment: Payment
    history: History

    def to_json(self, now: float) -> dict[str, Any]:
        """The transaction (section 9); it is on the chain once it was processed."""
        status, updated = self.history.current(now)
        on_chain = {
            "chainId": f"eip155:1:0x{UUID(self.id).hex * 2}",
            "createdAt": timestamp(updated, READ_DIGITS),
        }
        return {
            "id": self.id,
            **self.payment.to_json(),
            "authorisationId": self.authorisation_id,
            "status": status,
            "direction": "debit",
            "tokenAmount": self.payment.amount,
            "token": _TOKEN,
            "fees": [{"type": "network", "tokenAmount": "0.05"}],
            "chainTransactions": [on_chain] if status == "processed" else [],
            **dates(self.history, now, READ_DIGITS),
        }
