"""The switch for mutations: what is carried out in each of its modes."""

from typing import Any

import httpx
import pytest

from gateway import events
from gateway.events import Event
from tests.moves import ACTIVATE, DEACTIVATE, ISSUE, MOVES, TERMINATE, Move, ask, prepare
from tests.stack import Clock, Stack, running

KEY = "123e4567-e89b-42d3-a456-426614174000"
MUST_GO_OUT = (DEACTIVATE, TERMINATE)


def made(stack: Stack) -> int:
    """How many cards the provider has been asked for."""
    return len(stack.wire.sent("POST", "/accounts/"))


@pytest.mark.parametrize("mode", ["repeats-only", "off"])
async def test_a_new_click_is_refused(mode: str) -> None:
    """Nothing is sent, the failure can be retried, and it is said that there was no effect."""
    async with running(mutations=mode) as stack:
        refused = await stack.issue()
    assert (refused["__typename"], refused["code"]) == ("GatewayUnavailable", "MUTATIONS_PAUSED")
    assert refused["retryable"]
    assert "had no effect" in refused["message"]
    assert made(stack) == 0


async def test_a_refused_click_claims_nothing() -> None:
    """The same key goes through, with another input even, once mutations are on again."""
    async with running(mutations="repeats-only") as stack:
        await stack.issue(idempotencyKey=KEY, accountId="ae61c362-4136-49af-8e01-544457fe265b")
        await stack.reload(mutations="on")
        assert (await stack.issue(idempotencyKey=KEY))["__typename"] == "IssueVirtualCardSuccess"


async def test_a_replay_is_answered_while_repeats_are() -> None:
    """Whoever has lost an answer gets it, and `off` alone refuses that as well."""
    async with running() as stack:
        first = await stack.issue(idempotencyKey=KEY)
        await stack.reload(mutations="repeats-only")
        again = await stack.issue(idempotencyKey=KEY)
        await stack.reload(mutations="off")
        refused = await stack.issue(idempotencyKey=KEY)
        outcome = await stack.outcome(KEY)
    assert (again["replayed"], again["card"]["id"]) == (True, first["card"]["id"])
    assert refused["code"] == "MUTATIONS_PAUSED"
    assert "was carried out" in refused["message"]
    assert outcome["card"]["id"] == first["card"]["id"]


async def test_a_call_without_an_answer_is_repeated() -> None:
    """A key whose outcome is not known is sent again, which can make no second card."""
    async with running(max_attempts=1) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(500) if "/accounts/" in request.url.path else None
        )
        assert (await stack.issue(idempotencyKey=KEY))["__typename"] == "OutcomeUnknown"
        await stack.reload(mutations="repeats-only")
        stack.wire.answer = lambda _request: None
        assert (await stack.issue(idempotencyKey=KEY))["__typename"] == "IssueVirtualCardSuccess"


async def test_nothing_is_said_of_a_call_without_an_answer_but_that() -> None:
    """While all mutations are off, "no effect" is not said of what may have had one."""
    async with running(max_attempts=1) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(500) if "/accounts/" in request.url.path else None
        )
        await stack.issue(idempotencyKey=KEY)
        await stack.reload(mutations="off")
        refused = await stack.issue(idempotencyKey=KEY)
    assert refused["__typename"] == "OutcomeUnknown"
    assert "may have worked" in refused["message"]


@pytest.mark.parametrize("move", [*MOVES, ACTIVATE, ISSUE], ids=str)
@pytest.mark.parametrize("mode", ["repeats-only", "off"])
async def test_a_stolen_card_can_be_switched_off(move: Move, mode: str) -> None:
    """Of new calls about a card only those that limit the damage go out, unless all are off."""
    clock = Clock()
    async with running(clock=clock) as stack:
        if move is ISSUE:
            given: dict[str, Any] = {"cardId": (await stack.issue())["card"]["id"]}
        else:
            given = await prepare(stack, clock, move)
        before = move.effects(stack)
        await stack.reload(mutations=mode)
        told = await ask(stack, move, **given)
        goes_out = mode == "repeats-only" and move in MUST_GO_OUT
        assert (told.get("code") == "MUTATIONS_PAUSED") is not goes_out
        assert move.effects(stack) == before + goes_out


async def test_reads_go_on() -> None:
    """Whatever the switch says, cards are shown."""
    async with running() as stack:
        issued = (await stack.issue())["card"]
        await stack.reload(mutations="off")
        assert (await stack.card(issued["id"]))["id"] == issued["id"]


async def test_the_mode_is_seen() -> None:
    """Readiness shows it, and events tell of each change and of each refusal."""
    kept: list[Event] = []
    async with running(sinks=[kept.append]) as stack:
        await stack.reload(mutations="off")
        await stack.issue()
        assert (await stack.client.get("/readyz")).json()["mutations"] == "off"
    modes = [event.mode for event in kept if isinstance(event, events.MutationsSwitched)]
    refused = [event.field for event in kept if isinstance(event, events.MutationRefused)]
    assert (modes, refused) == (["on", "off"], ["issueVirtualCard"])
