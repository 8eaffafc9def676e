"""Calls about a card that others can undo, and those that make what no list shows."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.ledger import CallResult, Course, Reached, Replay
from tests.ledger.world import (
    DAY,
    HOUR,
    MINUTE,
    START,
    FaultyEngine,
    Process,
    World,
    world_of,
)

CARD = uuid.UUID(int=9)
OTHER_CARD = uuid.UUID(int=10)
ACTIVATE: dict[str, Any] = {
    "operation": "activate",
    "target": CARD,
    "course": Course.REVERSIBLE,
    "alone": True,
}
DEACTIVATE: dict[str, Any] = {
    "operation": "deactivate",
    "target": CARD,
    "course": Course.REVERSIBLE,
    "stops": "activate",
    "must_go_out": True,
}
AUTHORISE: dict[str, Any] = {"operation": "authorise", "target": CARD, "course": Course.UNLISTED}


async def lost(world: World, one: Process, key: uuid.UUID, **about: Any) -> None:
    """A call that leaves and is not answered."""
    world.provider.ending = "lost before"
    assert isinstance(await one.told(key, **about), errors.OutcomeUnknown)
    world.provider.ending = "card"


@pytest.mark.parametrize("about", [ACTIVATE, DEACTIVATE], ids=["activate", "deactivate"])
async def test_a_lost_move_is_sent_again_within_the_window(
    world: World, one: Process, about: Any
) -> None:
    """With the same key, which the provider still knows, a move cannot happen twice."""
    await lost(world, one, world.key, **about)
    world.now.time += 40 * MINUTE
    assert isinstance(await one.ask(**about), CallResult)
    assert {claim.key for claim in world.provider.calls} == {world.key}


@pytest.mark.parametrize("about", [ACTIVATE, DEACTIVATE], ids=["activate", "deactivate"])
async def test_a_move_after_the_window_undoes_nobodys_later_one(
    world: World, one: Process, about: Any
) -> None:
    """It is never sent again, and where the card is otherwise nobody says that it was carried
    out: the card is told as it is now."""
    await lost(world, one, world.key, **about)
    world.provider.state = Reached.NEVER
    for minutes, retryable in ((46, True), (74, True), (76, False), (600, False)):
        world.now.time = START + minutes * MINUTE
        told = await one.told(**about)
        assert isinstance(told, errors.OutcomeUnknown)
        assert (told.retryable, told.card) == (retryable, None if retryable else "card NEVER")
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize(
    ("minutes", "changed", "is_done"),
    [(50, 60, False), (59, 60, False), (60, 60, True), (600, 60, True), (600, -60, False)],
)
async def test_the_wanted_state_is_a_success_once_nothing_can_arrive_any_more(
    world: World, one: Process, minutes: int, changed: float, is_done: bool
) -> None:
    """And only where the card has changed since the move was sent first."""
    await lost(world, one, world.key, **ACTIVATE)
    world.provider.state, world.provider.changed = Reached.YES, START + changed
    world.now.time = START + minutes * MINUTE
    if is_done:
        assert await one.ask(**ACTIVATE) == Replay(CARD)
    else:
        assert isinstance(await one.told(**ACTIVATE), errors.OutcomeUnknown)
    assert len(world.provider.calls) == 1


async def test_what_cannot_be_listed_is_unknown_for_good(world: World, one: Process) -> None:
    """Neither sent again nor looked for."""
    await lost(world, one, world.key, **AUTHORISE)
    world.now.time += HOUR
    world.provider.state = Reached.YES
    told = await one.told(**AUTHORISE)
    assert isinstance(told, errors.OutcomeUnknown)
    assert not told.retryable
    assert len(world.provider.calls) == 1


async def test_what_was_made_is_replayed(world: World, one: Process) -> None:
    """A repeat gets the id of what the first request made, not that of the card."""
    made = (await one.ask(**AUTHORISE)).card_id
    other = await world.process()
    assert await other.ask(**AUTHORISE) == Replay(made)
    assert made != CARD


async def test_a_second_activation_waits_for_the_first(world: World, one: Process) -> None:
    """While one is unresolved another key's is not sent and leaves nothing behind; once nothing of
    the first can arrive any more, it is."""
    await lost(world, one, world.key, **ACTIVATE)
    second = uuid.uuid4()
    for minutes in (1, 58):
        world.now.time = START + minutes * MINUTE
        told = await one.told(second, **ACTIVATE)
        assert isinstance(told, errors.Overloaded)
        assert told.retryable
        assert (await one.ledger.look(second)).row is None
    world.now.time = START + 60 * MINUTE
    assert isinstance(await one.ask(second, **ACTIVATE), CallResult)
    assert [claim.key for claim in world.provider.calls] == [world.key, second]


async def test_activations_of_other_cards_go_out(world: World, one: Process) -> None:
    """One card's unresolved activation is nothing to another's."""
    await lost(world, one, world.key, **ACTIVATE)
    other = ACTIVATE | {"target": OTHER_CARD}
    assert isinstance(await one.ask(uuid.uuid4(), **other), CallResult)


async def test_a_deactivation_goes_out_whatever_is_unresolved(world: World, one: Process) -> None:
    """It is told until when the activation before it may still arrive, also when it is replayed."""
    await lost(world, one, world.key, **ACTIVATE)
    world.now.time += MINUTE
    off = uuid.uuid4()
    done = await one.ask(off, **DEACTIVATE)
    assert done.undo_until == START + MINUTE + 330
    again = await (await world.process()).ask(off, **DEACTIVATE)
    assert again.undo_until == done.undo_until
    world.now.time += 330
    assert (await one.ask(off, **DEACTIVATE)).undo_until is None


async def test_a_signature_ends_with_its_key(world: World, one: Process) -> None:
    """An old activation can arrive for less than the life of a new signature."""
    await lost(world, one, world.key, **ACTIVATE)
    world.now.time = START + 57 * MINUTE
    done = await one.ask(uuid.uuid4(), **DEACTIVATE)
    assert done.undo_until == START + 59 * MINUTE + 30


async def test_a_stopped_activation_is_never_sent_again(world: World, one: Process) -> None:
    """Its key gets the card as it is now, on any process, for good."""
    await lost(world, one, world.key, **ACTIVATE)
    await one.ask(uuid.uuid4(), **DEACTIVATE)
    world.provider.state = Reached.NEVER
    for process in (one, await world.process()):
        told = await process.told(**ACTIVATE)
        assert isinstance(told, errors.OutcomeUnknown)
        assert (told.retryable, told.card) == (False, "card NEVER")
    assert [claim.key for claim in world.provider.calls].count(world.key) == 1


async def test_an_activation_asks_before_each_attempt(world: World, one: Process) -> None:
    """One that is under way is not signed any more once a deactivation was claimed."""
    task = await one.held(**ACTIVATE)
    [claim] = world.provider.calls
    assert claim.may_send is not None
    assert await claim.may_send()
    world.provider.gate.set()
    await task
    held = await one.held(uuid.uuid4(), **ACTIVATE)
    may_send = world.provider.calls[-1].may_send
    assert may_send is not None
    other = await world.process()
    off = other.start(uuid.uuid4(), **DEACTIVATE)
    await world.provider.wait_for_calls(3)
    assert not await may_send()
    world.provider.gate.set()
    await asyncio.gather(held, off)


async def test_a_stopped_activation_that_was_answered_is_done(world: World, one: Process) -> None:
    """The answer may come after the deactivation was claimed: it is not forgotten."""
    held = await one.held(**ACTIVATE)
    off = one.start(uuid.uuid4(), **DEACTIVATE)
    await world.provider.wait_for_calls(2)
    world.provider.gate.set()
    assert isinstance(await held, CallResult)
    await off
    assert isinstance(await one.ask(**ACTIVATE), Replay)


@pytest.mark.parametrize("ending", ["card", errors.InvalidState("no")], ids=["done", "refused"])
async def test_an_activation_that_is_answered_meanwhile_may_have_come_after(
    world: World, one: Process, ending: Any
) -> None:
    """Its answer does not say which of the two the provider carried out last: the deactivation is
    told to be looked after."""
    held = await one.held(**ACTIVATE)
    before, world.provider.gate = world.provider.gate, asyncio.Event()
    world.provider.ending = ending
    off = one.start(uuid.uuid4(), **DEACTIVATE)
    await world.provider.wait_for_calls(2)
    before.set()
    await held
    world.provider.gate.set()
    if ending == "card":
        assert (await off).undo_until == START + 330
    else:
        with pytest.raises(errors.InvalidState, match="may still arrive"):
            await off


async def test_an_activation_that_begins_beside_a_deactivation_is_stopped_by_its_end(
    world: World, one: Process
) -> None:
    """It could arrive after the success of the deactivation, which says until when; one that
    begins later is nothing to it, also when the deactivation is replayed."""
    off = uuid.uuid4()
    held = await one.held(off, **DEACTIVATE)
    other, key = await world.process(), uuid.uuid4()
    gate, world.provider.gate = world.provider.gate, asyncio.Event()
    world.provider.gate.set()
    await lost(world, other, key, **ACTIVATE)
    gate.set()
    assert (await held).undo_until == START + 330
    assert "has stopped this one" in (await other.told(key, **ACTIVATE)).message
    world.now.time += 400
    await lost(world, other, later := uuid.uuid4(), **ACTIVATE)
    assert (await other.ask(off, **DEACTIVATE)).undo_until is None
    assert isinstance(await other.ask(later, **ACTIVATE), CallResult)


async def test_an_activation_that_is_refused_while_it_is_stopped_is_told_the_card(
    world: World, one: Process
) -> None:
    """Nobody says of it that it had no effect."""
    world.provider.ending = errors.ProviderUnavailable("no")
    held = await one.held(**ACTIVATE)
    world.provider.ending = "card"
    off = one.start(uuid.uuid4(), **DEACTIVATE)
    await world.provider.wait_for_calls(2)
    world.provider.gate.set()
    await off
    with pytest.raises(errors.OutcomeUnknown, match="has stopped this one"):
        await held


async def test_in_a_doubtful_store_only_a_deactivation_goes_out(tmp_path: Path) -> None:
    """A stolen card is switched off although an earlier row of the key may have been lost."""
    async with world_of("sqlite", tmp_path, uncertain=HOUR) as world:
        one = await world.process()
        for about in (ACTIVATE, AUTHORISE):
            assert isinstance(await one.told(uuid.uuid4(), **about), errors.OutcomeUnknown)
        assert world.provider.calls == []
        assert isinstance(await one.ask(**DEACTIVATE), CallResult)


async def test_a_full_ledger_takes_a_deactivation(tmp_path: Path) -> None:
    """Other new clicks wait until there is room: a stolen card does not."""
    async with world_of("memory", tmp_path, size=1) as world:
        one = await world.process()
        await one.ask()
        assert isinstance(await one.told(uuid.uuid4(), **ACTIVATE), errors.Overloaded)
        assert isinstance(await one.ask(uuid.uuid4(), **DEACTIVATE), CallResult)


@pytest.mark.parametrize("ahead", [20, MINUTE, DAY])
async def test_a_deactivation_waits_for_no_clock_of_its_client(
    world: World, one: Process, ahead: float
) -> None:
    """A version 7 key from the future is sent at once, and replayed; an activation is not."""
    activation, key = uuid.uuid4(), uuid.uuid4()
    told = one.told(activation, **ACTIVATE, time=world.now() + MINUTE)
    assert isinstance(await told, errors.InvalidInput)
    about = DEACTIVATE | {"time": world.now() + ahead}
    assert isinstance(await one.ask(key, **about), CallResult)
    assert world.now() == START
    assert isinstance(await one.ask(key, **about), Replay)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("word", ["before", "after"])
async def test_a_deactivation_that_could_stop_nothing_is_not_sent(
    tmp_path: Path, word: str
) -> None:
    """Where the store fails in between, nothing has left and the key can be used again."""
    async with world_of("sqlite", tmp_path) as world:
        engine = FaultyEngine(world.engine())
        one = await world.process(engine)
        setattr(engine, word, ("UPDATE idempotency_key SET state = 'stopped'",))
        assert isinstance(await one.told(**DEACTIVATE), errors.LedgerUnavailable)
        assert world.provider.calls == []
        setattr(engine, word, ())
        assert isinstance(await one.ask(**DEACTIVATE), CallResult)


async def test_of_two_activations_at_once_at_most_one_is_sent(world: World, one: Process) -> None:
    """Whoever loses is told to try again."""
    other = await world.process()
    world.provider.gate.clear()
    tasks = [one.start(uuid.uuid4(), **ACTIVATE), other.start(uuid.uuid4(), **ACTIVATE)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    world.provider.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    sent = [result for result in results if isinstance(result, CallResult)]
    refused = [result for result in results if isinstance(result, errors.Overloaded)]
    assert len(sent) == len(world.provider.calls) <= 1
    assert len(sent) + len(refused) == 2
