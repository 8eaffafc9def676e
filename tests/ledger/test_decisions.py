"""What an operator decides is one step, which holds only where nobody else decides meanwhile."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import errors
from gateway.ledger import Decisions, Replay, State
from tests.ledger.world import DAY, HOUR, Process, World, world_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world with a provider that carries calls out and loses its answers."""
    async with world_of("sqlite", tmp_path) as made:
        made.provider.ending = "lost after"
        yield made


async def after_a_click(world: World, key: uuid.UUID) -> Process:
    """A gateway, and the row of a click of an earlier one whose outcome is not known."""
    earlier = await world.process()
    await earlier.told(key)
    return await world.restart(earlier)


async def test_a_claim_that_comes_before_the_decision_wins(world: World) -> None:
    """A gateway that sends while the operator looks at the cards is not overruled."""
    one = await after_a_click(world, world.key)
    decisions = Decisions(one.store, world.key)
    await decisions.account()
    again = await one.held()
    with pytest.raises(errors.GatewayError, match=r"^A gateway is sending the call"):
        await decisions.choose(world.provider.add())
    world.provider.ending = "card"
    world.provider.gate.set()
    with pytest.raises(errors.OutcomeUnknown):
        await again


async def test_a_gateway_obeys_a_decision(world: World) -> None:
    """The card that was chosen is the key's, and what was dismissed is told as not executed."""
    one = await after_a_click(world, world.key)
    card = world.provider.add()
    chosen = await Decisions(one.store, world.key).choose(card)
    assert (chosen.state, chosen.card_id) == (State.DONE, card)
    assert await one.ask() == Replay(card)
    other = uuid.uuid4()
    one = await after_a_click(world, other)
    world.now.time += 2 * HOUR
    await Decisions(one.store, other).dismiss()
    assert isinstance(await one.told(other), errors.NotExecuted)


async def test_a_chosen_card_is_remembered_as_long_as_any(world: World) -> None:
    """Its row outlives all others by a day: no key comes again while its card is known."""
    one = await after_a_click(world, world.key)
    row = await Decisions(one.store, world.key).choose(world.provider.add())
    assert row.expires == row.first_send + 31 * DAY
