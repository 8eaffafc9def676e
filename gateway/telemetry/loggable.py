"""Names that somebody else chose, before they stand in the log."""

import re
from ipaddress import ip_address

from gateway.card_numbers import has_card_number

_REPLACED = "(not shown)"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,64}")  # ASCII without blanks


def loggable(name: str | None) -> str | None:
    """The name, or ``(not shown)`` for what is long, not printable ASCII, or has a card number.

    So a name cannot forge a line, and nobody can bring a card number into the log.
    """
    if name is None or (_PRINTABLE.fullmatch(name) and not has_card_number(name)):
        return name
    return _REPLACED


def loggable_address(host: str | None) -> str | None:
    """An IP address as it is: its digits are no card number. Any other text as by ``loggable``."""
    try:
        ip_address(host or "")
    except ValueError:
        return loggable(host)
    return host
