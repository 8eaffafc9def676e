"""Moments as the provider writes them: RFC 3339, with as many fractional digits as it likes."""

import re
from datetime import UTC, datetime

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))",
    re.ASCII,
)


_SEPARATORS = "--T::"


def parse_moment(text: str) -> datetime:
    """Read a ``date-time`` of RFC 3339, section 5.6, in UTC; raises ValueError, without the text.

    Digits beyond microseconds are cut off, not rounded: the provider itself cuts them off when it
    shows a moment again (provider page, section 1). A leap second is the last microsecond before
    its end, as Python has none.
    """
    if (usual := _usual(text)) is not None:
        return usual
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError("a timestamp is not of the form of RFC 3339")
    day, minute, second, fraction, offset = found.groups()
    if second == "60":
        second, fraction = "59", "999999"
    fraction = (fraction or "")[:6].ljust(6, "0")
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second}.{fraction}{offset or '+00:00'}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a timestamp is out of range") from None


def _usual(text: str) -> datetime | None:
    """A moment in the provider's usual form, such as 2024-01-12T15:12:26.983949Z, by one call.

    That call takes other forms of ISO 8601, too, but none of this length with these separators.
    """
    if len(text) != 27 or text[4::3][:5] != _SEPARATORS or text[19] != "." or text[26] != "Z":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
