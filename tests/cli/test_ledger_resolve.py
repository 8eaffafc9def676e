"""`gateway ledger resolve`: what an operator can decide, and what is refused."""

import asyncio
import contextlib
import getpass
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.emulator import GUIDE_ACCOUNT, create_emulator
from tests.commands import Command
from tests.kept_ledgers import DATE, HOUR, KEY, MINUTE, Sent, keep, state_of
from tests.stack import (
    ADDRESS,
    Clock,
    Recorder,
    RecorderApp,
    Stack,
    environment,
    options,
    running,
)
from tests.tls import served

pytestmark = pytest.mark.usefixtures("file")


@contextlib.contextmanager
def provider(
    monkeypatch: pytest.MonkeyPatch, emulator: Starlette | None = None, plastic: str = ""
) -> Iterator[Any]:
    """An emulator that the settings name; ``plastic`` is the one card that it shows, if any."""
    app = emulator or create_emulator(options())
    wire = Recorder(httpx.ASGITransport(app=app))
    if plastic:
        shown = httpx.Response(200, json=[in_plastic(plastic)])
        wire.answer = lambda request: shown if request.url.path.endswith("/cards") else None
    with served(RecorderApp(wire)) as port:
        named = environment(GATEWAY_PROVIDER_URL=f"http://127.0.0.1:{port}/v1")
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        yield app.state.emulator


def in_plastic(card: str) -> dict[str, str]:
    """A physical card as the provider shows it."""
    moment = "2026-01-01T00:00:00Z"
    times = {"createdAt": moment, "updatedAt": moment}
    about = {"id": card, "accountId": GUIDE_ACCOUNT, "type": "physical", "status": "active"}
    return about | times


def audit(printed: str) -> dict[str, Any]:
    """The line for the log, without its time."""
    [line] = [json.loads(one) for one in printed.splitlines() if one.startswith("{")]
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is UTC
    return dict(line)


def test_a_call_is_said_to_be_not_executed(command: Command, file: Path) -> None:
    """The row is final from then on, and the log says who decided it."""
    [key] = keep(file, Sent(76 * MINUTE))
    code, printed = command("ledger", "resolve", "--row", str(key), "--not-executed")
    assert (code, printed.startswith(f"The row {key} is not executed.\n")) == (0, True)
    assert audit(printed) == {
        "event": "ledger_resolved",
        "level": "info",
        "request_id": "-",
        "row": str(key),
        "state": "not_executed",
        "card": None,
        "user": getpass.getuser(),
    }
    assert state_of(command, key) == "not_executed"


EARLY = {
    "young": Sent(74 * MINUTE),
    "seen in flight": Sent(24 * HOUR, in_flight=True),
    "perhaps lost": Sent(24 * HOUR, uncertain=True),
}


@pytest.mark.parametrize("call", EARLY.values(), ids=EARLY)
def test_not_executed_is_refused_too_early(command: Command, file: Path, call: Sent) -> None:
    """As long as a card may still come, nobody can say that there is none."""
    [key] = keep(file, call)
    code, printed = command("ledger", "resolve", "--row", str(key), "--not-executed")
    early = rf"It is too early .+ its card may still come\. Try again after {DATE}\.\n"
    assert (code, bool(re.fullmatch(early, printed))) == (1, True)
    assert state_of(command, key) == "indeterminate"


@pytest.mark.parametrize("call", EARLY.values(), ids=EARLY)
def test_not_executed_is_believed_later(command: Command, file: Path, call: Sent) -> None:
    """The same rows can be decided after 75 minutes, or after 25 hours."""
    later = Sent(call.ago + HOUR + MINUTE, in_flight=call.in_flight, uncertain=call.uncertain)
    [key] = keep(file, later)
    code, _ = command("ledger", "resolve", "--row", str(key), "--not-executed")
    assert (code, state_of(command, key)) == (0, "not_executed")


