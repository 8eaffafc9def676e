"""UUIDs in outside text: the one text form of RFC 9562, section 4, and no other.

``uuid.UUID`` alone takes much more: underscores, blanks, signs, ``urn:``, braces, hyphens anywhere
and digits of other scripts. A mistyped id would then be that of another card.
"""

import re
from uuid import UUID

PATTERN = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
"""Hexadecimal digits of ASCII in either case, in groups of 8, 4, 4, 4 and 12."""
_TEXT_FORM = re.compile(PATTERN)


def is_uuid(text: str) -> bool:
    """Whether the whole text is a UUID."""
    return _TEXT_FORM.fullmatch(text) is not None


def parse_uuid(text: object) -> UUID:
    """The UUID of a text; raises ValueError for any other form, and for what is no text."""
    if not isinstance(text, str) or not is_uuid(text):
        raise ValueError("must be a UUID")
    return UUID(text)
