"""``issueOutcome``: what became of a click, asked with its key alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.end_to_end.test_durable_ledger import machine
from tests.end_to_end.test_one_card import Losses, asking, cards, creates, failing, held_creates
from tests.stack import ISSUE, Clock, Stack, issue_input, running
from tests.tokens import IdentityProvider
from tests.waiting import waiting_for

MINUTE, DAY = 60.0, 86_400.0


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
async def one(tmp_path: Path, clock: Clock) -> AsyncIterator[Stack]:
    """A gateway whose ledger is a day old."""
    async with machine(f"sqlite:{tmp_path / 'ledger.db'}", clock) as stack:
        clock.time += DAY
        yield stack


@pytest.fixture
def key() -> str:
    """A client's key."""
    return str(uuid.uuid4())


async def test_an_unknown_key_is_null(one: Stack, key: str) -> None:
    """A key without a record is null, and the question costs no call of the provider."""
    assert await one.outcome(key) is None
    assert one.wire.exchanges == []


async def test_a_done_click_is_told_its_card(one: Stack, clock: Clock, key: str) -> None:
    """The card is read afresh, as replayed, and under the same key."""
    issued = await one.issue(idempotencyKey=key)
    await one.simulate(issued["card"]["id"])
    clock.time += MINUTE
    told = await one.outcome(key)
    assert (told["replayed"], told["idempotencyKey"]) == (True, key)
    assert (told["card"]["id"], told["card"]["status"]) == (issued["card"]["id"], "ACTIVE")


async def test_a_key_of_a_header_is_asked_for_with_its_path(one: Stack, key: str) -> None:
    """A field whose key came by header is found by the header's key and the field's alias."""
    document = ISSUE.replace("issueVirtualCard(", "mine: issueVirtualCard(")
    sent = (await one.post(document, issue_input(), **{"Idempotency-Key": key})).json()
    told = await one.outcome(key, "mine")
    assert told["card"]["id"] == sent["data"]["mine"]["card"]["id"]
    assert await one.outcome(key, "issueVirtualCard") is None
    assert await one.outcome(key) is None


async def test_a_young_unknown_click_is_to_be_sent_again(
    one: Stack, clock: Clock, key: str
) -> None:
    """While the click can be sent again, the question neither sends it nor looks for a card."""
    Losses(one, times=4)
    await one.issue(idempotencyKey=key)
    sent = len(one.wire.exchanges)
    clock.time += 44 * MINUTE
    told = await one.outcome(key)
    assert (told["__typename"], told["retryable"]) == ("OutcomeUnknown", True)
    assert len(one.wire.exchanges) == sent
    again = await one.issue(idempotencyKey=key)
    assert again["__typename"] == "IssueVirtualCardSuccess"


async def test_an_old_unknown_click_is_found_without_its_input(
    one: Stack, clock: Clock, key: str
) -> None:
    """The card whose address gives the fingerprint of the key is its card."""
    Losses(one, times=4)
    await one.issue(idempotencyKey=key)
    clock.time += 50 * MINUTE
    told = await one.outcome(key)
    assert (told["__typename"], told["replayed"]) == ("IssueVirtualCardSuccess", True)
    assert told["card"]["id"] in one.emulator.state.emulator.cards
    assert (await one.issue(idempotencyKey=key))["card"]["id"] == told["card"]["id"]


async def test_a_card_that_does_not_fit_is_a_candidate(one: Stack, clock: Clock, key: str) -> None:
    """A card with another address is not taken for the key's own."""
    failing(one, "POST", 502)
    await one.issue(idempotencyKey=key)
    failing(one, "", None)
    emulator = one.emulator.state.emulator
    await one.issue(billingAddress={**issue_input()["input"]["billingAddress"], "city": "Leeds"})
    made = next(iter(emulator.cards))
    clock.time += 50 * MINUTE
    told = await one.outcome(key)
    assert told["__typename"] == "OutcomeUnknown"
    assert made not in [card["id"] for card in told["candidates"]], "it is another click's"


async def test_a_click_without_effect_is_told_so(one: Stack, clock: Clock, key: str) -> None:
    """Once no card can come any more, the question settles the key as well."""
    failing(one, "POST", 502)
    await one.issue(idempotencyKey=key)
    failing(one, "", None)
    clock.time += 76 * MINUTE
    assert (await one.outcome(key))["__typename"] == "NotExecuted"
    assert (await one.issue(idempotencyKey=key))["__typename"] == "NotExecuted"
    assert cards(one) == 0


async def test_a_click_in_flight_is_waited_for(tmp_path: Path, key: str) -> None:
    """While the click is being sent, the question waits for its outcome."""
    async with running(ledger=f"sqlite:{tmp_path / 'ledger.db'}") as one:
        async with held_creates(one) as entered:
            click = asyncio.create_task(one.issue(idempotencyKey=key))
            async with waiting_for("the create call"):
                await entered.wait()
            question = asyncio.create_task(one.outcome(key))
            await asyncio.sleep(0.1)
            assert not question.done()
        assert (await question)["card"]["id"] == (await click)["card"]["id"]
        assert len(creates(one)) == 1


async def test_only_who_may_use_the_account_is_told(tmp_path: Path, key: str) -> None:
    """Scope and account count as they are today, and nobody is told of another caller's key."""
    identity = IdentityProvider(tmp_path)
    given = identity.settings() | {"ledger": f"sqlite:{tmp_path / 'ledger.db'}"}
    async with running(clock=Clock(), **given) as one:
        asking(identity, one, accounts=[GUIDE_ACCOUNT])
        issued = await one.issue(idempotencyKey=key)
        assert (await one.outcome(key))["card"]["id"] == issued["card"]["id"]
        refused: list[dict[str, Any]] = [{"scope": "cards:read"}, {"accounts": []}]
        for claims in refused:
            asking(identity, one, **claims)
            assert (await one.outcome(key))["__typename"] == "NotAllowed"
        asking(identity, one, sub="somebody else")
        assert await one.outcome(key) is None


async def test_a_key_that_is_no_uuid_names_the_argument(one: Stack) -> None:
    """What is wrong with the key is told as of a mutation's input."""
    told = await one.outcome("no key")
    assert (told["__typename"], told["field"]) == ("InvalidInput", "idempotencyKey")


async def test_a_refused_key_is_null(one: Stack, key: str) -> None:
    """A key whose request was refused has no record."""
    failing(one, "POST", 400)
    assert (await one.issue(idempotencyKey=key))["__typename"] == "Refused"
    assert await one.outcome(key) is None
