"""Money in GraphQL: decimals as text, never floats, in currencies of ISO 4217."""

from typing import Any, NewType

import strawberry

DecimalText = NewType("DecimalText", str)
CurrencyCode = NewType("CurrencyCode", str)


def _text(value: object) -> str:
    # Any text passes here: the resolver names the field of a bad one in a typed InvalidInput.
    if not isinstance(value, str):
        raise ValueError('must be text, such as "12.34": a number could lose digits')
    return value


SCALARS: dict[object, Any] = {
    DecimalText: strawberry.scalar(
        name="Decimal",
        description='A decimal number as text, without an exponent, such as "12.34": a number of '
        "JSON could lose digits.",
        specified_by_url="https://www.w3.org/TR/xmlschema11-2/#decimal",
        serialize=str,
        parse_value=_text,
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description="A currency as three capital letters of ISO 4217, such as EUR. What the "
        "provider answers may be a currency newer than that.",
        specified_by_url="https://www.iso.org/iso-4217-currency-codes.html",
        serialize=str,
        parse_value=_text,
    ),
}


@strawberry.type(description="An amount of money.")
class Money:
    """GraphQL type Money."""

    amount: DecimalText = strawberry.field(
        description='How much, with the smaller unit as decimal places: "12.34" of EUR is 12 euros '
        "and 34 cents."
    )
    currency: CurrencyCode = strawberry.field(description="The currency of the amount.")

    @classmethod
    def of(cls, amount: str, currency: str) -> "Money":
        """The amount as the provider writes it."""
        return cls(amount=DecimalText(amount), currency=CurrencyCode(currency))
