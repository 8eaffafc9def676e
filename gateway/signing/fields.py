"""RFC 9651 structured fields, as far as signatures and digests need them: dictionaries."""

from typing import Any

import http_sf

from gateway.errors import SignatureInvalid


def parse_dictionary(header: str, name: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Parse a received header into ``{key: (value, parameters)}``; raises SignatureInvalid.

    An inner list arrives as a value that is a list of such pairs.
    """
    try:
        parsed: Any = http_sf.parse(header.encode("ascii"), tltype="dictionary")
    except (ValueError, UnicodeError) as error:
        raise SignatureInvalid(f"{name} is not a structured field") from error
    return dict(parsed)


def serialise_inner_list(names: tuple[str, ...], parameters: dict[str, Any]) -> str:
    """Write ``("a" "b");key=value`` with the parameters in the given order (section 4.1.1.1)."""
    member: Any = ([(name, {}) for name in names], parameters)
    return http_sf.ser([member])
