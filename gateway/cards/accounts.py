"""The GraphQL type of an account. Its cards are declared as an operation."""

from datetime import datetime
from enum import Enum
from typing import Self

import strawberry

from gateway import provider
from gateway.cards.money import CurrencyCode


@strawberry.enum(description="Where an account is in its life.")
class AccountStatus(Enum):
    """GraphQL enum AccountStatus."""

    INITIATING = strawberry.enum_value("INITIATING", description="Requested, not set up yet.")
    PENDING = strawberry.enum_value("PENDING", description="Being set up.")
    ACTIVE = strawberry.enum_value("ACTIVE", description="Can issue cards.")
    INACTIVE = strawberry.enum_value("INACTIVE", description="Switched off, and its cards with it.")
    CLOSED = strawberry.enum_value("CLOSED", description="Closed.")
    FAILED = strawberry.enum_value("FAILED", description="Could not be set up.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A status newer than this schema.")


@strawberry.type(description="An account, which cards are issued on and paid from.")
class Account:
    """GraphQL type Account."""

    id: strawberry.ID = strawberry.field(description="The account's id, a UUID.")
    status: AccountStatus = strawberry.field(
        description="Where the account is in its life; only an active one can issue cards."
    )
    currencies: list[CurrencyCode] = strawberry.field(
        description="The currencies that it holds; empty where the provider does not say."
    )
    created_at: datetime = strawberry.field(description="When the account was made.")
    updated_at: datetime = strawberry.field(description="When anything about it last changed.")

    @classmethod
    def from_provider(cls, given: provider.Account) -> Self:
        """The provider's account as a frontend sees it."""
        return cls(
            id=strawberry.ID(str(given.id)),
            status=AccountStatus[given.status.name],
            currencies=[CurrencyCode(each) for each in given.currencies],
            created_at=given.created_at,
            updated_at=given.updated_at,
        )
