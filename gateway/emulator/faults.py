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
Chance = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
_TEN_YEARS = 315_360_000


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong; nothing by default. All times are seconds.

    The latency and the chances concern calls of ``/v1/*``, those of ``/v1/auth/*`` only with
    ``auth``; the token lifetime and the clock's shift concern everything.
    """

    latency: Seconds = 0
    """Each call is worked on for so much longer than the options say ..."""
    latency_spread: Seconds = 0
    """... and for a uniformly drawn part of this as well."""

    drop_before_chance: Chance = 0
    """The connection is closed before the call is looked at."""
    status_chance: Chance = 0
    """The call is answered with ``status`` before it is looked at."""
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    retry_after: Seconds | None = None
    """The ``Retry-After`` of that answer, rounded up to whole seconds."""
    drop_after_chance: Chance = 0
    """The call is carried out, and the connection is closed instead of an answer."""
    half_answer_chance: Chance = 0
    """The call is carried out, and the connection is closed after the headers and half the body.
    An answer without a body is whole by then."""

    only_call: Annotated[int, Meta(ge=1)] | None = None
    """Latency and chances concern this call alone, counted from 1 since the faults were set."""
    auth: bool = False
    seed: int | None = None
    """Makes the draws repeatable."""

    token_lifetime: Annotated[float, Meta(gt=0, le=_TEN_YEARS)] | None = None
    """Instead of the option's, for tokens issued from now on."""
    clock_shift: Annotated[float, Meta(ge=-_TEN_YEARS, le=_TEN_YEARS)] = 0
    """How far the emulator's clock is ahead, in everything that it says and checks."""

    def __post_init__(self) -> None:
        if sum(self._shares().values()) > 1 + 1e-9:
            raise ValueError("the chances add up to more than 1")

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

    def _shares(self) -> dict[Kind, float]:
        return {
            "drop_before": self.drop_before_chance,
            "status": self.status_chance,
            "drop_after": self.drop_after_chance,
            "half_answer": self.half_answer_chance,
        }


def read_faults(text: str | bytes) -> Faults:
    """Faults from a JSON object; raises ValueError with what is wrong with it."""
    try:
        return msgspec.json.decode(text, type=Faults)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the faults are not as specified: {error}") from error


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
