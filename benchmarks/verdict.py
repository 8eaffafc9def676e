"""The bars: what is asked of the gateway, as ratios within one run, and what it reached."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.results import Result
from benchmarks.scenarios import LATENCY
from benchmarks.workloads import ALIASES

Found: TypeAlias = Mapping[str, Result]


@dataclass(frozen=True)
class Bar:
    """One thing that is asked; it is met between ``least`` and ``most``."""

    what: str
    reached: Callable[[Found], float | None]
    least: float = 0.0
    most: float = float("inf")

    @property
    def asked(self) -> str:
        """The bounds in signs."""
        if self.least == self.most:
            return f"= {self.most:g}"
        return f"≥ {self.least:g}" if self.least else f"≤ {self.most:g}"


@dataclass(frozen=True)
class Judged:
    """A bar and what was reached, None where it was not measured."""

    bar: Bar
    reached: float | None

    @property
    def met(self) -> bool | None:
        """Whether it is; None where it was not measured."""
        if self.reached is None:
            return None
        return self.bar.least <= self.reached <= self.bar.most


def judge(found: Found) -> Iterator[Judged]:
    """Each bar beside what this run reached."""
    for bar in BARS:
        yield Judged(bar, bar.reached(found))


def ratio(
    scenario: str, figure: str, system: str, peer: str, other: str | None = None
) -> Callable[[Found], float | None]:
    """One system's median by another's, which may be of another scenario."""

    def reached(found: Found) -> float | None:
        ours, theirs = found.get(scenario), found.get(other or scenario)
        if ours is None or theirs is None:
            return None
        above, below = ours.median(system, figure), theirs.median(peer, figure)
        return above / below if above is not None and below else None

    return reached


def worst(scenario: str, figure: str, scale: float = 1.0) -> Callable[[Found], float | None]:
    """The gateway's highest figure in any run."""

    def reached(found: Found) -> float | None:
        result = found.get(scenario)
        spread = result.systems.get("gateway", {}).get(figure) if result else None
        return spread.most / scale if spread else None

    return reached


def median(scenario: str, figure: str, scale: float = 1.0) -> Callable[[Found], float | None]:
    """The gateway's median."""

    def reached(found: Found) -> float | None:
        value = found[scenario].median("gateway", figure) if scenario in found else None
        return value / scale if value is not None else None

    return reached


BARS = (
    Bar("a: rate by the naive peer's", ratio("a", "rate", "gateway", "naive"), 10),
    Bar("a: rate by Hive Gateway's", ratio("a", "rate", "gateway", "hive"), 5),
    Bar("a: rate by the limit's", ratio("a", "rate", "gateway", "limit"), 0.60),
    Bar("b: calls for the card in flight", worst("b", "most_per_card"), 1, 1),
    Bar("b: rate by that of a", ratio("b", "rate", "gateway", "gateway", "a"), 1.5),
    Bar("c: median by the provider's 50 ms", median("c", "p50", LATENCY), most=2.5),
    Bar("c: provider calls per document", worst("c", "calls_per_request"), ALIASES, ALIASES),
    Bar("c: calls in flight", worst("c", "most_in_flight"), most=ALIASES),
    Bar("d: rate by the naive peer's", ratio("d", "rate", "gateway", "naive"), 8),
    Bar("e: p99 by the provider's 50 ms", median("e", "p99", LATENCY), most=2),
    Bar("e500: errors", worst("e500", "errors"), most=0, least=0),
    Bar("e500: slowest by the median", median("e500", "slowest_to_median"), most=3),
    Bar("f: memory in the end by that at minute one", median("f", "memory_growth"), most=1.05),
    Bar("g: trusted by ad-hoc, rates", ratio("g", "rate", "trusted", "ad-hoc"), 1),
    Bar("j: ES256 by anybody, rates", ratio("j", "rate", "ES256", "gateway"), 0.9),
    Bar("j: RS256 by anybody, rates", ratio("j", "rate", "RS256", "gateway"), 0.9),
    Bar("l: rate by the limit's", ratio("l", "rate", "gateway", "limit"), 0.5),
    Bar("h: seconds to the first answer", median("h", "start", 1000), most=1.5),
)
