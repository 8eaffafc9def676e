"""What a run came to, and which promises it broke."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.client import REPLAYED
from tests.chaos.life import AUTHORISED, STATUSES, STEPS, Life

LATE_SUCCESS = "late_success"
"""The one alarm that belongs to a run: a worker that stood still comes to its end after all."""

_NO_LEDGER = (
    r"gateway\.errors\.(LedgerUnavailable:|ConfigError: GATEWAY_LEDGER: .* database is locked$)"
)


@dataclass
class Result:
    """What the clients saw and what the provider did, by the clients' idempotency keys."""

    keys: list[str]
    cards: dict[str, str] = field(default_factory=dict)
    """The card that each key's client was told."""
    failures: dict[str, str] = field(default_factory=dict)
    """The code that told a key's client that asking again is of no use."""
    repeated: list[dict[str, str]] = field(default_factory=list)
    """The card that each key brought once more in the end, at each replica."""
    lives: dict[str, Life] = field(default_factory=dict)
    """What became of the cards that were used, by the keys of their issue."""
    seen: Counter[str] = field(default_factory=Counter)
    """Every answer, or what came instead, that a client met on its way."""
    seen_in_the_end: Counter[str] = field(default_factory=Counter)
    """The same, when all was repeated."""
    disturbances: Counter[str] = field(default_factory=Counter)
    """What was done to the processes, and how often."""
    seconds: float = 0
    ledger: Any = None
    """The provider's ledger after the last client was told its card."""
    final_ledger: Any = None
    """The same after all was repeated."""
    exit_codes: list[int] = field(default_factory=list)
    """Of the replicas that were ended in an orderly way."""
    rows: dict[str, int] = field(default_factory=dict)
    """How many rows of the gateways' ledger are in which state in the end."""
    is_certain: bool = True
    """Whether that ledger says that it has lost nothing."""
    output: str = ""

    @property
    def finished(self) -> int:
        """How many operations have ended, well or not."""
        return len(self.cards) + len(self.failures)

    @property
    def repeats(self) -> int:
        """How often the clients had to ask again."""
        steps = sum(len(life.told) for life in self.lives.values())
        return self.seen.total() - self.finished - steps

    @property
    def presented(self) -> list[int]:
        """How often each key reached the provider, before all was repeated."""
        return [entry["presented"] for entry in self.ledger["keys"]]

    @property
    def starts_in_vain(self) -> int:
        """How many workers ended at once, because their ledger was away just then."""
        return sum(_tells_of_no_ledger(line) for line in _logged(self.output))

    @property
    def alarms(self) -> Counter[str]:
        """What the gateways raised an alarm about."""
        return Counter(
            line["what"] for line in _logged(self.output) if line["event"] == "ledger_alarm"
        )


def broken_promises(result: Result) -> list[str]:
    """One sentence for each promise that was not kept."""
    return [
        *_at_the_provider(result),
        *_at_the_clients(result),
        *_of_the_lives(result),
        *_in_the_end(result),
        *_in_the_ledger(result),
        *_at_the_gateway(result),
    ]


def _at_the_provider(result: Result) -> Iterator[str]:
    operations, ledger = len(result.keys), result.final_ledger
    if ledger["cards"] != operations:
        yield f"{operations} operations made {ledger['cards']} cards."
    creates = [entry for entry in ledger["keys"] if entry["path"].endswith("/cards")]
    made = Counter(entry["card"] for entry in creates)
    if made[None]:
        yield f"{made[None]} keys at the provider made no card."
    if len(creates) != operations:
        yield f"{operations} operations used {len(creates)} keys at the provider."
    if set(result.cards.values()) != made.keys() - {None}:
        yield "The cards that clients were told are not the cards that exist."


def _at_the_clients(result: Result) -> Iterator[str]:
    if result.failures:
        codes = _listed(result.failures.values())
        yield f"{len(result.failures)} operations failed for good: {codes}."
    if unknown := set(result.keys) - result.cards.keys() - result.failures.keys():
        yield f"{len(unknown)} operations never learned their card."
    shared = [card for card, count in Counter(result.cards.values()).items() if count > 1]
    if shared:
        yield f"{len(shared)} cards were told to more than one operation."


def _of_the_lives(result: Result) -> Iterator[str]:
    lives = result.lives.values()
    if failures := [life.failure for life in lives if life.failure]:
        yield f"{len(failures)} lives failed for good: {_listed(failures)}."
    if unfinished := sum(len(life.told) < len(STEPS) and not life.failure for life in lives):
        yield f"{unfinished} lives never ended."
    if wrong := [life.changes for life in lives if life.changes != STATUSES]:
        yield f"{len(wrong)} cards had other lives: {_listed(map(str, wrong))}."
    if wrong_counts := [life.transactions for life in lives if life.transactions != 1]:
        yield f"{len(wrong_counts)} cards have not the one transaction of their capture."
    if (made := result.final_ledger["authorisations"]) != len(lives) * AUTHORISED:
        yield f"{len(lives)} lives made {made} authorisations."
    if again := {what for life in lives for what in life.repeated} - {REPLAYED}:
        yield f"Repeats of lives that were over brought: {_listed(again)}."


def _in_the_end(result: Result) -> Iterator[str]:
    for number, repeated in enumerate(result.repeated, start=1):
        if unknown := result.cards.keys() - repeated.keys():
            came = _listed(result.seen_in_the_end) or "nothing"
            yield f"{len(unknown)} repeats at replica {number} brought no card; seen was: {came}."
        if changed := [key for key, card in repeated.items() if result.cards.get(key) != card]:
            yield f"{len(changed)} repeats at replica {number} brought another card."
    if differing := [key for key in result.keys if len(_told(result, key)) > 1]:
        yield f"The replicas tell different cards for {len(differing)} operations."


def _told(result: Result, key: str) -> set[str]:
    return {repeated[key] for repeated in result.repeated if key in repeated}


def _in_the_ledger(result: Result) -> Iterator[str]:
    if unknown := {state: count for state, count in result.rows.items() if state != "done"}:
        states = _listed(f"{count} {state}" for state, count in unknown.items())
        yield f"Rows of the ledger are not done: {states}."
    steps = len(STEPS) * len(result.lives)
    if (rows := sum(result.rows.values())) != len(result.keys) + steps:
        yield f"{len(result.keys)} operations with {steps} steps have {rows} rows in the ledger."
    if not result.is_certain:
        yield "The ledger takes itself for one that has lost rows."


def _at_the_gateway(result: Result) -> Iterator[str]:
    for number, code in enumerate(result.exit_codes, start=1):
        if code:
            yield f"The orderly end of replica {number} had exit code {code}."
    if alarms := result.alarms.keys() - {LATE_SUCCESS}:
        yield f"The gateway raised an alarm: {_listed(alarms)}."
    if any(line["event"] == "unexpected_error" for line in _logged(result.output)):
        yield "An unexpected error was logged."
    written = sum("Traceback" in line for line in result.output.splitlines())
    if written > result.starts_in_vain:  # an entry of the log is one line, with all its causes
        yield "A traceback was written."


def _tells_of_no_ledger(line: dict[str, Any]) -> bool:
    """uvicorn writes the failure of an application's start with its traceback."""
    *frames, last = line["event"].rstrip().splitlines() or [""]
    in_start = any(frame.endswith("in lifespan") for frame in frames)
    return in_start and re.match(_NO_LEDGER, last) is not None


def _logged(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))
