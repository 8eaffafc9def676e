"""Mutations of cards and authorisations: one click has one effect, whatever fails."""

import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from gateway.emulator.cards import CardStatus
from tests.cards.test_cards import WIRE_CARD
from tests.cards.test_lists import OTHER_ACCOUNT, WIRE_TRANSACTION
from tests.moves import (
    ACTIVATE,
    AUTHORISE,
    DEACTIVATE,
    MOVES,
    TERMINATE,
    Move,
    ask,
    document,
    prepare,
    set_status,
)
from tests.stack import Clock, Stack, in_process, running
from tests.tokens import IdentityProvider

DONE = "done"
ATTEMPTS = 4


def code_of(result: Any) -> str:
    """What a mutation ended with."""
    return str(result.get("code", DONE))


def is_of(move: Move, request: httpx.Request) -> bool:
    """Whether the request is the call of this move."""
    return request.method == move.method and move.part in request.url.path


def lose_answers(stack: Stack, move: Move, times: int) -> None:
    """Lose the answers of the next calls after the provider has carried them out."""
    passing, left = stack.wire.handle_async_request, times

    async def lose(request: httpx.Request) -> httpx.Response:
        nonlocal left
        response = await passing(request)
        if is_of(move, request) and left:
            left -= 1
            raise httpx.ReadError("the answer was lost")
        return response

    stack.wire.handle_async_request = lose  # type: ignore[method-assign]


def answer_with(stack: Stack, move: Move, answer: Callable[[], httpx.Response]) -> None:
    """Answer the calls in the provider's place: none of them is carried out."""
    stack.wire.answer = lambda request: answer() if is_of(move, request) else None


@pytest.mark.parametrize("move", MOVES, ids=str)
async def test_it_is_done_once_and_replayed(move: Move) -> None:
    """The move is carried out, and a repeat under its key tells what is now without a call."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        first = await ask(stack, move, idempotencyKey=key, **given)
        again = await ask(stack, move, idempotencyKey=key, **given)
        sent = [request for request, _ in stack.wire.exchanges if is_of(move, request)]
        assert move.effects(stack) == 1
    assert (code_of(first), first["replayed"], again["replayed"]) == (DONE, False, True)
    assert (first["idempotencyKey"], len(sent)) == (key, 1)


@in_process
@pytest.mark.parametrize("lost", [1, ATTEMPTS])
@pytest.mark.parametrize("move", MOVES, ids=str)
async def test_a_lost_answer_is_found_again(move: Move, lost: int) -> None:
    """Answers that are lost after the commit leave one effect, which the key's repeat tells."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        lose_answers(stack, move, lost)
        first = await ask(stack, move, idempotencyKey=key, **given)
        assert code_of(first) == (DONE if lost < ATTEMPTS else "OUTCOME_UNKNOWN")
        assert code_of(await ask(stack, move, idempotencyKey=key, **given)) == DONE
        assert move.effects(stack) == 1


# What is answered in the provider's place, and what the move ends with.
STATUSES = {
    199: "OUTCOME_UNKNOWN",
    206: "OUTCOME_UNKNOWN",
    301: "OUTCOME_UNKNOWN",
    401: "PROVIDER_UNAVAILABLE",
    403: "REFUSED",
    404: "NOT_FOUND",
    408: "OUTCOME_UNKNOWN",
    422: "REFUSED",
    429: "RATE_LIMITED",
    500: "OUTCOME_UNKNOWN",
    503: "OUTCOME_UNKNOWN",
}


@in_process
@pytest.mark.parametrize("status", [*STATUSES, 400, 409])
@pytest.mark.parametrize("move", MOVES, ids=str)
async def test_a_status_means_this(move: Move, status: int) -> None:
    """Refusals alone are believed to have had no effect; the next try with the key is the one."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        answer_with(stack, move, lambda: httpx.Response(status))
        first = await ask(stack, move, idempotencyKey=key, **given)
        assert code_of(first) == {**STATUSES, **move.statuses}[status]
        assert move.effects(stack) == 0
        stack.wire.answer = lambda _: None
        clock.time += 5
        assert code_of(await ask(stack, move, idempotencyKey=key, **given)) == DONE
        assert move.effects(stack) == 1


@pytest.mark.parametrize(
    ("status", "shown"),
    [("inactive", "INACTIVE"), ("blocked", "BLOCKED"), ("terminated", "TERMINATED")],
)
async def test_a_refused_move_tells_what_the_card_is_now(status: CardStatus, shown: str) -> None:
    """A card whose status does not permit it is InvalidState, with the status read afterwards."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, TERMINATE)
        set_status(stack, given["cardId"], status)
        refused = await ask(stack, TERMINATE, **given)
        assert (refused["__typename"], refused["status"]) == ("InvalidState", shown)


