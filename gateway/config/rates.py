"""A rate as text: ``60/minute``, ``5 per 10 seconds``."""

import re
from dataclasses import dataclass
from typing import Self

_RATE = re.compile(
    r"([1-9]\d{0,8})\s*(?:/|per)\s*([1-9]\d{0,5})?\s*(second|minute|hour|day|month|year)s?",
    re.IGNORECASE | re.ASCII,
)
_DAY = 86_400
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": _DAY,
    "month": 30 * _DAY,
    "year": 360 * _DAY,
}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests, ``amount``, in so many seconds, ``period``."""

    amount: int
    period: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rate that a text means; raises ValueError."""
        found = _RATE.fullmatch(text)
        if not found:
            raise ValueError("must be a rate such as 60/minute or 5 per 10 seconds, or off")
        amount, times, unit = found.groups()
        return cls(int(amount), int(times or 1) * _SECONDS[unit.lower()])
