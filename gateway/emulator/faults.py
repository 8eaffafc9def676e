"""Faults: what can be made to go wrong with a call, and the chance that decides it.

How it works: each call draws at most one mishap, so chances are shares of all calls: 0.1 of the
connections dropped and 0.05 answered 503 leave 0.85 alone. Every call draws the same number of
times, whatever comes of it: with a seed, the n-th call always has the same fate.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Literal["drop_before", "status", "drop_after", "half_answer"]
_TEN_YEARS = 315_360_000
_LARGEST = 2**63 - 1
Chance = Annotated[float, Meta(ge=0, le=1, title="a number from 0 to 1")]
Seconds = Annotated[float, Meta(ge=0, le=3600, title="a number of seconds from 0 to 3600")]
Lifetime = Annotated[
    float,
    Meta(gt=0, le=_TEN_YEARS, title=f"a number of seconds above 0, up to {_TEN_YEARS} (ten years)"),
]
Shift = Annotated[
    float,
    Meta(
        ge=-_TEN_YEARS,
        le=_TEN_YEARS,
        title=f"a number of seconds from -{_TEN_YEARS} to {_TEN_YEARS} (ten years)",
    ),
]
Status = Annotated[int, Meta(ge=400, le=599, title="a whole number from 400 to 599")]
Ordinal = Annotated[int, Meta(ge=1, le=_LARGEST, title="a whole number from 1 on")]
Seed = Annotated[int, Meta(ge=-_LARGEST, le=_LARGEST, title="a whole number")]
Flag = Annotated[bool, Meta(title="true or false")]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong; nothing by default.

    The descriptions are shown by ``gateway emulator --help`` and stand in ``docs/emulator.md``.
    """

    latency: Annotated[Seconds, Meta(description="Every call takes so much longer.")] = 0
    latency_spread: Annotated[
        Seconds, Meta(description="A random part of this is added to the latency of each call.")
    ] = 0
    drop_before_chance: Annotated[
        Chance,
        Meta(description="How often the connection is closed before the call is looked at."),
    ] = 0
    status_chance: Annotated[
        Chance,
        Meta(description="How often a call is answered with `status` before it is looked at."),
    ] = 0
    status: Annotated[Status, Meta(description="The status for `status_chance`.")] = 503
    retry_after: Annotated[
        Seconds | None, Meta(description="The Retry-After beside it, rounded up to whole seconds.")
    ] = None
    drop_after_chance: Annotated[
        Chance,
        Meta(
            description="How often a call is carried out, and the connection is closed instead of "
            "an answer."
        ),
    ] = 0
    half_answer_chance: Annotated[
        Chance,
        Meta(
            description="How often a call is carried out, and the connection is closed after half "
            "the body of the answer."
        ),
    ] = 0
    only_call: Annotated[
        Ordinal | None,
        Meta(
            description="Latency and chances concern this call alone, counted from when the "
            "faults were set."
        ),
    ] = None
    auth: Annotated[
        Flag, Meta(description="Latency and chances concern the calls of /v1/auth/* as well.")
    ] = False
    seed: Annotated[
        Seed | None, Meta(description="Makes the random choices the same in every run.")
    ] = None
    token_lifetime: Annotated[
        Lifetime | None, Meta(description="How long tokens issued from now on live.")
    ] = None
    clock_shift: Annotated[
        Shift, Meta(description="How far the emulator's clock is ahead, for all that it checks.")
    ] = 0

    def __post_init__(self) -> None:
        if sum(self._shares().values()) > 1 + 1e-9:
            raise ValueError(f"{', '.join(self._chances())} must not add up to more than 1")

    def concern(self, path: str) -> bool:
        """Whether calls of this path have latency and mishaps."""
        return path.startswith("/v1/") and (self.auth or not path.startswith("/v1/auth/"))

    def pick(self, point: float) -> Kind | None:
        """The mishap that lies at this point of [0, 1), where each has its chance's length."""
        for kind, share in self._shares().items():
            if point < share:
                return kind
            point -= share
        return None

    def _chances(self) -> list[str]:
        return [f"{kind}_chance" for kind in self._shares()]

    def _shares(self) -> dict[Kind, float]:
        return {
            "drop_before": self.drop_before_chance,
            "status": self.status_chance,
            "drop_after": self.drop_after_chance,
            "half_answer": self.half_answer_chance,
        }


@dataclass(frozen=True, slots=True)
class Mishap:
    """What befalls one call: extra seconds of work, and perhaps an ending of its own."""

    kind: Kind | None = None
    latency: float = 0


class Fate:
    """Draws the mishaps for one setting of faults; ``struck`` counts them by kind."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.struck: Counter[Kind] = Counter()
        self._random = Random(faults.seed)  # noqa: S311 - nothing is kept secret with it
        self._calls = 0

    def draw(self) -> Mishap:
        """What befalls the next call."""
        point, part = self._random.random(), self._random.random()
        self._calls += 1
        if self.faults.only_call not in (None, self._calls):
            return Mishap()
        kind = self.faults.pick(point)
        if kind is not None:
            self.struck[kind] += 1
        return Mishap(kind, self.faults.latency + part * self.faults.latency_spread)
