"""A short run of chaos, and that a bad one would be noticed. The long run is ``make chaos``."""

import io
import json
import sys
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.chaos.__main__ import judge, play
from tests.chaos.client import NEW, REPLAYED
from tests.chaos.life import AUTHORISED, STATUSES, STEPS, Life
from tests.chaos.scenario import Scenario
from tests.chaos.verdict import Result, broken_promises
from tests.postgres import needs_server

SHORT = Scenario(operations=60, clients=10, disturbances=1)
LONG = Scenario(operations=5000, disturbances=10)
needs_children = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says which workers a replica has"
)


@pytest.mark.process
@needs_children
@pytest.mark.parametrize(
    "scenario", [SHORT, pytest.param(LONG, marks=pytest.mark.long)], ids=["short", "long"]
)
@pytest.mark.parametrize(
    "engine", ["sqlite", pytest.param("postgres", marks=[needs_server, pytest.mark.long])]
)
@pytest.mark.timeout(3600)
def test_one_card_for_every_operation_while_everything_fails(
    scenario: Scenario, engine: str
) -> None:
    """With answers lost, calls late, tokens expiring and every process killed: one card each."""
    scenario = replace(scenario, engine=engine)
    result = play(scenario, Console(file=io.StringIO()))
    assert broken_promises(result) == [], result.output
    # It was not quiet: everything that was to go wrong did.
    assert result.ledger["faults"].keys() == {"drop_before", "drop_after", "status"}
    wanted = dict.fromkeys(scenario.kinds, scenario.disturbances)
    assert wanted.items() <= result.disturbances.items()
    assert result.lives
    assert result.repeats > 0
    assert max(result.presented) > 1
    assert result.ledger["tokens"] > 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scenario", [SHORT, LONG, Scenario(engine="postgres")], ids=str)
def test_a_plan_has_every_disturbance_as_often_as_asked(scenario: Scenario, seed: int) -> None:
    """None is lost to another one, or comes when all cards are issued."""
    plan = replace(scenario, seed=seed).plan()
    assert Counter(plan.values()) == dict.fromkeys(scenario.kinds, scenario.disturbances)
    assert 0 < min(plan) < max(plan) < scenario.operations


START_FAILED = "Traceback\n  1\n\nTraceback\n  File x, line 1, in lifespan\ngateway.errors."
EXPECTED = [
    {"event": "ledger_alarm", "what": "late_success"},
    {"event": f"{START_FAILED}LedgerUnavailable: The ledger did not answer in time.\n"},
    {"event": f"{START_FAILED}ConfigError: GATEWAY_LEDGER: x: database is locked\n"},
]
"""Lines of a run that is good: a call ended late, and workers came up without their ledger."""


def good_result() -> Result:
    """Two operations, and the life of one card, of which nothing bad can be said."""
    ledger = {
        "cards": 2,
        "authorisations": AUTHORISED,
        "tokens": 1,
        "faults": {},
        "keys": [
            {"key": "derived 1", "path": "/cards", "presented": 1, "card": "card 1"},
            {"key": "derived 2", "path": "/cards", "presented": 3, "card": "card 2"},
        ],
    }
    cards = {"key 1": "card 1", "key 2": "card 2"}
    life = Life(
        "key 1",
        "card 1",
        told=[f"id {number}" for number in range(len(STEPS))],
        repeated=[REPLAYED] * len(STEPS),
        changes=list(STATUSES),
        transactions=1,
    )
    return Result(
        keys=["key 1", "key 2"],
        cards=dict(cards),
        repeated=[dict(cards), dict(cards)],
        lives={"key 1": life},
        seen=Counter({"a card": 2, "ConnectError": 3}),
        ledger=deepcopy(ledger),
        final_ledger=ledger,
        exit_codes=[0, 0],
        rows={"done": 2 + len(STEPS)},
        output="".join(f"{json.dumps(line)}\n" for line in EXPECTED),
    )


def second_card(result: Result) -> None:
    """A click made two cards, under a key of its own each time."""
    result.final_ledger["cards"] = 3
    result.final_ledger["keys"].append(
        {"key": "x", "path": "/cards", "presented": 1, "card": "card 3"}
    )


def unused_key(result: Result) -> None:
    """A key was used for which there is no card."""
    result.final_ledger["keys"].append({"key": "x", "path": "/cards", "presented": 1, "card": None})


def lost_answer(result: Result) -> None:
    """A client was never told."""
    del result.cards["key 1"]
    for repeated in result.repeated:
        del repeated["key 1"]


def final_failure(result: Result) -> None:
    """A client was told that asking again is of no use."""
    lost_answer(result)
    result.failures["key 1"] = "OUTCOME_UNKNOWN"


def foreign_card(result: Result) -> None:
    """A client was told the card of another one."""
    for cards in (result.cards, *result.repeated):
        cards["key 1"] = "card 2"


def changed_card(result: Result) -> None:
    """A repeat brought another card at every replica."""
    for repeated in result.repeated:
        repeated["key 1"] = "card 2"


def differing_cards(result: Result) -> None:
    """One replica tells another card."""
    result.repeated[1]["key 1"] = "card 2"


