"""RFC 9651 structured fields, as far as signatures and digests need them: dictionaries."""

import base64
from typing import Any

import http_sf

from gateway.errors import SignatureInvalid


def parse_dictionary(header: str, name: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Parse a received header into ``{key: (value, parameters)}``; raises SignatureInvalid.

    An inner list arrives as a value that is a list of such pairs. A key that occurs twice is
    refused: RFC 9651 takes the last one, and whoever reads the first would verify something else.
    """
    try:
        parsed: Any = http_sf.parse(
            header.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_duplicate
        )
    except (ValueError, UnicodeError) as error:
        raise SignatureInvalid(f"{name} is not a structured field") from error
    return dict(parsed)


def serialise_inner_list(names: tuple[str, ...], parameters: dict[str, Any]) -> str:
    """Write ``("a" "b");key=value`` with the parameters in the given order (section 4.1.1.1)."""
    member: Any = ([(name, {}) for name in names], parameters)
    return http_sf.ser([member])


def check_one_byte_sequence(header: str, key: str, value: bytes, name: str) -> None:
    """Refuse a header that is not ``key=:base64:`` alone, padded and without trailing bits.

    RFC 9651 (section 4.2.7) lets parsers take other spellings of the same bytes; verifiers that use
    a strict decoder, such as Go's, refuse them. Raises SignatureInvalid.
    """
    if header.strip(" ") != f"{key}=:{base64.b64encode(value).decode()}:":
        raise SignatureInvalid(f"{name} is not one byte sequence in padded base64")


def _refuse_duplicate(_key: str, _kind: str) -> None:
    raise ValueError("a key occurs twice")
