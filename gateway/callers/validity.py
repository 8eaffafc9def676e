"""From when until when a token is valid: its exp, nbf and iat (RFC 7519, section 4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_LATEST = 253_402_300_800  # UNIX seconds: the end of the year 9999


@dataclass(frozen=True, slots=True)
class Validity:
    """Whole UNIX seconds; ``begins`` is the later one of nbf and iat, 0 without both."""

    begins: int
    ends: int

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """What the claims say; exp is there. Raises ValueError with the name of the wrong claim."""
        return cls(max(_date(claims, "nbf"), _date(claims, "iat")), _date(claims, "exp"))

    def objection(self, now: float, leeway: float) -> str | None:
        """Why the token is not valid at ``now`` (UNIX seconds), or None."""
        if self.begins > now + leeway:
            return "it is not valid yet"
        if self.ends <= now - leeway:
            return "it has expired"
        return None


def _date(claims: Mapping[str, Any], name: str) -> int:
    """A number (RFC 7519, section 2) of a year that there will be, without its fraction."""
    date = claims.get(name, 0)
    is_number = isinstance(date, int | float) and not isinstance(date, bool)
    if not is_number or not abs(date) < _LATEST:  # NaN is not less than anything
        raise ValueError(f"its {name} is not a number of seconds since 1970")
    return int(date)
