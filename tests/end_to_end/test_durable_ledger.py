"""Gateways that share a ledger: one card for one click, whichever of them is asked, and when."""

import asyncio
import contextlib
import itertools
import signal
import socket
import stat
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.commands import Command
from tests.end_to_end.test_one_card import Losses, asking, cards, creates, failing
from tests.ledger.world import DURABLE, MovedPostgres, url_for
from tests.pair import URL, pair
from tests.processes import started
from tests.stack import ADDRESS, CARD, ISSUE, Clock, Stack, environment, issue_input, running
from tests.tokens import IdentityProvider
from tests.waiting import PATIENCE

MINUTE, DAY = 60.0, 86_400.0
OTHER = ADDRESS | {"city": "Leeds"}


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the ledger is: a file, or a database."""
    return url_for(request) or f"sqlite:{tmp_path / 'ledger.db'}"


@contextlib.asynccontextmanager
async def machine(
    place: str, clock: Clock, beside: Stack | None = None, **settings: Any
) -> AsyncIterator[Stack]:
    """A gateway on the ledger in ``place``."""
    given: dict[str, Any] = {"ledger": place} | settings
    if place.startswith("postgresql:"):
        given["engine"] = MovedPostgres(place, clock)
    async with running(clock=clock, beside=beside, **given) as stack:
        yield stack


@pytest.fixture
async def clock(place: str) -> Clock:
    """A clock, at which the ledger is a day old."""
    clock = Clock()
    async with machine(place, clock):
        clock.time += DAY
    return clock


async def test_equal_clicks_behind_a_round_robin_make_one_call(place: str, clock: Clock) -> None:
    """Of 40 equal clicks over two gateways one is sent, and 39 are told its card as replayed."""
    key = str(uuid.uuid4())
    async with (
        machine(place, clock) as one,
        machine(place, clock, beside=one) as two,
    ):
        stacks = itertools.islice(itertools.cycle((one, two)), 40)
        told = await asyncio.gather(*[stack.issue(idempotencyKey=key) for stack in stacks])
        assert len(creates(one)) + len(creates(two)) == 1
    assert sorted(each["replayed"] for each in told) == [False] + [True] * 39
    assert len({each["card"]["id"] for each in told}) == 1


@pytest.mark.parametrize("minutes", [44, 61, 41_000])
async def test_a_restart_loses_no_answer(place: str, clock: Clock, minutes: float) -> None:
    """Unknown before a restart: the same click afterwards is told its card, and sends none."""
    key = str(uuid.uuid4())
    async with machine(place, clock) as one:
        Losses(one, times=4)
        unknown = await one.issue(idempotencyKey=key)
        assert (unknown["__typename"], unknown["retryable"]) == ("OutcomeUnknown", True)
        assert 29 * DAY < unknown["retrySafeSeconds"] <= 30 * DAY
    clock.time += minutes * MINUTE
    async with machine(place, clock, beside=one) as two:
        again = await two.issue(idempotencyKey=key)
        other = await two.issue(idempotencyKey=key, billingAddress=OTHER)
        assert (cards(one), len(creates(two))) == (1, 1 if minutes < 45 else 0)
    assert again["card"]["id"] in one.emulator.state.emulator.cards
    assert minutes < 45 or again["replayed"] is True
    assert other["__typename"] == "IdempotencyConflict"


async def test_a_click_without_effect_is_told_so(place: str, clock: Clock) -> None:
    """A request that never arrived is NotExecuted once that is certain, and says what to do."""
    key = str(uuid.uuid4())
    async with machine(place, clock) as one:
        failing(one, "POST", 502)
        assert (await one.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        failing(one, "", None)
        clock.time += 76 * MINUTE
        told = await one.issue(idempotencyKey=key)
        assert cards(one) == 0
    assert (told["__typename"], told["code"], told["retryable"]) == (
        "NotExecuted",
        "NOT_EXECUTED",
        False,
    )
    assert "new key is safe" in told["message"]


@pytest.mark.parametrize("lost", ["the answer", "the request"])
async def test_an_old_simulation_is_read_from_its_card(place: str, clock: Clock, lost: str) -> None:
    """A simulation that is too old to be sent is told by its card, or sent when that is safe."""
    key = str(uuid.uuid4())
    async with machine(place, clock) as one:
        card_id = (await one.issue())["card"]["id"]
        passing = one.wire.handle_async_request

        async def lose(request: httpx.Request) -> httpx.Response:
            if request.method != "PATCH":
                return await passing(request)
            if lost == "the answer":
                await passing(request)
            raise httpx.ReadError("lost")

        one.wire.handle_async_request = lose  # type: ignore[method-assign]
        assert (await one.simulate(card_id, idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        one.wire.handle_async_request = passing  # type: ignore[method-assign]
        clock.time += 50 * MINUTE
        told = await one.simulate(card_id, idempotencyKey=key)
        if lost == "the request":
            assert (told["__typename"], told["retryable"]) == ("OutcomeUnknown", True)
            await one.simulate_failure(card_id)
            clock.time += 30 * MINUTE
            told = await one.simulate(card_id, idempotencyKey=key)
            assert (told["__typename"], told["retryable"]) == ("OutcomeUnknown", False)
        else:
            assert (told["replayed"], told["card"]["status"]) == (True, "ACTIVE")


async def test_candidates_are_shown(place: str, clock: Clock) -> None:
    """Cards of which one may be the click's are in the result, with all their fields."""
    async with machine(place, clock) as one:
        keys = [str(uuid.uuid4()) for _ in range(2)]
        Losses(one, times=8)
        for key in keys:
            await one.issue(idempotencyKey=key)
        clock.time += 76 * MINUTE
        told = await one.issue(idempotencyKey=keys[0])
        ids = set(one.emulator.state.emulator.cards)
    assert (told["__typename"], told["retryable"]) == ("OutcomeUnknown", False)
    assert {card["id"] for card in told["candidates"]} == ids
    assert {card["accountId"] for card in told["candidates"]} == {GUIDE_ACCOUNT}


