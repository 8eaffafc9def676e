"""Authorisations and transactions as the provider shows them (provider page, section 9).

Amounts are decimals as text, never floats, as the provider writes them.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec

from gateway.provider.forms import Asset, Decimal, Form, Id, parse_currency
from gateway.provider.models import ExtensibleEnum, Text
from gateway.provider.moments import parse_moment

T = TypeVar("T")


class AuthorisationStatus(ExtensibleEnum):
    """How far an authorisation has come; captured and released are final."""

    PENDING = "pending"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    RELEASING = "releasing"
    RELEASED = "released"
    UNKNOWN = "unknown"


class TransactionStatus(ExtensibleEnum):
    """How far a transaction has come; reversed is final."""

    PROCESSING = "processing"
    PROCESSED = "processed"
    REVERSING = "reversing"
    REVERSED = "reversed"
    UNKNOWN = "unknown"


class TransactionDirection(ExtensibleEnum):
    """Whether money leaves the account or comes back to it."""

    DEBIT = "debit"
    CREDIT = "credit"
    UNKNOWN = "unknown"


class FeeType(ExtensibleEnum):
    """Who takes a fee."""

    PARTNER = "partner"
    SERVICE = "service"
    NETWORK = "network"
    UNKNOWN = "unknown"


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """Where a card was used; ``mcc`` is the merchant category code, ``country`` of ISO 3166-1."""

    id: Text
    name: Text
    mcc: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    country: Text
    city: Text


class Fee(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a transaction that somebody keeps, in its token."""

    type: FeeType
    token_amount: Decimal


class NewAuthorisation(msgspec.Struct, frozen=True, kw_only=True):
    """The body that asks the simulator for an authorisation (section 7); all three are required."""

    amount: str
    currency: str
    capture: bool


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What authorisations and transactions share.

    ``amount`` is in the account's ``currency``, ``merchant_amount`` in the merchant's.
    """

    id: UUID
    account_id: UUID
    card_id: UUID | None
    amount: str
    currency: str
    merchant_amount: str
    merchant_currency: str
    exchange_rate: str
    merchant: Merchant
    created_at: datetime
    updated_at: datetime

    @property
    def ids(self) -> dict[str, UUID]:
        """The ids that it shows, by the names that paths have for them."""
        shown = {"accountId": self.account_id}
        return shown | ({"cardId": self.card_id} if self.card_id else {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id})"


class Authorisation(Payment, frozen=True, kw_only=True):
    """An amount that is set aside until it is captured or released."""

    status: AuthorisationStatus

    @property
    def ids(self) -> dict[str, UUID]:
        """The ids that it shows, by the names that paths have for them."""
        return super().ids | {"authorisationId": self.id}


class Transaction(Payment, frozen=True, kw_only=True):
    """What was captured; fees and ``token_amount`` are in ``token``, a CAIP-19 asset.

    What happened to it on a chain is not read.
    """

    authorisation_id: UUID | None
    status: TransactionStatus
    direction: TransactionDirection
    token_amount: str
    token: str
    fees: tuple[Fee, ...]


class PaymentForm(Form[T], Generic[T], frozen=True, kw_only=True, rename="camel"):
    """What authorisations and transactions share, as it is sent."""

    id: Id
    account_id: Id
    card_id: Id | None = None
    amount: Decimal
    currency: str
    merchant_amount: Decimal
    merchant_currency: str
    exchange_rate: Decimal
    merchant: Merchant
    created_at: str
    updated_at: str

    def shared(self) -> dict[str, Any]:
        """The fields of ``Payment``; raises ValueError."""
        return {
            "id": UUID(self.id),
            "account_id": UUID(self.account_id),
            "card_id": _optional_id(self.card_id),
            "amount": self.amount,
            "currency": parse_currency(self.currency),
            "merchant_amount": self.merchant_amount,
            "merchant_currency": parse_currency(self.merchant_currency),
            "exchange_rate": self.exchange_rate,
            "merchant": self.merchant,
            "created_at": parse_moment(self.created_at),
            "updated_at": parse_moment(self.updated_at),
        }


class AuthorisationForm(PaymentForm[Authorisation], frozen=True, kw_only=True, rename="camel"):
    """An authorisation as it is sent."""

    status: AuthorisationStatus

    def value(self) -> Authorisation:
        """The authorisation; raises ValueError."""
        return Authorisation(**self.shared(), status=self.status)


class TransactionForm(PaymentForm[Transaction], frozen=True, kw_only=True, rename="camel"):
    """A transaction as it is sent."""

    authorisation_id: Id | None = None
    status: TransactionStatus
    direction: TransactionDirection
    token_amount: Decimal
    token: Asset
    fees: list[Fee]

    def value(self) -> Transaction:
        """The transaction; raises ValueError."""
        return Transaction(
            **self.shared(),
            authorisation_id=_optional_id(self.authorisation_id),
            status=self.status,
            direction=self.direction,
            token_amount=self.token_amount,
            token=self.token,
            fees=tuple(self.fees),
        )


def _optional_id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