def failed_repeat(result: Result) -> None:
    """A repeat brought no card at one replica."""
    del result.repeated[1]["key 1"]
    result.seen_in_the_end["OUTCOME_UNKNOWN"] = 9


def failed_life(result: Result) -> None:
    """A client was told of a step that asking again is of no use."""
    life = result.lives["key 1"]
    life.failure, life.told = "OUTCOME_UNKNOWN", life.told[:3]


def unfinished_life(result: Result) -> None:
    """A client was never told of the last step."""
    del result.lives["key 1"].told[-1]


def second_move(result: Result) -> None:
    """A step took place twice."""
    result.lives["key 1"].changes.insert(3, "inactive")


def undone_move(result: Result) -> None:
    """A repeated step has undone a later one."""
    result.lives["key 1"].changes[-1:] = ["inactive", "terminated"]


def second_transaction(result: Result) -> None:
    """An authorisation was captured twice."""
    result.lives["key 1"].transactions = 2


def second_authorisation(result: Result) -> None:
    """A click has paid twice."""
    result.final_ledger["authorisations"] += 1


def unknown_repeat(result: Result) -> None:
    """A repeat was carried out anew, and another one did not know its key."""
    result.lives["key 1"].repeated[2:4] = [NEW, "INVALID_STATE"]


def unresolved_rows(result: Result) -> None:
    """The ledger does not know what became of a key."""
    result.rows = {"done": len(STEPS), "sending": 1, "indeterminate": 1}


def lost_row(result: Result) -> None:
    """The ledger has lost a key, and does not notice."""
    result.rows = {"done": 1 + len(STEPS)}


def doubted_ledger(result: Result) -> None:
    """The ledger says that it has lost something."""
    result.is_certain = False


def bad_exit(result: Result) -> None:
    """A replica did not end well."""
    result.exit_codes[1] = 1


def alarm(result: Result) -> None:
    """A gateway saw something that must not happen."""
    result.output += '{"what":"lost_entries","event":"ledger_alarm"}\n'


def unexpected_error(result: Result) -> None:
    """A gateway met an error that it does not know."""
    result.output += '{"error":"KeyError","event":"unexpected_error"}\n'


def traceback(result: Result) -> None:
    """Something failed that nobody caught."""
    result.output += "Traceback (most recent call last):"


def bad_start(result: Result) -> None:
    """A worker could not start, though its ledger was there."""
    result.output += json.dumps({"event": f"{START_FAILED}InternalError: x"})


BAD: dict[Any, list[str]] = {
    second_card: [
        "2 operations made 3 cards.",
        "2 operations used 3 keys at the provider.",
        "The cards that clients were told are not the cards that exist.",
    ],
    unused_key: [
        "1 keys at the provider made no card.",
        "2 operations used 3 keys at the provider.",
    ],
    lost_answer: [
        "The cards that clients were told are not the cards that exist.",
        "1 operations never learned their card.",
    ],
    final_failure: [
        "The cards that clients were told are not the cards that exist.",
        "1 operations failed for good: OUTCOME_UNKNOWN.",
    ],
    foreign_card: [
        "The cards that clients were told are not the cards that exist.",
        "1 cards were told to more than one operation.",
    ],
    changed_card: [
        "1 repeats at replica 1 brought another card.",
        "1 repeats at replica 2 brought another card.",
    ],
    differing_cards: [
        "1 repeats at replica 2 brought another card.",
        "The replicas tell different cards for 1 operations.",
    ],
    failed_repeat: ["1 repeats at replica 2 brought no card; seen was: OUTCOME_UNKNOWN."],
    failed_life: ["1 lives failed for good: OUTCOME_UNKNOWN."],
    unfinished_life: ["1 lives never ended."],
    second_move: [f"1 cards had other lives: {[*STATUSES[:3], 'inactive', *STATUSES[3:]]}."],
    undone_move: [f"1 cards had other lives: {[*STATUSES[:-1], 'inactive', 'terminated']}."],
    second_transaction: ["1 cards have not the one transaction of their capture."],
    second_authorisation: [f"1 lives made {AUTHORISED + 1} authorisations."],
    unknown_repeat: ["Repeats of lives that were over brought: INVALID_STATE, a success."],
    unresolved_rows: ["Rows of the ledger are not done: 1 indeterminate, 1 sending."],
    lost_row: [f"2 operations with {len(STEPS)} steps have {1 + len(STEPS)} rows in the ledger."],
    doubted_ledger: ["The ledger takes itself for one that has lost rows."],
    bad_exit: ["The orderly end of replica 2 had exit code 1."],
    alarm: ["The gateway raised an alarm: lost_entries."],
    unexpected_error: ["An unexpected error was logged."],
    traceback: ["A traceback was written."],
    bad_start: ["A traceback was written."],
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_every_broken_promise_is_noticed(spoil: Any) -> None:
    """Each way in which a run can be bad has its sentence, and makes the exit code 1."""
    result, console = good_result(), Console(file=io.StringIO(), width=200)
    assert judge(result, console) == 0
    spoil(result)
    assert broken_promises(result) == BAD[spoil]
    assert judge(result, console) == 1
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().endswith("\n".join(BAD[spoil]) + "\n")
