"""Rows of the version before: a click that an older gateway took goes on under its own rules."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import errors
from gateway.ledger import VERSION, AccountCard, Replay, Row
from tests.ledger.world import ENGINES, HOUR, START, B, Process, World, url_for, world_of

OLD = VERSION - 1


@pytest.fixture(params=ENGINES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world on each engine."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        yield made


async def row_of(one: Process) -> Row:
    """The row of the world's key."""
    row = (await one.ledger.look(one.world.key)).row
    assert row is not None
    return row


async def lost(one: Process) -> None:
    """A click that an older gateway took, and whose answer was lost before the provider had it."""
    one.world.provider.ending = "lost before"
    assert isinstance(await one.told(version=OLD), errors.OutcomeUnknown)
    one.world.provider.ending = "card"


async def test_a_row_of_the_version_before_is_taken_over(world: World, one: Process) -> None:
    """The same input is sent again with the provider's key of the row, which keeps its version."""
    await lost(one)
    made = await one.ask()
    first, second = world.provider.calls
    assert (first.key, second.indeterminate) == (second.key, True)
    assert made.card_id in world.provider.made_by
    assert (await row_of(one)).version == OLD


async def test_a_done_row_of_the_version_before_is_replayed(world: World, one: Process) -> None:
    """Its card is the answer, and nothing is sent."""
    made = await one.ask(version=OLD)
    world.now.time = START + HOUR
    assert await one.ask() == Replay(made.card_id)
    assert len(world.provider.calls) == 1


async def test_inputs_are_compared_by_the_rules_of_the_row(world: World, one: Process) -> None:
    """Another input by the rules of the row is a conflict, whatever became of the row."""
    await lost(one)
    assert isinstance(await one.told(bound=B, version=OLD), errors.IdempotencyConflict)
    await one.ask(version=OLD)
    world.now.time = START + HOUR
    assert isinstance(await one.told(bound=B, version=OLD), errors.IdempotencyConflict)


async def test_a_row_that_came_meanwhile_is_no_conflict(world: World, one: Process) -> None:
    """An input that was read by other rules than the row's may be the row's: ask again."""
    await lost(one)
    told = await one.told(bound=B)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    held = await one.held(version=OLD)
    told = await one.told(bound=B)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    world.provider.gate.set()
    await held
    assert world.made == 1
    assert len(world.provider.calls) == 2


async def test_an_old_row_of_the_version_before_is_found_out(world: World, one: Process) -> None:
    """A request that is too old to be sent again is found among the cards of its account."""
    world.provider.ending = "lost after"
    assert isinstance(await one.told(version=OLD), errors.OutcomeUnknown)
    world.now.time = START + HOUR
    if world.kind == "memory":
        assert isinstance(await one.told(), errors.OutcomeUnknown)
    else:
        assert await one.ask() == Replay(next(iter(world.provider.cards)))
    assert len(world.provider.calls) == 1


async def test_the_outcome_of_a_row_of_the_version_before_is_told(
    world: World, one: Process
) -> None:
    """Asked by its key alone, the card is told."""
    made = await one.ask(version=OLD)

    async def none(_row: Row) -> list[AccountCard]:
        return []

    seen = await one.ledger.look(world.key)
    assert await one.ledger.ask(world.key, none, seen) == Replay(made.card_id)


async def test_a_new_row_has_the_newest_version(world: World, one: Process) -> None:
    """Older gateways leave it alone."""
    await one.ask(uuid.uuid4())
    await one.ask()
    assert (await row_of(one)).version == VERSION == 2
