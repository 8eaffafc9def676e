"""The README's client, as it is printed, against a real gateway: one card, whatever clocks do."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright._impl._driver import compute_driver_executable

from gateway.emulator import GUIDE_ACCOUNT
from tests.pair import pair
from tests.processes import ROOT
from tests.stack import ADDRESS
from tests.unmeasured import unmeasured

HARNESS = ROOT / "tests" / "readme_client" / "run.mjs"


def usable_node() -> str | None:
    """The Node.js of this machine, else the one that Playwright brings, if that one runs here."""
    for name in (shutil.which("node"), str(compute_driver_executable()[0])):
        if name and subprocess.run([name, "--version"], capture_output=True).returncode == 0:
            return name
    return None


NODE = usable_node()
pytestmark = pytest.mark.skipif(
    NODE is None, reason="Node.js is missing (on Debian: apt-get install nodejs)"
)
NOON, MINUTE, HOUR = 1_800_000_000_000, 60_000, 3_600_000  # milliseconds, as JavaScript counts
UNKNOWN = {"__typename": "OutcomeUnknown", "code": "OUTCOME_UNKNOWN", "retryable": True}


def client() -> str:
    """The code block of the README."""
    [code] = re.findall(r"```js\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(code)


def run(folder: Path, visits: list[dict[str, Any]], url: str = "", start: int = NOON) -> Any:
    """What the client did in these visits of its page; see the harness for what a visit is."""
    code, scenario = folder / "client.js", folder / "scenario.json"
    code.write_text(client())
    given = {"url": url, "start": start, "account": GUIDE_ACCOUNT, "address": ADDRESS}
    scenario.write_text(json.dumps({**given, "visits": visits}))
    words = [str(NODE), str(HARNESS), str(code), str(scenario)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.process
@pytest.mark.parametrize("hours", [-3, 0, 3], ids="browser's clock {} h ahead".format)
async def test_a_double_click_with_lost_answers_and_a_reload_is_one_card(
    tmp_path: Path, hours: int
) -> None:
    """Two clicks at once, lost answers, a reload, a wrong clock: one card, and it is told."""
    visits: list[dict[str, Any]] = [
        # The page is left while it waits: its clock then stands at an hour, and it gives up.
        {"clicks": 2, "lose": 2, "jump": {"wall": HOUR, "monotonic": HOUR}},
        {"at": 2 * MINUTE, "clicks": 2, "lose": 1},
    ]
    with unmeasured():
        async with pair(tmp_path) as both:
            told = run(tmp_path, visits, both.url, NOON + hours * HOUR)
            async with httpx.AsyncClient(trust_env=False) as asking:
                ledger = (await asking.get(f"{both.emulator_url}/_emulator/ledger")).json()
    assert ledger["cards"] == 1
    one, other = told["results"][1]
    assert one["card"]["id"] == other["card"]["id"]
    assert one["replayed"] is True


@pytest.mark.process
@pytest.mark.parametrize(
    ("wall", "monotonic"),
    [(2 * HOUR, 0), (0, 2 * HOUR), (-3 * HOUR, 56 * MINUTE), (55 * MINUTE, 1)],
    ids=["wall clock", "monotonic clock", "set back in sleep", "to the minute"],
)
def test_a_clock_that_jumps_in_the_wait_stops_the_client(
    tmp_path: Path, wall: int, monotonic: int
) -> None:
    """The age of the click is checked right before each send, by the clock that went further."""
    jump = {"wall": wall, "monotonic": monotonic}
    told = run(tmp_path, [{"answers": [UNKNOWN, UNKNOWN], "jump": jump}])
    assert (told["sends"], told["results"]) == (1, [[UNKNOWN]])


@pytest.mark.process
def test_a_clock_that_is_set_back_does_not_stop_the_client(tmp_path: Path) -> None:
    """A wall clock that is set back while the page waits changes nothing."""
    jump = {"wall": -3 * HOUR, "monotonic": 250}
    final = {"__typename": "Refused", "code": "REFUSED", "retryable": False}
    told = run(tmp_path, [{"answers": [UNKNOWN, final], "jump": jump}])
    assert (told["sends"], told["results"], told["kept"]) == (2, [[final]], 0)


@pytest.mark.process
@pytest.mark.parametrize("minutes", [56, 600, -1, -600])
def test_a_reload_starts_no_new_55_minutes(tmp_path: Path, minutes: int) -> None:
    """After a reload the click is as old as it was, and of a date to come nobody knows how old."""
    away = {"wall": HOUR, "monotonic": HOUR}
    told = run(tmp_path, [{"answers": [UNKNOWN], "jump": away}, {"at": minutes * MINUTE}])
    assert (told["sends"], told["results"][1]) == (1, [None])


@pytest.mark.process
def test_the_gateways_seconds_count_from_its_answer(tmp_path: Path) -> None:
    """A result with few retrySafeSeconds ends the retries when they are over."""
    short = UNKNOWN | {"retrySafeSeconds": 10}
    in_time = run(tmp_path, [{"answers": [short] * 3, "jump": {"wall": 9900, "monotonic": 9900}}])
    too_late = run(tmp_path, [{"answers": [short] * 3, "jump": {"wall": 10_000, "monotonic": 1}}])
    assert (in_time["sends"], too_late["sends"]) == (2, 1)


@pytest.mark.process
def test_a_request_that_is_not_let_in_does_not_end_the_click(tmp_path: Path) -> None:
    """A 401 after a lost answer keeps the click: signed in again, the same key is sent."""
    refused = {"status": 401, "code": "NOT_AUTHENTICATED"}
    done = {"__typename": "IssueVirtualCardSuccess", "replayed": True}
    told = run(tmp_path, [{"answers": [UNKNOWN, refused]}, {"at": MINUTE, "answers": [done]}])
    assert (told["sends"], told["results"][1], told["kept"]) == (3, [done], 0)


@pytest.mark.process
def test_a_clock_that_is_set_right_by_a_moment_stops_nothing(tmp_path: Path) -> None:
    """A click that seems to come from the next second is sent all the same."""
    done = {"__typename": "IssueVirtualCardSuccess", "replayed": False}
    lost = {"wall": HOUR, "monotonic": HOUR}
    visits: list[dict[str, Any]] = [
        {"answers": [UNKNOWN], "jump": lost},
        {"at": -1000, "answers": [done]},
    ]
    assert run(tmp_path, visits)["results"][1] == [done]
