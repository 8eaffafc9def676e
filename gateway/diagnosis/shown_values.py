"""What is shown of the components of a signature: never a token, a cookie or a card number."""

import hashlib
from urllib.parse import unquote

from gateway.card_numbers import has_card_number, without_card_numbers

# What is no secret and names nobody. Idempotency keys are not here: who has one can act with it.
_SHOWN = {
    "@method",
    "@authority",
    "@path",
    "@signature-params",
    "accept",
    "content-digest",
    "content-length",
    "content-type",
    "date",
    "signature-input",
}


def shown_value(name: str, value: str) -> str:
    """The value of a component, or its length; of a bearer token a part of its hash as well.

    Two tokens can so be told apart. Eight hexadecimal digits of the SHA-256 of a long random text
    help nobody to find it.
    """
    scheme, _, token = value.partition(" ")
    value = without_card_numbers(value)
    if has_card_number(unquote(value)) or not value.isprintable():
        return f"({len(value)} characters)"
    is_no_host = name == "@authority" and " " in value  # such as two lines that became one
    if name in _SHOWN and not is_no_host:
        return value
    if name == "authorization" and scheme.lower() == "bearer":
        start = hashlib.sha256(token.encode()).hexdigest()[:8]
        return f"{scheme} ({len(token)} characters, sha256 {start})"
    return f"({len(value)} characters)"


def shown_name(name: str) -> str:
    """The name of a component, which the sender chose."""
    is_usable = name.isprintable() and len(name) <= 64 and not has_card_number(name)
    return name if is_usable else "(not shown)"
