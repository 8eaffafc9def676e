"""A short run of chaos, and that a bad one would be noticed. The long run is ``make chaos``."""

import io
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from tests.chaos.__main__ import judge, play
from tests.chaos.scenario import Scenario
from tests.chaos.verdict import Result, broken_promises


@pytest.mark.process
@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(operations=100, clients=10, kills=1),
        pytest.param(Scenario(), marks=pytest.mark.long),
    ],
    ids=lambda scenario: f"{scenario.operations}",
)
@pytest.mark.timeout(3600)
def test_one_card_for_every_operation_while_everything_fails(scenario: Scenario) -> None:
    """With answers lost, calls refused, tokens expiring and the gateway killed: one card each."""
    result = play(scenario, Console(file=io.StringIO()))
    assert broken_promises(result) == [], result.output
    # It was not quiet: everything that was to go wrong did.
    assert result.ledger["faults"].keys() == {"drop_before", "drop_after", "status"}
    assert result.kills == scenario.kills
    assert result.repeats > 0
    assert max(result.presented) > 1
    assert result.ledger["tokens"] > 2


def good_result() -> Result:
    """Two operations of which nothing bad can be said."""
    ledger = {
        "cards": 2,
        "tokens": 1,
        "faults": {},
        "keys": [
            {"key": "derived 1", "presented": 1, "card": "card 1"},
            {"key": "derived 2", "presented": 3, "card": "card 2"},
        ],
    }
    cards = {"key 1": "card 1", "key 2": "card 2"}
    return Result(
        keys=["key 1", "key 2"],
        cards=dict(cards),
        repeated=dict(cards),
        seen=Counter({"a card": 2, "ConnectError": 3}),
        ledger=deepcopy(ledger),
        final_ledger=ledger,
    )


def second_card(result: Result) -> None:
    """A click made two cards, under a key of its own each time."""
    result.final_ledger["cards"] = 3
    result.final_ledger["keys"].append({"key": "x", "presented": 1, "card": "card 3"})


def unused_key(result: Result) -> None:
    """A key was used for which there is no card."""
    result.final_ledger["keys"].append({"key": "x", "presented": 1, "card": None})


def lost_answer(result: Result) -> None:
    """A client was never told."""
    del result.cards["key 1"], result.repeated["key 1"]


def foreign_card(result: Result) -> None:
    """A client was told the card of another one."""
    result.cards["key 1"] = result.repeated["key 1"] = "card 2"


def changed_card(result: Result) -> None:
    """A repeat brought another card."""
    result.repeated["key 1"] = "card 2"


def failed_repeat(result: Result) -> None:
    """A repeat brought no card."""
    del result.repeated["key 1"]
    result.seen_in_the_end["OUTCOME_UNKNOWN"] = 9


def bad_exit(result: Result) -> None:
    """The gateway did not end well."""
    result.exit_code = 1


def traceback(result: Result) -> None:
    """Something failed that nobody caught."""
    result.output = "Traceback (most recent call last):"


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
    foreign_card: [
        "The cards that clients were told are not the cards that exist.",
        "1 cards were told to more than one operation.",
    ],
    changed_card: ["1 repeats in the end brought another card."],
    failed_repeat: ["1 repeats in the end brought no card; seen was: OUTCOME_UNKNOWN."],
    bad_exit: ["The gateway's orderly end had exit code 1."],
    traceback: ["A traceback was written."],
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
