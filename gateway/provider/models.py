"""What the provider sends and takes, as frozen values (provider page, section 6).

The provider's JSON becomes one of these once: unknown fields are ignored, an unknown enum value
becomes ``UNKNOWN``, a missing required field is a ProviderProtocolError. Their ``repr`` holds ids
only, so that no log line can carry a name or an address.
"""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from gateway.errors import ProviderProtocolError

T = TypeVar("T")


class _WireEnum(Enum):
    """An enum that a newer provider may extend without breaking anybody."""

    @classmethod
    def _missing_(cls, value: object) -> Enum:
        return cls["UNKNOWN"]


class CardStatus(_WireEnum):
    """Where a card is in its life (section 6.4)."""

    ISSUING = "issuing"
    ISSUE_FAILED = "issue_failed"
    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class CardType(_WireEnum):
    """Whether a card exists in plastic."""

    VIRTUAL = "virtual"
    PHYSICAL = "physical"
    UNKNOWN = "unknown"


class CardNetwork(_WireEnum):
    """The card scheme."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    UNKNOWN = "unknown"


class Address(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A postal address; ``country`` is ISO 3166-1 alpha-2."""

    first_line: str
    second_line: str | None = None
    city: str
    state: str | None = None
    country: str
    post_code: str

    def __repr__(self) -> str:
        return "Address(…)"


class Card(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A card; the nullable fields may be missing in any status (section 6.3)."""

    id: UUID
    account_id: UUID
    type: CardType
    status: CardStatus
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    network: CardNetwork | None = None
    masked_pan: str | None = None
    expiration_date: str | None = None
    billing_address: Address | None = None

    def __post_init__(self) -> None:
        # The provider promises a mask; a card number must not get out even if it breaks that.
        if self.masked_pan is not None and not _MASKED.fullmatch(self.masked_pan):
            msgspec.structs.force_setattr(self, "masked_pan", _mask(self.masked_pan))
        for name in ("created_at", "updated_at"):
            msgspec.structs.force_setattr(self, name, _utc(getattr(self, name)))

    @property
    def may_be_virtual(self) -> bool:
        """Whether it is a virtual card, or of a kind that we do not know."""
        return self.type is not CardType.PHYSICAL

    def __repr__(self) -> str:
        return f"Card(id={self.id})"


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
# At most ten digits (first six, last four) around at least one mask character (PCI DSS 3.4.1).
_MASKED = re.compile(r"\d{0,6}[*xX•]+\d{0,4}")


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a timestamp has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a timestamp is out of range") from None


def _mask(text: str) -> str:
    digits = re.sub(r"\D", "", text)
    return f"{'*' * max(len(digits) - 4, 8)}{digits[-4:] if len(digits) > 8 else ''}"


def decode(body: bytes, kind: type[T]) -> T:
    """Read an answer's body; raises ProviderProtocolError.

    Its hint, for the operator, names the field, never its value.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        refused = ProviderProtocolError("The provider's answer is not as documented.")
        refused.hint = f"{error}."
        raise refused from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ProviderProtocolError("The provider's answer is not JSON.") from None
