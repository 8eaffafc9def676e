"""Authorisations of the simulator, their captures and their releases."""

import uuid
from pathlib import Path

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from gateway.emulator.cards import CardStatus
from tests.cards.test_moves import ATTEMPTS, DONE, answer_with, code_of, lose_answers
from tests.moves import (
    AUTHORISE,
    CAPTURE,
    RELEASE,
    SETTLEMENTS,
    TERMINATE,
    Move,
    ask,
    prepare,
    set_status,
)
from tests.stack import Clock, running
from tests.tokens import IdentityProvider

OTHER = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(("move", "end"), [(CAPTURE, "CAPTURED"), (RELEASE, "RELEASED")], ids=str)
async def test_an_authorisation_is_ended_a_moment_later(move: Move, end: str) -> None:
    """A capture and a release are accepted first; a replay shows the authorisation read afresh."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        first = await ask(stack, move, idempotencyKey=key, **given)
        clock.time += 60
        again = await ask(stack, move, idempotencyKey=key, **given)
    assert first["authorisation"]["status"] in {"PENDING", f"{end[:-2]}ING"}
    assert again["authorisation"]["status"] == end


@pytest.mark.parametrize("move", SETTLEMENTS, ids=str)
async def test_a_second_end_is_refused_with_the_status(move: Move) -> None:
    """The refusal of an authorisation that is not PENDING names what it is, and no card."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        await ask(stack, CAPTURE, **given)
        clock.time += 60
        refused = await ask(stack, move, **given)
    assert (refused["__typename"], refused["status"]) == ("InvalidState", None)
    assert refused["message"].endswith("It is CAPTURED.")


async def test_a_refusal_of_a_pending_authorisation_is_refused() -> None:
    """An authorisation that is captured by itself is PENDING until then: only Refused is true."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE) | {"capture": True}
        made = (await ask(stack, AUTHORISE, **given))["authorisation"]
        assert made["status"] == "PENDING"
        refused = await ask(stack, RELEASE, authorisationId=made["id"])
    assert refused["__typename"] == "Refused"


@pytest.mark.parametrize("status", ["inactive", "suspended", "blocked", "terminated"])
async def test_a_card_that_is_not_active_does_not_pay(status: CardStatus) -> None:
    """The simulator refuses with 400; that the card's status is the reason is told as such."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE)
        set_status(stack, given["cardId"], status)
        refused = await ask(stack, AUTHORISE, **given)
    assert (refused["__typename"], refused["status"]) == ("InvalidState", status.upper())


async def test_a_refusal_stands_where_the_card_cannot_be_read() -> None:
    """Where nobody knows the card's status, the provider's refusal is told as it came."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE)
        set_status(stack, given["cardId"], "inactive")
        stack.wire.answer = lambda sent: httpx.Response(500) if sent.method == "GET" else None
        assert code_of(await ask(stack, AUTHORISE, **given)) == "REFUSED"


async def test_authorisations_outlive_their_card() -> None:
    """What was authorised before a termination can be captured after it."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE)
        made = (await ask(stack, AUTHORISE, **given))["authorisation"]
        await ask(stack, TERMINATE, cardId=given["cardId"])
        assert code_of(await ask(stack, CAPTURE, authorisationId=made["id"])) == DONE


@pytest.mark.parametrize("move", [AUTHORISE, *SETTLEMENTS], ids=str)
@pytest.mark.parametrize("hours", [1, 2, 24])
async def test_a_late_repeat_never_spends_again(move: Move, hours: int) -> None:
    """Once the key may be forgotten, an authorisation is not sent again, committed or not; what
    ends an authorisation is found out from its status."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        lose_answers(stack, move, ATTEMPTS)
        await ask(stack, move, idempotencyKey=key, **given)
        clock.time += hours * 3600
        late = await ask(stack, move, idempotencyKey=key, **given)
        assert move.effects(stack) == 1
    if move is AUTHORISE:
        assert (late["code"], late["retryable"]) == ("OUTCOME_UNKNOWN", False)
    else:
        assert code_of(late) == DONE


async def test_an_authorisation_that_was_never_made_is_not_made_late() -> None:
    """A click that left without an answer is over with its send window, whatever became of it."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE)
        answer_with(stack, AUTHORISE, lambda: httpx.Response(500))
        await ask(stack, AUTHORISE, idempotencyKey=key, **given)
        stack.wire.answer = lambda _: None
        clock.time += 86_400
        late = await ask(stack, AUTHORISE, idempotencyKey=key, **given)
        assert AUTHORISE.effects(stack) == 0
    assert (late["code"], late["retryable"]) == ("OUTCOME_UNKNOWN", False)
    assert late["currentCard"] == {"id": given["cardId"], "status": "ACTIVE"}


@pytest.mark.parametrize("move", SETTLEMENTS, ids=str)
async def test_an_authorisation_of_others_is_as_if_it_were_not_there(
    move: Move, tmp_path: Path
) -> None:
    """To a caller of other accounts it looks like an id that the provider does not know."""
    identity = IdentityProvider(tmp_path)
    async with running(**identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        card_id = (await stack.issue())["card"]["id"]
        set_status(stack, card_id, "active")
        money = {"amount": "1", "currency": "GBP", "capture": False}
        made = (await ask(stack, AUTHORISE, cardId=card_id, **money))["authorisation"]
        mine = identity.token(accounts=[OTHER])
        stack.client.headers["Authorization"] = f"Bearer {mine}"
        theirs = await ask(stack, move, authorisationId=made["id"])
        unknown = await ask(stack, move, authorisationId=OTHER)
        assert move.effects(stack) == 0
        stack.client.headers["Authorization"] = f"Bearer {identity.token(accounts=[GUIDE_ACCOUNT])}"
        told = await ask(stack, move, authorisationId=made["id"])
    assert told["authorisation"]["status"] != "PENDING"  # it was read before, to see whose it is
    assert theirs["code"] == "NOT_FOUND"
    assert theirs == unknown


@pytest.mark.parametrize("move", SETTLEMENTS, ids=str)
async def test_a_failed_read_leaves_the_success(move: Move) -> None:
    """Where the authorisation cannot be read afterwards, the success is told without it."""
    clock = Clock()
    name = f"{move.name[0].upper()}{move.name[1:]}"
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, move)
        stack.wire.answer = lambda sent: httpx.Response(500) if sent.method == "GET" else None
        text = f"""mutation($input: {name}Input!) {{ {move.name}(input: $input) {{
          ... on {name}Success {{ replayed authorisation {{ id }} }} }} }}"""
        body = (await stack.post(text, {"input": given})).json()
    assert body["data"][move.name] == {"replayed": False, "authorisation": None}
    assert [error["path"] for error in body["errors"]] == [[move.name, "authorisation"]]
