"""`gateway ledger`: making, looking at and cleaning the ledger."""

import asyncio
import contextlib
import os
import re
import time
import uuid
from pathlib import Path

import apsw
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import SqliteEngine, Store, Windows
from tests.commands import Command
from tests.kept_ledgers import DATE, DAY, HOUR, KEY, Sent, keep, state_of
from tests.processes import on_a_terminal
from tests.stack import (
    API_SECRET,
    running,
)

pytestmark = pytest.mark.usefixtures("file")


# create


def test_a_new_ledger_is_uncertain(command: Command, file: Path) -> None:
    """Nobody knows whether it takes the place of one that was lost."""
    code, printed = command("ledger", "create")
    assert (code, file.stat().st_mode & 0o777) == (0, 0o600)
    assert re.fullmatch(rf"{file} is made\. It is uncertain until {DATE}\.\n", printed)


def test_the_first_ledger_is_certain_at_once(command: Command, file: Path) -> None:
    """Who says that none was lost need not wait for a day."""
    assert command("ledger", "create", "--first") == (0, f"{file} is made. It is certain.\n")


def test_a_ledger_that_is_there_is_left_as_it_is(command: Command, file: Path) -> None:
    """Making it once more changes nothing, and is no failure."""
    command("ledger", "create")
    before = command("ledger", "status")
    code, printed = command("ledger", "create")
    assert (code, "is there already, and is left as it is" in printed) == (0, True)
    assert command("ledger", "status") == before


def test_a_ledger_that_is_there_becomes_certain(command: Command, file: Path) -> None:
    """`--first` can be said later, too."""
    command("ledger", "create")
    words = f"{file} is there already. It is certain.\n"
    assert command("ledger", "create", "--first") == (0, words)


def test_without_the_setting_it_is_the_file_of_serve(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default file is made with its folder, where serve would make it."""
    monkeypatch.delenv("GATEWAY_LEDGER")
    code, printed = command("ledger", "create")
    place = Path(os.environ["XDG_DATA_HOME"], "card-gateway", "ledger.db")
    assert (code, printed.startswith(f"{place} is made."), place.is_file()) == (0, True, True)


# status


def test_the_status_of_a_ledger(command: Command, file: Path) -> None:
    """Place, size, versions, age and certainty, the rows by state and the oldest unresolved one."""
    keys = keep(file, Sent(3 * HOUR), Sent(4 * HOUR), uncertain_for=DAY)
    command("ledger", "resolve", "--row", str(keys[0]), "--not-executed")
    code, printed = command("ledger", "status")
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in printed.splitlines())
    assert code == 0
    assert lines.pop("ledger") == str(file)
    assert re.fullmatch(r"\d+ bytes, and \d+ in its log", lines.pop("size"))
    assert re.fullmatch(DATE, lines.pop("created"))
    assert re.fullmatch(f"uncertain until {DATE}", lines.pop("certainty"))
    oldest = lines.pop("oldest unresolved")
    assert re.fullmatch(f"since {DATE}, row {keys[1]}", oldest)
    assert lines.pop("schema") == "version 1, for gateways from version 1 on"
    counts = {"sending": "0", "indeterminate": "1", "done": "0", "not executed": "1"}
    assert lines == counts | {"stopped": "0"}


def test_an_empty_ledger_has_nothing_unresolved(command: Command) -> None:
    """There is no row to look at."""
    command("ledger", "create")
    _, printed = command("ledger", "status")
    assert re.search(r"^oldest unresolved +none$", printed, re.MULTILINE)


def test_a_ledger_that_lost_rows_says_so(command: Command, file: Path) -> None:
    """There is no time from which it is certain again."""
    keep(file)

    async def doubt() -> None:
        store = Store(SqliteEngine(file, time.time), Windows(), is_complete=True)
        await store.start()
        await store.doubt()
        await store.aclose()

    asyncio.run(doubt())
    _, printed = command("ledger", "status")
    assert "uncertain for good, since rows of it were lost" in printed


ONE_ROW = ["--row", str(KEY)]
OPENING = [
    ["status"],
    ["purge"],
    ["upgrade"],
    ["show", *ONE_ROW],
    ["resolve", *ONE_ROW, "--not-executed"],
]


@pytest.mark.parametrize("arguments", OPENING, ids=lambda one: one[0])
def test_only_create_makes_a_ledger(command: Command, file: Path, arguments: list[str]) -> None:
    """A wrong path is said, and no empty ledger is made there."""
    reason = f"{file} is not there; `gateway ledger create` makes it"
    assert command("ledger", *arguments) == (2, f"GATEWAY_LEDGER: {reason}\n")
    assert not file.exists()


@pytest.mark.parametrize("arguments", [["create"], *OPENING], ids=lambda one: one[0])
def test_memory_is_refused(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """What ends with its process cannot be looked at by another one."""
    monkeypatch.setenv("GATEWAY_LEDGER", "memory")
    reason = "memory is not kept anywhere; name a file with sqlite:PATH"
    assert command("ledger", *arguments) == (2, f"GATEWAY_LEDGER: {reason}\n")


# show


def test_a_client_s_key_finds_its_row(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is found under the key that a client sent, by caller and field."""

    async def click() -> str:
        async with running(ledger=f"sqlite:{file}") as stack:
            return str((await stack.issue(idempotencyKey=str(KEY)))["card"]["id"])

    card = asyncio.run(click())
    code, printed = command("ledger", "show", str(KEY))
    assert code == 0
    assert re.search(rf"^card +{card}$", printed, re.MULTILINE)
    assert re.search(rf"^account +{GUIDE_ACCOUNT}$", printed, re.MULTILINE)
    assert API_SECRET not in printed
    for other in (["--caller", "canary"], ["--field", "simulateCardIssue"]):
        code, printed = command("ledger", "show", str(KEY), *other)
        assert (code, printed) == (1, "The ledger has no row for this key.\n")


def test_a_row_is_shown_with_all_its_fields(command: Command, file: Path) -> None:
    """Times are dates in UTC, ids are UUIDs, marks are words."""
    [key] = keep(file, Sent(HOUR, uncertain=True))
    code, printed = command("ledger", "show", "--row", str(key))
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in printed.splitlines())
    assert code == 0
    assert re.fullmatch(DATE, shown.pop("first send"))
    assert re.fullmatch(DATE, shown.pop("expires"))
    assert uuid.UUID(shown.pop("claim")).version == 4
    assert re.fullmatch(DATE, shown.pop("lease until"))
    assert shown == {
        "key": str(key),
        "provider key": str(key),
        "fingerprint": (b"f" * 32).hex(),
        "operation": "issueVirtualCard",
        "state": "indeterminate",
        "version": "2",
        "account": GUIDE_ACCOUNT,
        "target": "none",
        "card": "none",
        "indeterminate": "yes",
        "uncertain": "yes",
        "in flight seen": "no",
    }


