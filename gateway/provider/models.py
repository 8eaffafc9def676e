"""What the provider sends and takes, as frozen values (provider page, section 6).

Their ``repr`` holds ids only, so that no log line can carry a name or an address. How the
provider's JSON becomes one of them is in ``decoding``.
"""

import re
from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

import msgspec

# A longer text is no name and no part of an address, and would take long to look through.
LONGEST_TEXT = 1000  # characters
Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]


class ExtensibleEnum(Enum):
    """An enum that a newer provider may extend without breaking anybody."""

    @classmethod
    def _missing_(cls, value: object) -> Enum:
        return cls["UNKNOWN"]


class CardStatus(ExtensibleEnum):
    """Where a card is in its life (section 6.4)."""

    ISSUING = "issuing"
    ISSUE_FAILED = "issue_failed"
    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class CardType(ExtensibleEnum):
    """Whether a card exists in plastic."""

    VIRTUAL = "virtual"
    PHYSICAL = "physical"
    UNKNOWN = "unknown"


class CardNetwork(ExtensibleEnum):
    """The card scheme."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    UNKNOWN = "unknown"


class Address(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A postal address; ``country`` is ISO 3166-1 alpha-2."""

    first_line: Text
    second_line: Text | None = None
    city: Text
    state: Text | None = None
    country: Text
    post_code: Text

    def __repr__(self) -> str:
        return "Address(…)"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card; what may be None may be missing in any status (section 6.3).

    ``masked_pan`` is masked in our own style, whatever the provider sends. ``name`` and
    ``billing_address`` are as they were sent, and compared so: ``without_card_numbers`` before they
    are shown. ``unreadable`` names the fields that are not as documented, and None here. The dates
    are among them only where a call has just made the card: its id must not be lost for them.
    """

    id: UUID
    account_id: UUID
    type: CardType
    status: CardStatus
    created_at: datetime | None
    updated_at: datetime | None
    name: str | None = None
    network: CardNetwork | None = None
    masked_pan: str | None = None
    expiration_date: str | None = None
    billing_address: Address | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def ids(self) -> dict[str, UUID]:
        """The ids that it shows, by the names that paths have for them."""
        return {"cardId": self.id, "accountId": self.account_id}

    @property
    def is_dated(self) -> bool:
        """Whether both dates are known."""
        return self.created_at is not None and self.updated_at is not None

    @property
    def may_be_virtual(self) -> bool:
        """Whether it is a virtual card, or of a kind that we do not know."""
        return self.type is not CardType.PHYSICAL

    def __repr__(self) -> str:
        return f"Card(id={self.id})"


def unreadable_fields(value: object) -> tuple[str, ...]:
    """The names of fields that are not as documented, of a card or of any card in a list."""
    cards = value if isinstance(value, list) else [value]
    names = {name for card in cards if isinstance(card, Card) for name in card.unreadable}
    return tuple(sorted(names))


class NewCard(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a create call (section 6.2)."""

    type: str = "virtual"
    billing_address: Address

    def __repr__(self) -> str:
        return "NewCard(…)"


_LATEST = 253_402_300_799  # the last second of the year 9999


class AccessToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer of ``POST /auth/token``; ``expires_at`` is in UNIX seconds (section 2)."""

    token: str
    expires_at: Annotated[int, msgspec.Meta(ge=0, le=_LATEST)]
    token_type: str

    def __post_init__(self) -> None:
        if self.token_type.lower() != "bearer" or not _TOKEN.fullmatch(self.token):
            raise ValueError("the access token is not a bearer token")

    def __repr__(self) -> str:
        return "AccessToken(…)"


_TOKEN = re.compile(r"[\x21-\x7e]+")  # what fits into a header