async def test_reads_go_on_without_the_ledger(tmp_path: Path) -> None:
    """A ledger whose file is gone refuses clicks as not sent, and nothing else; /readyz says it."""
    async with machine(f"sqlite:{tmp_path / 'ledger.db'}", Clock()) as one:
        card_id = (await one.issue())["card"]["id"]
        (tmp_path / "ledger.db").unlink()
        told = await one.issue(idempotencyKey=str(uuid.uuid4()))
        assert (await one.data(CARD, {"id": card_id}))["card"]["id"] == card_id
        ready = await one.client.get("/readyz")
        assert cards(one) == 1
    assert (told["__typename"], told["code"]) == ("GatewayUnavailable", "LEDGER_UNAVAILABLE")
    assert told["retryable"] is True
    assert told["message"].endswith("an earlier one with this key may have worked.")
    assert (ready.status_code, ready.json()["ledger"]) == (
        200,
        "The ledger was deleted: its file is gone.",
    )


async def test_nothing_is_sent_while_the_clocks_differ(place: str, clock: Clock) -> None:
    """A gateway whose clock is a minute off does not know how old a key is, and sends nothing."""
    async with machine(place, clock) as one:
        await one.issue()
        ahead = Clock(clock.time + 60)
        async with machine(place, ahead, beside=one) as two:
            told = await two.issue()
            assert len(creates(two)) == 0
    assert (told["__typename"], told["retryable"]) == ("ProviderUnavailable", True)
    assert "clocks" in told["message"]


CANARY = {"firstLine": "CANARY-LINE", "city": "CANARY-CITY", "country": "GB", "postCode": "CANARY"}


