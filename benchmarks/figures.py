"""What a run came to in numbers, and what several runs come to together."""

import statistics
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

Figures: TypeAlias = dict[str, float]
"""The numbers of one run by name; times are in milliseconds, memory is in MiB."""


class Spread(msgspec.Struct, frozen=True):
    """The median of several runs, and how far they lie apart."""

    median: float
    least: float
    most: float
    runs: list[float]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        runs = [round(value, 4) for value in values]
        return cls(round(statistics.median(runs), 4), min(runs), max(runs), runs)


def together(runs: Iterable[Mapping[str, float]]) -> dict[str, Spread]:
    """The spread of each figure that all runs have."""
    listed = list(runs)
    names = [name for name in listed[0] if all(name in each for each in listed)]
    return {name: Spread.of(each[name] for each in listed) for name in names}