@pytest.mark.parametrize("how", [["--not-executed"], ["--card", str(KEY)]], ids=lambda one: one[0])
def test_nothing_is_decided_while_a_gateway_does(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    """A lease says that somebody sends, or finds out: their word is better."""
    [key] = keep(file, Sent(2 * HOUR, leased=True))
    with provider(monkeypatch) as emulator:
        code, printed = command("ledger", "resolve", "--row", str(key), *how)
        assert not emulator.token_fetches
    assert code == 1
    assert re.fullmatch(rf"A gateway is sending .+ Try again after {DATE}\.\n", printed)
    assert state_of(command, key) == "sending"


@pytest.mark.parametrize("how", [["--not-executed"], ["--card", str(KEY)]], ids=lambda one: one[0])
def test_only_unresolved_calls_that_make_a_card_are_decided(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    """No row, a row that is resolved, and one of a call about a card are refused."""
    resolved, about_a_card = keep(file, Sent(2 * HOUR), Sent(2 * HOUR, target=KEY))
    command("ledger", "resolve", "--row", str(resolved), "--not-executed")
    with provider(monkeypatch):
        told = [
            command("ledger", "resolve", "--row", str(row), *how)
            for row in (resolved, about_a_card, KEY)
        ]
    assert told == [
        (1, "The row is resolved already: its state is not_executed.\n"),
        (1, "The row is of issueVirtualCard, which makes no card: it needs no decision.\n"),
        (1, "The ledger has no row for this key.\n"),
    ]


def test_a_call_is_said_to_have_made_a_card(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its row may have been lost, and other clicks of the account are unresolved."""
    key, _ = keep(file, Sent(2 * HOUR, uncertain=True), Sent(2 * HOUR))
    with provider(monkeypatch) as emulator:
        card = emulator.add_card(GUIDE_ACCOUNT, ADDRESS, None).id
        code, printed = command("ledger", "resolve", "--row", str(key), "--card", card)
    assert code == 0
    assert printed.startswith(f"The row {key} is done, with the card {card}.\n")
    line = audit(printed)
    assert (line["row"], line["state"], line["card"]) == (str(key), "done", card)
    assert state_of(command, key) == "done"


@pytest.mark.parametrize("there", ["no card", "in plastic"])
def test_a_card_that_the_account_does_not_have_is_refused(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    """A card that is not in the account's list, or is in plastic, was not made by the call."""
    [key] = keep(file, Sent(2 * HOUR))
    plastic = str(KEY) if there == "in plastic" else ""
    with provider(monkeypatch, plastic=plastic):
        told = command("ledger", "resolve", "--row", str(key), "--card", str(KEY))
    assert told == (1, "--card: is no virtual card of the row's account at the provider.\n")
    assert state_of(command, key) == "indeterminate"


def test_a_card_belongs_to_one_row(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that another row claims is refused."""
    one, other = keep(file, Sent(2 * HOUR), Sent(2 * HOUR))
    with provider(monkeypatch) as emulator:
        card = emulator.add_card(GUIDE_ACCOUNT, ADDRESS, None).id
        command("ledger", "resolve", "--row", str(one), "--card", card)
        told = command("ledger", "resolve", "--row", str(other), "--card", card)
    assert (told[0], told[1].splitlines()[-1]) == (
        1,
        "Another row of the ledger has this card already.",
    )
    assert state_of(command, other) == "indeterminate"


def test_a_card_needs_the_provider(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are asked for, and where it does not answer nothing is decided."""
    [key] = keep(file, Sent(2 * HOUR))
    code, printed = command("ledger", "resolve", "--row", str(key), "--card", str(KEY))
    assert (code, "GATEWAY_PROVIDER_URL: is not set\n" in printed) == (2, True)
    for name, value in environment(GATEWAY_MAX_ATTEMPTS="1").items():
        monkeypatch.setenv(name, value)
    code, printed = command("ledger", "resolve", "--row", str(key), "--card", str(KEY))
    assert (code, printed.count("\n")) == (1, 1)
    assert state_of(command, key) == "indeterminate"


@dataclass
class Past(Clock):
    """The time of this machine, so many seconds ago."""

    ago: float = 2 * HOUR

    def __call__(self) -> float:
        return time.time() - self.ago


def test_the_client_learns_what_was_decided(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A click with two candidates has its card once somebody has chosen one of them."""
    clock = Past()
    stack = asyncio.run(click_of_old(clock, file))
    clock.ago = 0
    unknown = asyncio.run(click_again(clock, file, stack))
    assert unknown["__typename"] == "OutcomeUnknown"
    chosen = unknown["candidates"][1]["id"]
    with provider(monkeypatch, stack.emulator):
        code, _ = command("ledger", "resolve", str(KEY), "--card", chosen)
    told = asyncio.run(click_again(clock, file, stack))
    assert (code, told["card"]["id"], told["replayed"]) == (0, chosen, True)


async def click_of_old(clock: Past, file: Path) -> Stack:
    """A click whose request is lost, on an account that gets two cards at that time."""

    def lose(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/cards"):
            raise httpx.ReadError("lost")

    async with running(clock=clock, ledger=f"sqlite:{file}") as stack:
        stack.wire.answer = lose
        result = await stack.issue(idempotencyKey=str(KEY))
        assert result["__typename"] == "OutcomeUnknown"
        for _ in range(2):
            stack.emulator.state.emulator.add_card(GUIDE_ACCOUNT, ADDRESS, None)
    return stack


async def click_again(clock: Past, file: Path, before: Stack) -> Any:
    """The same click, at another gateway in front of the same provider."""
    async with running(clock=clock, beside=before, ledger=f"sqlite:{file}") as stack:
        return await stack.issue(idempotencyKey=str(KEY))