async def test_a_refusal_is_told_where_the_status_cannot_be_read() -> None:
    """A failed read after a refusal leaves the refusal told, without a status."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, TERMINATE)
        set_status(stack, given["cardId"], "inactive")
        stack.wire.answer = lambda sent: httpx.Response(500) if sent.method == "GET" else None
        refused = await ask(stack, TERMINATE, **given)
    assert (refused["code"], refused["status"]) == ("INVALID_STATE", None)


async def test_a_move_between_two_reads_is_seen() -> None:
    """Cards that are read after a mutation of the same document are read afresh."""
    clock = Clock()
    text = """mutation($id: ID!) {
      a: terminateCard(input: {cardId: $id}) { ... on TerminateCardSuccess { card { status } } }
      b: terminateCard(input: {cardId: $id}) { ... on InvalidState { status } }
    }"""
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, TERMINATE)
        data = await stack.data(text, {"id": given["cardId"]})
    assert data == {"a": {"card": {"status": "TERMINATED"}}, "b": {"status": "TERMINATED"}}


@in_process
@pytest.mark.parametrize("committed", [True, False])
async def test_a_termination_after_the_hour_is_found_out(committed: bool) -> None:
    """A card that is TERMINATED is told; one that is not is ended once the key is forgotten."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, TERMINATE)
        if committed:
            lose_answers(stack, TERMINATE, ATTEMPTS)
        else:
            answer_with(stack, TERMINATE, lambda: httpx.Response(500))
        assert (
            code_of(await ask(stack, TERMINATE, idempotencyKey=key, **given)) == "OUTCOME_UNKNOWN"
        )
        stack.wire.answer = lambda _: None
        clock.time += 3600
        late = await ask(stack, TERMINATE, idempotencyKey=key, **given)
        assert code_of(late) == (DONE if committed else "OUTCOME_UNKNOWN")
        clock.time += 86_400
        assert code_of(await ask(stack, TERMINATE, idempotencyKey=key, **given)) == DONE
        assert TERMINATE.effects(stack) == 1


@in_process
@pytest.mark.parametrize(
    ("move", "back"), [(ACTIVATE, DEACTIVATE), (DEACTIVATE, ACTIVATE)], ids=str
)
@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("hours", [1, 2, 24])
async def test_a_late_repeat_undoes_nobodys_later_move(
    move: Move, back: Move, committed: bool, hours: int
) -> None:
    """A move whose answer was lost is not sent again after the hour, whatever the card is now."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        if committed:
            lose_answers(stack, move, ATTEMPTS)
        else:
            answer_with(stack, move, lambda: httpx.Response(500))
        first = await ask(stack, move, idempotencyKey=key, **given)
        assert code_of(first) == "OUTCOME_UNKNOWN"
        stack.wire.answer = lambda _: None
        clock.time += 3000
        if committed:
            assert code_of(await ask(stack, back, **given)) == DONE
        sent = len(stack.wire.sent(move.method, move.part))
        clock.time += hours * 3600
        late = await ask(stack, move, idempotencyKey=key, **given)
        assert (late["code"], late["retryable"]) == ("OUTCOME_UNKNOWN", False)
        status = "ACTIVE" if move is DEACTIVATE else "INACTIVE"
        assert late["currentCard"] == {"id": given["cardId"], "status": status}
        assert len(stack.wire.sent(move.method, move.part)) == sent
        assert move.effects(stack) == committed


@pytest.mark.parametrize("move", [ACTIVATE, DEACTIVATE], ids=str)
async def test_a_late_repeat_tells_a_move_that_still_holds(move: Move) -> None:
    """A card that has the wanted status after the hour is what the click has brought about."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        lose_answers(stack, move, ATTEMPTS)
        await ask(stack, move, idempotencyKey=key, **given)
        clock.time += 2 * 3600
        late = await ask(stack, move, idempotencyKey=key, **given)
        assert (code_of(late), late["replayed"], move.effects(stack)) == (DONE, True, 1)


async def test_a_card_is_frozen_and_unfrozen() -> None:
    """Each move is told with the card's new status, and refused where the card has it already."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, DEACTIVATE)
        told = [await ask(stack, move, **given) for move in (DEACTIVATE, ACTIVATE) for _ in "ab"]
    assert [result["__typename"] for result in told] == [
        *("DeactivateCardSuccess", "InvalidState", "ActivateCardSuccess", "InvalidState")
    ]
    shown = [result.get("status") or result["card"]["status"] for result in told]
    assert shown == ["INACTIVE", "INACTIVE", "ACTIVE", "ACTIVE"]


async def lost_activation(stack: Stack, **given: Any) -> list[httpx.Request]:
    """An activation whose requests a proxy holds back; they are returned, as they were signed."""
    held: list[httpx.Request] = []
    passing = stack.wire.handle_async_request

    async def hold(request: httpx.Request) -> httpx.Response:
        if is_of(ACTIVATE, request):
            held.append(request)
            raise httpx.ReadError("held back")
        return await passing(request)

    stack.wire.handle_async_request = hold  # type: ignore[method-assign]
    assert code_of(await ask(stack, ACTIVATE, **given)) == "OUTCOME_UNKNOWN"
    stack.wire.handle_async_request = passing  # type: ignore[method-assign]
    return held


async def deactivated(stack: Stack, **given: Any) -> Any:
    """What a deactivation tells."""
    text = """mutation($input: DeactivateCardInput!) { deactivateCard(input: $input) {
      ... on DeactivateCardSuccess { mayBeUndoneUntil card { status } }
      ... on Error { code } } }"""
    return (await stack.data(text, {"input": given}))["deactivateCard"]


@pytest.mark.parametrize(("seconds", "arrives"), [(60, True), (331, False)])
async def test_what_may_undo_a_deactivation_arrives_in_the_time_that_is_told(
    seconds: int, arrives: bool
) -> None:
    """An activation that was held back can switch the card on again until then, and not later."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, ACTIVATE)
        held = await lost_activation(stack, **given)
        set_status(stack, given["cardId"], "active")
        told = await deactivated(stack, idempotencyKey=key, **given)
        until = datetime.fromisoformat(told["mayBeUndoneUntil"]).timestamp()
        assert 300 <= until - clock.time <= 330
        clock.time += seconds
        assert (until > clock.time) is arrives
        answers = [await stack.wire.handle_async_request(request) for request in held]
        assert (200 in {answer.status_code for answer in answers}) is arrives
        again = await deactivated(stack, idempotencyKey=key, **given)
    assert again["mayBeUndoneUntil"] == (told["mayBeUndoneUntil"] if arrives else None)
    assert again["card"]["status"] == ("ACTIVE" if arrives else "INACTIVE")


