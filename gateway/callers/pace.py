"""How requests of a rate may follow each other: the generic cell rate algorithm.

Each request takes its ``interval``. ``due`` is when all that were let in have been worked off; it
may lie as many intervals ahead as a ``burst`` has requests. The same in memory and in a store.
"""

from dataclasses import dataclass
from typing import Self

from gateway.config import OFF, Rate

LEAST_READS = 50  # reads that a burst may have, whatever the rate
MOST_MUTATIONS = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """One request each ``interval`` seconds, and ``burst`` of them at once."""

    interval: float
    burst: int

    @classmethod
    def of(cls, rate: Rate, *, reads: bool) -> Self:
        """Reads may come in a burst of a tenth of what a minute allows, at least of 50; mutations
        in one of 10; and neither in one of more than the rate's amount."""
        a_tenth = rate.amount * 60 // (rate.period * 10)
        burst = max(LEAST_READS, a_tenth) if reads else MOST_MUTATIONS
        return cls(rate.period / rate.amount, min(rate.amount, burst))

    @property
    def ahead(self) -> float:
        """Seconds that ``due`` may lie ahead."""
        return self.interval * self.burst


def pace_of(text: str, *, reads: bool) -> Pace | None:
    """The pace of a rate such as 60/minute, or None for off; raises ValueError."""
    return None if text == OFF else Pace.of(Rate.parse(text), reads=reads)
