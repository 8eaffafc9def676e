"""The GraphQL types of what is paid with a card: authorisations and transactions."""

import re
from datetime import datetime
from enum import Enum
from typing import Self
from uuid import UUID

import strawberry

from gateway import provider
from gateway.card_numbers import without_card_numbers
from gateway.cards.money import DecimalText, Money
from gateway.cards.types import CountryCode

_NEWER = "A value newer than this schema."
_CONTRACT = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_RATE = "The exchange rate between the two currencies; 1 where they are the same."


@strawberry.enum(description="How far an authorisation has come.")
class AuthorisationStatus(Enum):
    """GraphQL enum AuthorisationStatus."""

    PENDING = strawberry.enum_value("PENDING", description="The amount is set aside.")
    CAPTURING = strawberry.enum_value("CAPTURING", description="The merchant is being paid.")
    CAPTURED = strawberry.enum_value("CAPTURED", description="Paid, by a transaction; final.")
    RELEASING = strawberry.enum_value("RELEASING", description="The amount is being given back.")
    RELEASED = strawberry.enum_value("RELEASED", description="Given back: nothing was paid; final.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description=_NEWER)


@strawberry.enum(description="How far a transaction has come.")
class TransactionStatus(Enum):
    """GraphQL enum TransactionStatus."""

    PROCESSING = strawberry.enum_value("PROCESSING", description="Being carried out.")
    PROCESSED = strawberry.enum_value("PROCESSED", description="Carried out.")
    REVERSING = strawberry.enum_value("REVERSING", description="Being reversed.")
    REVERSED = strawberry.enum_value("REVERSED", description="Reversed; final.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description=_NEWER)


@strawberry.enum(description="Whether money leaves the account or comes to it.")
class TransactionDirection(Enum):
    """GraphQL enum TransactionDirection."""

    DEBIT = strawberry.enum_value("DEBIT", description="It leaves the account.")
    CREDIT = strawberry.enum_value("CREDIT", description="It comes to the account.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description=_NEWER)


@strawberry.enum(description="Who takes a fee.")
class FeeType(Enum):
    """GraphQL enum FeeType."""

    PARTNER = strawberry.enum_value("PARTNER", description="The provider's partner.")
    SERVICE = strawberry.enum_value("SERVICE", description="The provider.")
    NETWORK = strawberry.enum_value("NETWORK", description="The network of the token.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description=_NEWER)


@strawberry.type(description="Where a card was used.")
class Merchant:
    """GraphQL type Merchant."""

    id: strawberry.ID = strawberry.field(description="The merchant's id, which is not a UUID.")
    name: str = strawberry.field(description="The merchant's name.")
    mcc: int = strawberry.field(description="Merchant category code of ISO 18245.")
    country: CountryCode = strawberry.field(description="The merchant's country.")
    city: str = strawberry.field(description="The merchant's city.")

    @classmethod
    def from_provider(cls, given: provider.Merchant) -> Self:
        """The provider's merchant as a frontend sees it."""
        return cls(
            id=strawberry.ID(without_card_numbers(given.id)),
            name=without_card_numbers(given.name),
            mcc=given.mcc,
            country=CountryCode(without_card_numbers(given.country)),
            city=without_card_numbers(given.city),
        )


@strawberry.type(description="An amount that is set aside until it is captured or released.")
class Authorisation:
    """GraphQL type Authorisation."""

    id: strawberry.ID = strawberry.field(description="The authorisation's id, a UUID.")
    account_id: strawberry.ID = strawberry.field(description="The account of the card.")
    card_id: strawberry.ID | None = strawberry.field(
        description="The card that was used; null where the provider does not say."
    )
    status: AuthorisationStatus = strawberry.field(description="How far it has come.")
    amount: Money = strawberry.field(description="The amount in the account's currency.")
    merchant_amount: Money = strawberry.field(description="The amount in the merchant's currency.")
    exchange_rate: DecimalText = strawberry.field(description=_RATE)
    merchant: Merchant = strawberry.field(description="Where the card was used.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When anything about it last changed.")

    @classmethod
    def from_provider(cls, given: provider.Authorisation) -> Self:
        """The provider's authorisation as a frontend sees it."""
        return cls(
            id=strawberry.ID(str(given.id)),
            account_id=strawberry.ID(str(given.account_id)),
            card_id=_optional_id(given.card_id),
            status=AuthorisationStatus[given.status.name],
            amount=Money.of(given.amount, given.currency),
            merchant_amount=Money.of(given.merchant_amount, given.merchant_currency),
            exchange_rate=DecimalText(given.exchange_rate),
            merchant=Merchant.from_provider(given.merchant),
            created_at=given.created_at,
            updated_at=given.updated_at,
        )


@strawberry.type(description="A fee that is taken for a transaction.")
class TransactionFee:
    """GraphQL type TransactionFee."""

    type: FeeType = strawberry.field(description="Who takes it.")
    token_amount: DecimalText = strawberry.field(
        description="How much, in the `token` of the transaction."
    )


@strawberry.type(description="A payment that was captured, or money that came back.")
class Transaction:
    """GraphQL type Transaction."""

    id: strawberry.ID = strawberry.field(description="The transaction's id, a UUID.")
    account_id: strawberry.ID = strawberry.field(description="The account of the card.")
    card_id: strawberry.ID | None = strawberry.field(
        description="The card that was used; null where the provider does not say."
    )
    authorisation_id: strawberry.ID | None = strawberry.field(
        description="The authorisation that was captured; null where the provider does not say."
    )
    status: TransactionStatus = strawberry.field(description="How far it has come.")
    direction: TransactionDirection = strawberry.field(
        description="Whether money leaves the account or comes to it."
    )
    amount: Money = strawberry.field(description="The amount in the account's currency.")
    merchant_amount: Money = strawberry.field(description="The amount in the merchant's currency.")
    exchange_rate: DecimalText = strawberry.field(description=_RATE)
    merchant: Merchant = strawberry.field(description="Where the card was used.")
    token: str = strawberry.field(
        description="The blockchain token that the account pays with, as a CAIP-19 asset type."
    )
    token_amount: DecimalText = strawberry.field(description="The amount in that `token`.")
    fees: list[TransactionFee] = strawberry.field(
        description="The fees that are taken for it, in that `token`.",
        metadata={"expected_items": 3},  # one of each type
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When anything about it last changed.")

    @classmethod
    def from_provider(cls, given: provider.Transaction) -> Self:
        """The provider's transaction as a frontend sees it."""
        return cls(
            id=strawberry.ID(str(given.id)),
            account_id=strawberry.ID(str(given.account_id)),
            card_id=_optional_id(given.card_id),
            authorisation_id=_optional_id(given.authorisation_id),
            status=TransactionStatus[given.status.name],
            direction=TransactionDirection[given.direction.name],
            amount=Money.of(given.amount, given.currency),
            merchant_amount=Money.of(given.merchant_amount, given.merchant_currency),
            exchange_rate=DecimalText(given.exchange_rate),
            merchant=Merchant.from_provider(given.merchant),
            token=_token(given.token),
            token_amount=DecimalText(given.token_amount),
            fees=[_fee(each) for each in given.fees],
            created_at=given.created_at,
            updated_at=given.updated_at,
        )


def _token(given: str) -> str:
    """A row of digits in the address of a contract is no card number."""
    address = _CONTRACT.search(given)
    end = address.start() if address else len(given)
    return without_card_numbers(given[:end]) + given[end:]


def _fee(given: provider.Fee) -> TransactionFee:
    return TransactionFee(
        type=FeeType[given.type.name], token_amount=DecimalText(given.token_amount)
    )


def _optional_id(given: UUID | None) -> strawberry.ID | None:
    return strawberry.ID(str(given)) if given else None