async def test_a_deactivation_without_an_activation_before_it_stays() -> None:
    """Where no activation is unresolved nothing can undo it."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, DEACTIVATE)
        assert (await deactivated(stack, **given))["mayBeUndoneUntil"] is None


async def test_an_activation_is_not_sent_after_a_later_deactivation() -> None:
    """Its repeat under its key tells the card as it is now, for good."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, ACTIVATE)
        held = await lost_activation(stack, idempotencyKey=key, **given)
        set_status(stack, given["cardId"], "active")
        await deactivated(stack, **given)
        late = await ask(stack, ACTIVATE, idempotencyKey=key, **given)
        assert (late["code"], late["retryable"]) == ("OUTCOME_UNKNOWN", False)
        assert late["currentCard"] == {"id": given["cardId"], "status": "INACTIVE"}
        assert len(held) == ATTEMPTS
        assert not stack.wire.sent(ACTIVATE.method, ACTIVATE.part)


async def test_a_second_activation_is_refused_as_not_sent_while_one_is_unresolved() -> None:
    """It can be tried again with its key, and works once the first one is resolved."""
    clock, first, second = Clock(), str(uuid.uuid4()), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, ACTIVATE)
        await lost_activation(stack, idempotencyKey=first, **given)
        refused = await ask(stack, ACTIVATE, idempotencyKey=second, **given)
        assert (refused["code"], refused["retryable"]) == ("OVERLOADED", True)
        assert code_of(await ask(stack, ACTIVATE, idempotencyKey=first, **given)) == DONE
        assert (await ask(stack, ACTIVATE, idempotencyKey=second, **given))["code"] == (
            "INVALID_STATE"
        )


async def test_a_repeated_move_is_told_with_the_card_as_it_is_now() -> None:
    """The provider answers a key that it knows with an old card, which is read afresh."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, DEACTIVATE)
        lose_answers(stack, DEACTIVATE, ATTEMPTS)
        await ask(stack, DEACTIVATE, idempotencyKey=key, **given)
        await ask(stack, ACTIVATE, **given)
        again = await ask(stack, DEACTIVATE, idempotencyKey=key, **given)
    assert (code_of(again), again["card"]["status"]) == (DONE, "ACTIVE")


async def test_a_refused_deactivation_says_that_an_activation_may_still_arrive() -> None:
    """A card that is INACTIVE already may become ACTIVE by what was sent before."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, ACTIVATE)
        refused = await ask(stack, DEACTIVATE, **given)
        assert "may still arrive" not in refused["message"]
        await lost_activation(stack, **given)
        refused = await ask(stack, DEACTIVATE, **given)
        assert (refused["code"], refused["status"]) == ("INVALID_STATE", "INACTIVE")
        assert "may still arrive and change that until 20" in refused["message"]


@in_process
@pytest.mark.parametrize("move", [ACTIVATE, AUTHORISE], ids=str)
async def test_an_answer_of_another_account_is_not_shown(tmp_path: Path, move: Move) -> None:
    """A caller of some accounts sees nothing of the others', whatever answers a mutation."""
    identity, clock = IdentityProvider(tmp_path), Clock()
    async with running(clock=clock, **identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        given = await prepare(stack, clock, move)
        token = identity.token(accounts=[GUIDE_ACCOUNT])
        stack.client.headers["Authorization"] = f"Bearer {token}"
        others = {"accountId": OTHER_ACCOUNT, "id": given["cardId"]}
        made = WIRE_CARD if move is ACTIVATE else WIRE_TRANSACTION
        shown = {name: value for name, value in (made | others).items() if name != "cardId"}
        answer_with(stack, move, lambda: httpx.Response(201, json=shown))
        answer = await stack.post(document(move), {"input": given})
        assert OTHER_ACCOUNT not in answer.text
        assert given["cardId"] not in answer.text
