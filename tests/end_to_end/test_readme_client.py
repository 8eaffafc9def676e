"""The README's client, as it is printed, against a real gateway: one card, whatever clocks do.

The browser's clocks are the harness's; the gateway's is this machine's.
"""

import json
import re
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright._impl._driver import compute_driver_executable

from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import SqliteEngine, Store, Windows
from tests.pair import pair
from tests.processes import ROOT
from tests.stack import ADDRESS
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

HARNESS = ROOT / "tests" / "readme_client" / "run.mjs"


def usable_node() -> str | None:
    """The Node.js of this machine, else the one that Playwright brings, if that one runs here."""
    for name in (shutil.which("node"), str(compute_driver_executable()[0])):
        if name and subprocess.run([name, "--version"], capture_output=True).returncode == 0:
            return name
    return None


NODE = usable_node()
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        NODE is None, reason="Node.js is missing (on Debian: apt-get install nodejs)"
    ),
]
MINUTE, HOUR = 60_000, 3_600_000  # milliseconds, as JavaScript counts
DAY = 24 * HOUR
CARD = {"__typename": "IssueVirtualCardSuccess", "replayed": False}
UNKNOWN = {"__typename": "OutcomeUnknown", "code": "OUTCOME_UNKNOWN", "retryable": True}
REFUSED = {"__typename": "Refused", "code": "REFUSED", "retryable": False}
NOT_EXECUTED = {"__typename": "NotExecuted", "code": "NOT_EXECUTED", "retryable": False}
BAD_KEY = {
    "__typename": "InvalidInput",
    "code": "BAD_USER_INPUT",
    "field": "input.idempotencyKey",
    "retryable": False,
}
Visit = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What the client sent, what it told for each visit's clicks, and what is kept after all.

    ``cards`` is how many cards there are then, where a gateway was asked.
    """

    sends: list[dict[str, Any]]
    results: list[Any]
    kept: list[dict[str, Any]]
    cards: int | None = None

    @property
    def versions(self) -> list[int | None]:
        """The version of the key of each send."""
        return [uuid.UUID(send["key"]).version for send in self.sends]


def client() -> str:
    """The code block of the README."""
    [code] = re.findall(r"```js\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(code)


def run(folder: Path, *visits: Visit, url: str = "", ahead: int = 0) -> Told:
    """What the client did in these visits of its page; see the harness for what a visit is."""
    code, scenario = folder / "client.js", folder / "scenario.json"
    code.write_text(client())
    given = {"url": url, "ahead": ahead, "account": GUIDE_ACCOUNT, "address": ADDRESS}
    scenario.write_text(json.dumps({**given, "visits": visits}))
    words = [str(NODE), str(HARNESS), str(code), str(scenario)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return Told(**json.loads(done.stdout))


async def run_with_gateway(folder: Path, *visits: Visit, ahead: int = 0) -> Told:
    """The same in front of a gateway whose ledger is certain, and the number of cards after it."""
    with unmeasured():
        await make_certain(folder / "ledger.db")
        async with pair(folder) as both:
            told = run(folder, *visits, url=both.url, ahead=ahead)
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as asking:
                ledger = (await asking.get(f"{both.emulator_url}/_emulator/ledger")).json()
    return replace(told, cards=ledger["cards"])


async def make_certain(path: Path) -> None:
    """Make a ledger as it is when its first day is over."""
    store = Store(SqliteEngine(path, time.time), Windows(), is_complete=True)
    await store.start()
    await store.trust()
    await store.aclose()


# In front of a gateway.


async def test_a_double_click_with_lost_answers_and_a_reload_is_one_card(tmp_path: Path) -> None:
    """Both clicks are told the card; what is sent again has the same key of version 7."""
    left = {"clicks": 2, "lose": 1, "leave": 2}
    told = await run_with_gateway(tmp_path, left, {"at": 2 * MINUTE, "clicks": 2, "lose": 1})
    one, other = told.results[1]
    assert told.cards == 1
    assert one["card"]["id"] == other["card"]["id"]
    assert one["replayed"] is True
    assert set(told.versions) == {7}
    assert len({send["key"] for send in told.sends}) == 1
    assert told.kept == []


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(-40 * DAY, marks=pytest.mark.long),
        -3 * HOUR,
        40_000,
        pytest.param(3 * HOUR, marks=pytest.mark.long),
    ],
    ids=["-40 d", "-3 h", "+40 s", "+3 h"],
)
async def test_a_wrong_clock_is_not_noticed(tmp_path: Path, ahead: int) -> None:
    """The key of a wrong clock is replaced, also where its answer is lost: one card, for all."""
    told = await run_with_gateway(tmp_path, {"clicks": 2, "lose": 1, "again": 1}, ahead=ahead)
    assert told.cards == 1
    assert len({one["card"]["id"] for one in told.results[0]}) == 1
    assert len(told.results[0]) == 3
    assert (told.versions[0], told.versions[-1]) == (7, 4)
    assert told.kept == []


@pytest.mark.parametrize(
    "ahead", [-44 * MINUTE, pytest.param(20_000, marks=pytest.mark.long)], ids=["-44 min", "+20 s"]
)
async def test_a_clock_that_is_a_little_wrong_needs_no_other_key(
    tmp_path: Path, ahead: int
) -> None:
    """A key that is young enough, or from the next seconds, is sent as it is."""
    told = await run_with_gateway(tmp_path, {"lose": 1}, ahead=ahead)
    assert (told.cards, told.versions) == (1, [7, 7])


@pytest.mark.parametrize("ahead", [-3 * HOUR, 3 * HOUR], ids=["behind", "ahead"])
async def test_a_page_that_is_left_before_the_key_is_replaced_makes_no_card(
    tmp_path: Path, ahead: int
) -> None:
    """Loaded again it does not know the click's age: the user is told, and the next click works."""
    visits = [{"leave": 1}, {"at": MINUTE}, {"at": 2 * MINUTE}]
    told = await run_with_gateway(tmp_path, *visits, ahead=ahead)
    [failed], [made] = told.results[1:]
    assert failed["__typename"] == "NotExecuted"
    assert made["replayed"] is False
    assert (told.cards, told.versions, told.kept) == (1, [7, 7, 7, 4], [])


