"""Amounts of money as callers write them, put into the one form that a key is bound to."""

import re

from gateway.cards.currencies import DECIMAL_PLACES
from gateway.errors import InvalidInput

MOST_DIGITS = 12
"""Of an amount in minor units: as many as ISO 8583 has room for (data element 4)."""
_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")  # not \d, which other scripts' digits match
_LONGEST = 40  # characters; zeros at the end are no part of an amount


def parse_currency(text: str, field: str) -> str:
    """The code of a currency; raises InvalidInput."""
    if text not in DECIMAL_PLACES:
        raise InvalidInput(
            f"{field} must be three capital letters of a currency in use by ISO 4217, such as GBP.",
            field=field,
        )
    return text


def parse_amount(text: str, currency: str, field: str) -> str:
    """An amount above 0, without zeros at its end: "20.00" and "20.0" are "20".

    The provider writes it so, too (provider page, section 1); and two clicks whose amounts differ
    in zeros alone are the same one. Raises InvalidInput.
    """
    found = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise _invalid(field, "must be a decimal number in digits, such as 12.5")
    whole, fraction = found[1], (found[2] or "").rstrip("0")
    places = DECIMAL_PLACES[currency]
    if len(fraction) > places:
        raise _invalid(field, f"has more decimal places than its currency, which has {places}")
    if whole == "0" and not fraction:
        raise _invalid(field, "must be above 0")
    if len(whole) + places > MOST_DIGITS:
        raise _invalid(field, f"has more than {MOST_DIGITS - places} digits before the point")
    return f"{whole}.{fraction}" if fraction else whole


def _invalid(field: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{field} {reason}.", field=field)