# purge


def test_rows_that_are_over_are_deleted(command: Command, file: Path) -> None:
    """Only those, and all of them, though one step takes 500."""
    *_, kept = keep(file, *[Sent(31 * DAY)] * 501, Sent(29 * DAY))
    assert command("ledger", "purge") == (0, "Deleted rows that were over: 501.\n")
    assert command("ledger", "purge") == (0, "Deleted rows that were over: 0.\n")
    assert state_of(command, kept) == "indeterminate"


@pytest.mark.process
def test_purging_shows_its_progress_on_a_terminal(file: Path) -> None:
    """Whoever waits sees how far it is; the last line is the result alone."""
    keep(file, *[Sent(31 * DAY)] * 501)
    written = on_a_terminal("ledger", "purge")
    assert "\r500 rows …" in written
    assert written.endswith("\rDeleted rows that were over: 501.\r\n")


# upgrade


def test_there_is_one_version_today(command: Command, file: Path) -> None:
    """A ledger of this version needs nothing."""
    command("ledger", "create")
    assert command("ledger", "upgrade") == (0, f"{file} is at version 1 already.\n")


@pytest.mark.parametrize("arguments", OPENING, ids=lambda one: one[0])
def test_a_ledger_for_newer_gateways_is_refused(
    command: Command, file: Path, arguments: list[str]
) -> None:
    """What this version cannot read it does not change."""
    command("ledger", "create")
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        connection.execute("UPDATE ledger_store SET schema_version = 2, minimum_reader = 2")
    words = "GATEWAY_LEDGER: the ledger was made by a newer version of the gateway\n"
    assert command("ledger", *arguments) == (2, words)


def test_a_newer_ledger_that_can_be_read_is_left(command: Command, file: Path) -> None:
    """It is at its version already, and never brought back to an older one."""
    command("ledger", "create")
    with contextlib.closing(apsw.Connection(str(file))) as connection:
        connection.execute("UPDATE ledger_store SET schema_version = 2")
    assert command("ledger", "upgrade") == (0, f"{file} is at version 2 already.\n")