async def test_a_page_that_is_left_after_the_key_was_replaced_finds_its_card(
    tmp_path: Path,
) -> None:
    """The second key is kept before it is sent: loaded again, the page asks with it."""
    told = await run_with_gateway(tmp_path, {"leave": 2}, {"at": MINUTE}, ahead=3 * HOUR)
    [again] = told.results[1]
    assert again["replayed"] is True
    assert (told.cards, told.versions, told.kept) == (1, [7, 4, 4], [])


async def test_a_new_ledger_takes_the_keys_of_right_clocks(tmp_path: Path) -> None:
    """On its first day a ledger is certain of keys that were made after it."""
    with unmeasured():
        async with pair(tmp_path) as both:
            told = run(tmp_path, {"lose": 1}, {}, url=both.url)
    [first], [second] = told.results
    assert first["card"]["id"] != second["card"]["id"]
    assert set(told.versions) == {7}


async def test_memory_does_not_rule_out_the_key_of_a_clock_that_is_behind(tmp_path: Path) -> None:
    """An earlier process may have had it: nothing is sent, and the user is told so."""
    with unmeasured():
        async with pair(tmp_path, ledger="memory") as both:
            behind = run(tmp_path, {}, url=both.url, ahead=-3 * HOUR)
            ahead = run(tmp_path, {}, url=both.url, ahead=3 * HOUR)
    [[unknown]], [[made]] = behind.results, ahead.results
    assert (unknown["__typename"], unknown["retryable"]) == ("OutcomeUnknown", False)
    assert (behind.versions, behind.kept) == ([7], [])
    assert (made["replayed"], ahead.versions) == (False, [7, 4])


# With answers that are given.


@pytest.mark.parametrize("answer", [NOT_EXECUTED, BAD_KEY], ids=["not executed", "bad key"])
def test_a_key_is_replaced_once_and_at_once(tmp_path: Path, answer: dict[str, Any]) -> None:
    """The second key is of version 4, has no wait before it, and its failure is final."""
    told = run(tmp_path, {"answers": [answer, answer]})
    assert (told.versions, told.results, told.kept) == ([7, 4], [[answer]], [])
    assert told.sends[0]["wall"] == told.sends[1]["wall"]


