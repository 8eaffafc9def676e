"""Names that somebody else chose, before they stand in the log."""

import re

_REPLACED = "(not shown)"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,64}")  # ASCII without blanks
_BETWEEN_DIGITS = re.compile(r"[^0-9A-Za-z]")


def loggable(name: str | None) -> str | None:
    """The name, or ``(not shown)`` for what is long, not printable ASCII, or holds a card number.

    A name cannot so forge a line, and nobody can bring a card number into the log.
    """
    if name is None or (_PRINTABLE.fullmatch(name) and not may_hold_card_number(name)):
        return name
    return _REPLACED


def may_hold_card_number(name: str) -> bool:
    """Whether 13 to 19 digits, with anything but letters between them, could be a card number."""
    runs = re.findall(r"[0-9]{13,19}", _BETWEEN_DIGITS.sub("", name))
    return any(map(_has_check_digit, runs))


def _has_check_digit(digits: str) -> bool:
    """Whether the last digit is that of a card number (ISO/IEC 7812-1, annex B)."""
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
