"""Accounts as the provider shows them (provider page, section 9)."""

from datetime import datetime
from uuid import UUID

import msgspec

from gateway.provider.forms import Form, Id, parse_currency
from gateway.provider.models import ExtensibleEnum
from gateway.provider.moments import parse_moment


class AccountStatus(ExtensibleEnum):
    """Where an account is in its life; only an active one can issue cards (section 9)."""

    INITIATING = "initiating"
    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CLOSED = "closed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account; ``currencies`` are codes of ISO 4217, and may be missing.

    Its customer and what is of its chain alone are not read.
    """

    id: UUID
    status: AccountStatus
    currencies: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def ids(self) -> dict[str, UUID]:
        """The ids that it shows, by the names that paths have for them."""
        return {"accountId": self.id}

    def __repr__(self) -> str:
        return f"Account(id={self.id})"


class AccountForm(Form[Account], frozen=True, kw_only=True, rename="camel"):
    """An account as it is sent."""

    id: Id
    status: AccountStatus
    currencies: list[str] | None = None
    created_at: str
    updated_at: str

    def value(self) -> Account:
        """The account; raises ValueError."""
        return Account(
            id=UUID(self.id),
            status=self.status,
            currencies=tuple(parse_currency(each) for each in self.currencies or ()),
            created_at=parse_moment(self.created_at),
            updated_at=parse_moment(self.updated_at),
        )
