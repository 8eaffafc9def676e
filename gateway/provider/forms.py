"""What the forms of the provider's answers have in common: JSON first, then the value of ours.

A form takes only what JSON and its annotations say; ``value`` reads the texts in it, and names the
field of one that is not as documented, never the text.
"""

import re
from typing import Annotated, Generic, TypeVar

import msgspec

from gateway.uuids import PATTERN

T = TypeVar("T")
# msgspec's UUID takes other forms, too.
Id = Annotated[str, msgspec.Meta(pattern=rf"^{PATTERN}\Z")]
# Decimals are text without an exponent (section 1); amounts of tokens have up to 18 places.
Decimal = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,40}(\.[0-9]{1,40})?\Z")]
# A token as CAIP-19 names it: the chain and its reference, the asset's namespace and reference.
Asset = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%/a-zA-Z0-9]{1,207}\Z"
    ),
]
# A newer provider may name what ISO 4217 does not know, but no text of any kind.
_CURRENCY = re.compile(r"[A-Z0-9]{2,12}", re.ASCII)


class Form(msgspec.Struct, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """An object as it is sent."""

    def value(self) -> T:
        """What it says; raises ValueError."""
        raise NotImplementedError


def parse_currency(text: str) -> str:
    """The code of a currency; raises ValueError."""
    if not _CURRENCY.fullmatch(text):
        raise ValueError("a currency is not a code such as EUR")
    return text
