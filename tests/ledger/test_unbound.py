"""Keys that are bound to no input: the provider knows which one it is, and the row does not."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.ledger import CallResult, Replay
from gateway.ledger.refusals import key_of_another_input
from tests.ledger.world import (
    ENGINES,
    HOUR,
    LOST,
    MINUTE,
    A,
    B,
    Process,
    World,
    url_for,
    world_of,
)


@pytest.fixture(params=ENGINES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world on each engine."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        yield made


async def refused(one: Process, bound: bytes = B, **about: Any) -> None:
    """An input that the provider refuses, since it has the key with another one."""
    one.world.provider.ending = key_of_another_input()
    assert isinstance(await one.told(bound=bound, **about), errors.OutcomeUnknown)
    one.world.provider.ending = "card"


async def test_a_wrong_input_whose_answer_is_lost_does_not_bind_the_key(
    world: World, one: Process
) -> None:
    """It is sent again and its answer is lost: the right input is told no conflict, and comes to
    its card."""
    await refused(one)
    world.provider.ending = LOST
    assert isinstance(await one.told(bound=B), errors.OutcomeUnknown)
    world.provider.ending = "card"
    assert isinstance(await one.ask(bound=A), CallResult)
    assert isinstance(await one.told(bound=B), errors.IdempotencyConflict)
    assert world.made == 1


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_right_input_waits_for_the_wrong_one(processes: int, tmp_path: Path) -> None:
    """While a wrong input is with the provider the right one is told no conflict; it is sent
    then."""
    async with world_of("sqlite", tmp_path) as world:
        one = await world.process()
        other = await world.process() if processes == 2 else one
        await refused(one)
        world.provider.ending = key_of_another_input()
        wrong = await one.held(bound=B)
        right = other.start(bound=A)
        await asyncio.sleep(0)
        world.provider.ending = "card"
        world.provider.gate.set()
        assert isinstance(await right, CallResult)
        with pytest.raises(errors.OutcomeUnknown):
            await wrong
        assert world.made == 1


async def test_a_key_that_the_provider_may_have_forgotten_is_not_sent(
    world: World, one: Process
) -> None:
    """The lost row's card is older than the send window: the right input would make a second one,
    and so would the wrong one."""
    world.provider.add()
    world.now.time += 50 * MINUTE
    await refused(one)
    world.now.time += 11 * MINUTE
    for bound in (A, B):
        told = await one.told(bound=bound)
        assert isinstance(told, errors.OutcomeUnknown)
        assert len(told.candidates) == 1
    assert (world.made, len(world.provider.calls)) == (0, 1)


async def test_a_list_that_fails_sends_no_key_of_a_lost_row(world: World, one: Process) -> None:
    """Without the account's cards nobody knows how old the key is."""
    await refused(one)
    world.provider.list_fails = True
    told = await one.told(bound=A)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert len(world.provider.calls) == 1


async def test_a_row_that_is_gone_comes_back_unbound(world: World, one: Process) -> None:
    """The row of a wrong input is lost while it is with the provider."""
    world.provider.ending = key_of_another_input()
    wrong = await one.held(bound=B)
    await one.store._engine.execute("DELETE FROM idempotency_key RETURNING key", {})
    world.provider.gate.set()
    with pytest.raises(errors.OutcomeUnknown):
        await wrong
    world.provider.ending = "card"
    assert isinstance(await one.ask(bound=A), CallResult)


async def test_one_accounts_cards_rule_out_no_other_input(tmp_path: Path) -> None:
    """A wrong input about another account was not carried out, which says nothing of the right
    one: its card is a candidate."""
    async with world_of("sqlite", tmp_path) as world:
        one = await world.process()
        await refused(one)
        world.now.time += 26 * HOUR
        assert isinstance(await one.told(bound=B), errors.NotExecuted)
        world.provider.add()
        told = await one.told(bound=A)
        assert isinstance(told, errors.OutcomeUnknown)
        assert len(told.candidates) == 1


async def test_an_old_key_that_was_not_sent_binds_nothing(tmp_path: Path) -> None:
    """A version 7 key from before the store: a wrong input does not keep the right one from its
    card, which only the right one is told."""
    async with world_of("sqlite", tmp_path) as world:
        made = world.now.time - HOUR
        key = uuid.UUID(int=(int(made * 1000) << 80) | (7 << 76) | (2 << 62))
        card = world.provider.add()
        shown = world.provider.cards[card]
        world.now.time += MINUTE
        one = await world.process()
        world.provider.cards[card] = replace(shown, confirms=False)
        assert isinstance(await one.told(key, bound=B), errors.OutcomeUnknown)
        world.provider.cards[card] = shown
        assert await one.ask(key, bound=A) == Replay(card)
        assert isinstance(await one.told(key, bound=B), errors.IdempotencyConflict)
        assert world.provider.calls == []