async def test_nothing_personal_is_in_the_ledger(place: str, clock: Clock, tmp_path: Path) -> None:
    """No address, name, masked number, caller or client's key is in the files, or in a dump."""
    identity = IdentityProvider(tmp_path)
    keys = [str(uuid.uuid4()) for _ in range(3)]
    async with machine(place, clock, **identity.settings()) as one:
        asking(identity, one, sub="canary-caller", accounts=[GUIDE_ACCOUNT])
        issued = await one.issue(idempotencyKey=keys[0], billingAddress=CANARY)
        await one.simulate(issued["card"]["id"], idempotencyKey=keys[1])
        Losses(one, times=4)
        await one.issue(idempotencyKey=keys[2], billingAddress=CANARY)
        stored = dump(place)
    assert uuid.UUID(issued["card"]["id"]).bytes in stored, "this is where the rows are"
    secrets = [b"CANARY", b"canary", b"530518", *map(str.encode, keys)]
    secrets += [uuid.UUID(key).bytes for key in keys]
    assert [secret for secret in secrets if secret in stored] == []


def dump(place: str) -> bytes:
    """All bytes that a ledger keeps."""
    if place.startswith("sqlite:"):
        file = Path(place.removeprefix("sqlite:"))
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    with psycopg.connect(place) as connection:
        rows = connection.execute("SELECT * FROM idempotency_key, ledger_store").fetchall()
    return b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


@pytest.mark.process
async def test_a_gateway_that_is_killed_has_lost_nothing(tmp_path: Path) -> None:
    """kill -9 after the card was made: the next gateway on the file tells it, to the same click."""
    variables = issue_input(idempotencyKey=str(uuid.uuid4()))
    ledger = f"sqlite:{tmp_path / 'ledger.db'}"
    async with pair(tmp_path, ledger=ledger) as both, client() as asking:
        body = {"query": ISSUE, "variables": variables}
        first = (await asking.post(f"{both.url}/graphql", json=body)).json()
        both.gateway.stop(signal.SIGKILL)
        with started("serve", **both.environment) as second:
            url = second.wait_for(URL)[0]
            again = (await asking.post(f"{url}/graphql", json=body)).json()
        seen = (await asking.get(f"{both.emulator_url}/_emulator/ledger")).json()
    made, told = (each["data"]["issueVirtualCard"] for each in (first, again))
    assert (made["replayed"], told["replayed"]) == (False, True)
    assert (told["card"]["id"], seen["cards"]) == (made["card"]["id"], 1)


def client() -> httpx.AsyncClient:
    """A client that waits as long as a busy machine needs."""
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("ledger", "reason"),
    [
        ("sqlite:/nowhere/at/all/ledger.db", "/nowhere/at/all/ledger.db cannot be opened"),
        ("sqlite:", "must be memory, sqlite: and the path of a file, or a postgresql:// URL"),
        ("postgresql://canary:secret@127.0.0.1:9/db", "database cannot be reached"),
        ("postgresql://canary:sec/ret@host/db", "is not a URL like postgresql://user"),
        (
            "mysql://canary:secret@host/db",
            "must be memory, sqlite: and the path of a file, or a postgresql:// URL",
        ),
    ],
    ids=["no folder", "no path", "nobody listens", "no URL", "another kind"],
)
def test_a_ledger_that_cannot_be_used_is_one_line(
    ledger: str,
    reason: str,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The start ends with exit code 2 and the reason, before anything listens."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment(GATEWAY_AUTH="none", GATEWAY_LEDGER=ledger).items():
        monkeypatch.setenv(name, value)
    code, output = command("serve")
    assert code == 2
    assert reason in output
    assert "canary" not in output
    assert "Serving" not in output


def test_the_default_ledger_is_a_file_of_the_users(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unset, the ledger is made in the folder for the user's data, which is made too."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = environment(GATEWAY_AUTH="none", GATEWAY_PORT=str(taken.getsockname()[1]))
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        code, output = command("serve")
    assert (code, "already in use" in output) == (2, True)
    file = tmp_path / "data" / "card-gateway" / "ledger.db"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)]
    assert modes == [0o700, 0o600]


def test_a_data_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the folder, the reason and the way out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").touch()
    for name, value in environment(GATEWAY_AUTH="none").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    code, output = command("serve")
    assert code == 2
    assert "data/card-gateway cannot be made" in output
    assert "sqlite:PATH" in output
