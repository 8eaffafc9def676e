"""GraphQL types, inputs and scalars: shapes for frontends, not the provider's models."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any, NewType, Self

import strawberry

from gateway import provider
from gateway.card_numbers import without_card_numbers
from gateway.cards.lines import LINE_LENGTH, POST_CODE_LENGTH
from gateway.errors import ProviderProtocolError

UUIDText = NewType("UUIDText", str)
CountryCode = NewType("CountryCode", str)


def _text(value: object) -> str:
    # Any text passes here: the resolver names the field of a bad one in a typed InvalidInput.
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _utc(value: datetime) -> str:
    moment = value.astimezone(UTC).isoformat(timespec="microseconds")
    return moment.replace("+00:00", "Z")


def _shown(text: str | None) -> str | None:
    return None if text is None else without_card_numbers(text)


SCALARS: dict[object, Any] = {
    UUIDText: strawberry.scalar(
        name="UUID",
        description="A UUID in its usual text form, such as 123e4567-e89b-12d3-a456-426614174000.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
        serialize=str,
        parse_value=_text,
    ),
    CountryCode: strawberry.scalar(
        name="CountryCode",
        description="A country as two capital letters of ISO 3166-1 alpha-2, such as GB.",
        specified_by_url="https://www.iso.org/iso-3166-country-codes.html",
        serialize=str,
        parse_value=_text,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, as a date-time of RFC 3339 that always has six fractional "
        "digits, such as 2024-01-12T15:12:26.923705Z.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_utc,
        parse_value=datetime.fromisoformat,
    ),
}


@strawberry.enum(description="Whether a card exists in plastic.")
class CardType(Enum):
    """GraphQL enum CardType."""

    VIRTUAL = strawberry.enum_value("VIRTUAL", description="Lives online only.")
    PHYSICAL = strawberry.enum_value("PHYSICAL", description="Made of plastic.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A kind newer than this schema.")


@strawberry.enum(description="Where a card is in its life.")
class CardStatus(Enum):
    """GraphQL enum CardStatus."""

    ISSUING = strawberry.enum_value("ISSUING", description="Requested, not usable yet.")
    ISSUE_FAILED = strawberry.enum_value(
        "ISSUE_FAILED", description="Could not be issued; final. Ask for a new card."
    )
    ACTIVE = strawberry.enum_value("ACTIVE", description="Can be used.")
    INACTIVE = strawberry.enum_value("INACTIVE", description="Switched off; can come back.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Held by the provider.")
    BLOCKED = strawberry.enum_value("BLOCKED", description="Blocked by the provider; final.")
    TERMINATED = strawberry.enum_value("TERMINATED", description="Ended; final.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A status newer than this schema.")


@strawberry.enum(description="The scheme that a card belongs to.")
class CardNetwork(Enum):
    """GraphQL enum CardNetwork."""

    VISA = strawberry.enum_value("VISA", description="Visa.")
    MASTERCARD = strawberry.enum_value("MASTERCARD", description="Mastercard.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A network newer than this schema.")


@strawberry.type(description="A postal address.")
class Address:
    """GraphQL type Address."""

    first_line: str = strawberry.field(description="Street and number, or the like.")
    second_line: str | None = strawberry.field(description="More of the same, where needed.")
    city: str = strawberry.field(description="City or town.")
    state: str | None = strawberry.field(description="State or province, where used.")
    country: CountryCode = strawberry.field(description="The country.")
    post_code: str = strawberry.field(
        description="Postal or ZIP code; empty where the country has none."
    )

    @classmethod
    def from_provider(cls, given: provider.Address) -> Self:
        """The provider's address as a frontend sees it."""
        return cls(
            first_line=without_card_numbers(given.first_line),
            second_line=_shown(given.second_line),
            city=without_card_numbers(given.city),
            state=_shown(given.state),
            country=CountryCode(without_card_numbers(given.country)),
            post_code=without_card_numbers(given.post_code),
        )


@strawberry.interface(
    description="An object that can be read again by its id, with `node`. Ids are the provider's "
    "UUIDs, which do not tell the type; so today only cards are nodes."
)
class Node:
    """GraphQL interface Node."""

    id: strawberry.ID = strawberry.field(description="Its id, a UUID.")


@strawberry.type(description="A payment card. Its number is only ever shown masked.")
class Card(Node):
    """GraphQL type Card."""

    id: strawberry.ID = strawberry.field(description="The card's id, a UUID.")
    account_id: strawberry.ID = strawberry.field(description="The account that it belongs to.")
    type: CardType = strawberry.field(description="Virtual or physical.")
    status: CardStatus = strawberry.field(description="Where the card is in its life.")
    name: str | None = strawberry.field(description="The name on the card, once known.")
    network: CardNetwork | None = strawberry.field(description="Its scheme, once known.")
    masked_pan: str | None = strawberry.field(
        description="The card number with its middle hidden, such as 530518******9871."
    )
    expiration_date: str | None = strawberry.field(description="Its expiry as MM/YYYY, once known.")
    billing_address: Address | None = strawberry.field(description="The cardholder's address.")
    created_at: datetime = strawberry.field(description="When the card was asked for.")
    updated_at: datetime = strawberry.field(description="When anything about it last changed.")

    @classmethod
    def from_provider(cls, given: provider.Card) -> Self:
        """The provider's card as a frontend sees it; raises ProviderProtocolError without dates."""
        if given.created_at is None or given.updated_at is None:
            raise ProviderProtocolError("The provider does not say when the card was made.")
        return cls(
            id=strawberry.ID(str(given.id)),
            account_id=strawberry.ID(str(given.account_id)),
            type=CardType[given.type.name],
            status=CardStatus[given.status.name],
            name=_shown(given.name),
            network=CardNetwork[given.network.name] if given.network else None,
            masked_pan=given.masked_pan,
            expiration_date=given.expiration_date,
            billing_address=Address.from_provider(given.billing_address)
            if given.billing_address
            else None,
            created_at=given.created_at,
            updated_at=given.updated_at,
        )


_LINE = f"at most {LINE_LENGTH} characters"


@strawberry.input(
    description="A postal address to put on a card, in any script. Each text is one line; it is "
    "trimmed, put into Unicode's form NFC, and its characters are counted after that. Separators "
    "such as U+3000 become blanks; bidirectional overrides are refused."
)
class AddressInput:
    """GraphQL input AddressInput."""

    first_line: str = strawberry.field(description=f"Street and number; {_LINE}.")
    second_line: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"More of the same; {_LINE}. An empty one is none."
    )
    city: str = strawberry.field(description=f"City or town; {_LINE}.")
    state: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"State or province; {_LINE}. An empty one is none."
    )
    country: CountryCode = strawberry.field(description="The country.")
    post_code: str = strawberry.field(
        description=f"Postal or ZIP code; at most {POST_CODE_LENGTH} characters. Where the country "
        'has none, it is the empty text: "".'
    )


def key_input() -> Any:
    """The field ``idempotencyKey`` of a mutation's input."""
    return strawberry.field(
        default=strawberry.UNSET,
        description="Names this click: a request sent again with the same key and the same input "
        "never acts twice. Without one the gateway makes one and returns it, unless it requires "
        "keys.",
    )


def key_output() -> Any:
    """The field ``idempotencyKey`` of a mutation's success."""
    return strawberry.field(
        description="The key of this request: send it again with the same input to repeat safely."
    )


def replayed_output() -> Any:
    """The field ``replayed`` of a mutation's success."""
    return strawberry.field(
        description="True where an earlier request with the same key is known to have done this."
    )