@pytest.mark.parametrize("answer", [NOT_EXECUTED, BAD_KEY], ids=["not executed", "bad key"])
@pytest.mark.parametrize(
    "jump",
    [
        {"wall": 5 * MINUTE, "monotonic": 5 * MINUTE},
        {"wall": 31 * DAY, "monotonic": 0},
        {"wall": -3 * HOUR, "monotonic": 6 * MINUTE},
    ],
    ids=["5 minutes", "a sleep that one clock does not count", "set back meanwhile"],
)
def test_a_click_of_long_ago_is_not_made_again(
    tmp_path: Path, answer: dict[str, Any], jump: dict[str, int]
) -> None:
    """After a lost answer and 5 minutes by either clock the user is told, and decides."""
    told = run(tmp_path, {"answers": [None, answer], "jump": jump})
    assert (told.versions, told.results, told.kept) == ([7, 7], [[answer]], [])


def test_another_field_is_the_users_to_correct(tmp_path: Path) -> None:
    """InvalidInput on a field of the address says nothing of the clock."""
    answer = BAD_KEY | {"field": "input.billingAddress.city"}
    told = run(tmp_path, {"answers": [answer]})
    assert (told.versions, told.results, told.kept) == ([7], [[answer]], [])


def test_a_click_is_sent_until_there_is_a_result(tmp_path: Path) -> None:
    """Lost answers, 5xx and unknown outcomes are asked again for hours, every 5 to 10 s then."""
    down = {"status": 503, "code": "OVERLOADED", "retryable": True}
    told = run(tmp_path, {"answers": [None, down, UNKNOWN] * 300 + [REFUSED]})
    assert (len(told.sends), told.results, told.kept) == (901, [[REFUSED]], [])
    times = [send["wall"] for send in told.sends]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 125 <= waits[0] <= 250
    assert all(5000 <= wait <= 10_000 for wait in waits[6:])


def test_a_request_that_is_not_let_in_does_not_end_the_click(tmp_path: Path) -> None:
    """A 401 after a lost answer keeps the click: signed in again, the same key is sent."""
    refused = {"status": 401, "code": "NOT_AUTHENTICATED"}
    told = run(tmp_path, {"answers": [None, refused]}, {"at": MINUTE, "answers": [CARD]})
    assert (len(told.sends), told.results[1], told.kept) == (3, [CARD], [])
    assert len({send["key"] for send in told.sends}) == 1


@pytest.mark.parametrize("days", [0.01, 29, 60])
def test_a_page_that_is_loaded_again_goes_on_with_its_click(tmp_path: Path, days: float) -> None:
    """However long the page was away, its key is sent: the gateway knows how old it is."""
    visits = [{"answers": [None], "leave": 1}, {"at": int(days * DAY), "answers": [BAD_KEY]}]
    told = run(tmp_path, *visits)
    assert (told.versions, told.results[1], told.kept) == ([7, 7], [BAD_KEY], [])
    assert len({send["key"] for send in told.sends}) == 1


def test_what_is_kept_is_the_click_without_its_times(tmp_path: Path) -> None:
    """The times of a page mean nothing to the next one."""
    [kept] = run(tmp_path, {"answers": [None], "leave": 1}).kept
    assert set(kept) == {"form", "key", "accountId", "billingAddress"}


def test_the_end_of_a_click_forgets_no_other(tmp_path: Path) -> None:
    """A click that was given up while it waited does not end, or replace, the one after it."""
    other = 'sessionStorage.setItem("form", JSON.stringify({ key: "other" }))'
    for answer in (REFUSED, NOT_EXECUTED):
        told = run(tmp_path, {"answers": [answer], "meanwhile": other})
        assert (told.results, told.kept) == ([[answer]], [{"key": "other"}])


def test_a_key_has_the_form_of_version_7(tmp_path: Path) -> None:
    """48 bits of time, the version, the variant, and random bits that differ at equal times."""
    sends = [run(tmp_path, {"answers": [CARD, CARD]}).sends[0] for _ in range(2)]
    for send in sends:
        key = uuid.UUID(send["key"])
        assert (key.version, key.variant, key.int >> 80) == (7, uuid.RFC_4122, send["wall"])
    assert sends[0]["key"][14:] != sends[1]["key"][14:]
