"""The protocol of the durable ledger: several processes on one store, and never two cards.

The rules are those of docs/ledger.md; each test names what would happen without one.
"""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.events import LedgerAlarm
from gateway.ledger import (
    CLOCK_TOLERANCE,
    AccountCard,
    CallResult,
    Claim,
    Engine,
    Reached,
    Replay,
    State,
    Windows,
    sql,
    time_of,
)
from gateway.ledger.refusals import key_of_another_input, unknown
from gateway.runtime import Runtime
from tests.ledger.world import (
    DAY,
    DURABLE,
    HOUR,
    MINUTE,
    START,
    A,
    B,
    FaultyEngine,
    Now,
    Process,
    Provider,
    World,
    url_for,
    world_of,
)
from tests.waiting import settled

OTHER = uuid.UUID(int=2)
CARD = uuid.UUID(int=99)


@pytest.fixture(params=DURABLE)
async def new_world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose store is new: earlier rows may have been lost with another one."""
    async with world_of(request.param, tmp_path, uncertain=DAY, url=url_for(request)) as made:
        yield made


@pytest.fixture
async def two(world: World, one: Process) -> Process:
    """Another gateway on the same store."""
    return await world.process()


def version_7(moment: float) -> uuid.UUID:
    """A key that was made at this time."""
    return uuid.UUID(int=int(moment * 1000) << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int % 2**62)


async def lost(process: Process, ending: str = "lost after") -> errors.OutcomeUnknown:
    """Use the key, and lose what comes of it."""
    process.world.provider.ending = ending
    told = await process.told()
    process.world.provider.ending = "card"
    assert isinstance(told, errors.OutcomeUnknown)
    return told


# What two processes see of one key.


async def test_what_one_process_did_another_replays(world: World, one: Process) -> None:
    """A card that one gateway made is the answer of another, and of the next after a restart."""
    two = await world.process()
    made = await one.ask()
    assert await two.ask() == Replay(made.card_id)
    world.now.time += 29 * DAY
    assert await (await world.restart(two)).ask() == Replay(made.card_id)
    assert world.made == 1


async def test_another_input_is_a_conflict_at_every_process(
    world: World, one: Process, two: Process
) -> None:
    """Done at one gateway, the key with another input is refused by the other, days later."""
    await one.ask()
    world.now.time += 20 * DAY
    assert isinstance(await two.told(bound=B), errors.IdempotencyConflict)
    assert len(world.provider.calls) == 1


async def test_equal_clicks_on_two_processes_make_one_call(
    world: World, one: Process, two: Process
) -> None:
    """Of 40 equal clicks over two gateways one is sent, and 39 are told its card as replayed."""
    clicks = [process.start() for _ in range(20) for process in (one, two)]
    told = await asyncio.gather(*clicks)
    assert len({each.card_id for each in told}) == 1
    assert sum(isinstance(each, CallResult) and not each.replayed for each in told) == 1
    assert len(world.provider.calls) == 1


async def test_a_process_that_died_is_taken_over_after_its_lease(
    world: World, one: Process, two: Process
) -> None:
    """Killed between claim and answer: another gateway sends the same key and bytes again."""
    killed = await one.held()
    second = two.start()
    await world.provider.wait_for_calls(2)
    assert world.now.time >= START + Windows().lease
    world.provider.gate.set()
    assert (await second).card_id == (await killed).card_id
    assert world.made == 1
    first, taken = world.provider.calls
    assert (first.key, first.indeterminate, taken.key) == (taken.key, False, first.key)
    assert taken.indeterminate


# The seven scenarios of the past.


async def test_no_later_promise_after_a_crash(world: World, one: Process) -> None:
    """Killed after the provider made the card; what comes at +50 and +95 min makes no second."""
    await lost(one)
    one = await world.restart(one)
    for minutes in (50, 95):
        world.now.time = START + minutes * MINUTE
        told = await one.ask()
        assert told.card_id in world.provider.cards
    assert (world.made, len(world.provider.calls)) == (1, 1)


async def test_a_replica_that_sees_the_key_late_knows_its_first_send(
    world: World, one: Process, two: Process
) -> None:
    """Unknown at one gateway, seen by another at +20 and +70 min: no second card."""
    await lost(one)
    world.now.time = START + 20 * MINUTE
    await lost(two)
    world.now.time = START + 70 * MINUTE
    assert isinstance(await two.ask(), Replay)
    assert {claim.first_send for claim in world.provider.calls} == {START}
    assert world.made == 1


@pytest.mark.parametrize("minutes", [45, 61, 76, 40_000])
async def test_a_late_retry_is_told_its_card(world: World, one: Process, minutes: int) -> None:
    """Unknown, orderly restart, repeated after the window: the card is found, nothing is sent."""
    await lost(one)
    one = await world.restart(one)
    world.now.time = START + minutes * MINUTE
    told = await one.ask()
    assert isinstance(told, Replay)
    assert [told.card_id] == list(world.provider.made_by)
    assert len(world.provider.calls) == 1


async def test_an_indeterminate_key_is_not_crowded_out(world: World, one: Process) -> None:
    """An unknown key is still known after many other clicks, and after the clock has jumped."""
    await lost(one)
    for _ in range(50):
        await one.ask(uuid.uuid4())
    world.now.time = START + 20 * DAY
    await one.ledger.purge()
    assert isinstance(await one.ask(), Replay)
    assert (world.made, len(world.provider.calls)) == (51, 51)


async def test_a_process_that_sleeps_sends_nothing_late(
    world: World, one: Process, two: Process
) -> None:
    """Every claim of a key ends its signatures 59 minutes after the first send of all."""
    await lost(one)
    world.now.time = START + 44 * MINUTE
    await lost(two)
    runtime = world.now.runtime()
    assert {claim.not_after(runtime) for claim in world.provider.calls} == {START + 59 * MINUTE}


# Finding out what became of a key.


async def test_nothing_was_carried_out_is_said_when_it_is_known(world: World, one: Process) -> None:
    """Without a card, 75 minutes after the first send, the key is over for good."""
    await lost(one, "lost before")
    for minutes in (50, 74.9):
        world.now.time = START + minutes * MINUTE
        told = await one.told()
        assert isinstance(told, errors.OutcomeUnknown)
        assert (told.retryable, told.candidates) == (True, ())
    world.now.time = START + 75 * MINUTE
    assert isinstance(await one.told(), errors.NotExecuted)
    assert isinstance(await one.told(bound=B), errors.IdempotencyConflict)
    world.now.time = START + 29 * DAY
    assert isinstance(await one.told(), errors.NotExecuted)
    assert (world.made, len(world.provider.calls)) == (0, 1)


async def test_a_late_success_overrides_not_executed(world: World, one: Process) -> None:
    """A card that comes after all becomes the key's card, and somebody is alarmed."""
    first = await one.held()
    two = await world.process()
    world.now.time = START + 80 * MINUTE
    assert isinstance(await two.told(), errors.NotExecuted)
    world.now.time = START + MINUTE  # the provider took it in time, and only the answer was slow
    world.provider.gate.set()
    made = await first
    await world.end(one)
    assert await two.ask() == Replay(made.card_id)
    assert LedgerAlarm(what="late_success") in world.events


async def test_a_list_that_fails_decides_nothing(world: World, one: Process) -> None:
    """Where the account's cards cannot be had, the client may ask again."""
    await lost(one)
    world.now.time = START + 2 * HOUR
    world.provider.list_fails = True
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    world.provider.list_fails = False
    assert isinstance(await one.ask(), Replay)


@pytest.mark.parametrize("cards", [1, 2, 30])
async def test_cards_that_may_be_it_are_told_and_not_guessed(
    world: World, one: Process, cards: int
) -> None:
    """Cards of another address, or several, are candidates; the key is never sent again."""
    await lost(one, "lost before")
    made = [world.provider.add(confirms=cards > 1) for _ in range(cards)]
    world.now.time = START + 2 * HOUR
    for _ in range(2):
        told = await one.told()
        assert isinstance(told, errors.OutcomeUnknown)
        assert not told.retryable
        assert len(told.candidates) == min(cards, 20)
        assert set(told.candidates) <= {str(card) for card in made}
    assert len(world.provider.calls) == 1


async def test_a_card_of_another_time_is_no_candidate(world: World, one: Process) -> None:
    """Cards from before the first send, or from after the provider's hour, are not this key's."""
    world.provider.add()
    world.now.time = start = START + HOUR
    await lost(one, "lost before")
    world.now.time = start + 62 * MINUTE
    world.provider.add()
    world.now.time = start + 80 * MINUTE
    assert isinstance(await one.told(), errors.NotExecuted)


async def test_two_unknown_keys_of_one_account_share_no_card(world: World, one: Process) -> None:
    """Two clicks for one account and address, one card: neither takes it for its own."""
    await lost(one)
    world.provider.ending = "lost before"
    assert isinstance(await one.told(OTHER), errors.OutcomeUnknown)
    world.now.time = START + 2 * HOUR
    for key in (world.key, OTHER):
        told = await one.told(key)
        assert isinstance(told, errors.OutcomeUnknown)
        assert len(told.candidates) == 1
    assert len(world.provider.calls) == 2


async def test_a_card_of_a_done_key_is_nobody_elses(world: World, one: Process) -> None:
    """The card of another click is no candidate."""
    await lost(one, "lost before")
    await one.ask(OTHER)
    world.now.time = START + 2 * HOUR
    assert isinstance(await one.told(), errors.NotExecuted)


async def test_a_click_that_is_being_sent_keeps_others_waiting_only(
    world: World, one: Process, two: Process
) -> None:
    """While another click of the account is under way, its card is not guessed, nor told final."""
    await lost(one)
    world.now.time = START + 2 * HOUR
    other = await two.held(OTHER)
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    world.provider.gate.set()
    await other
    await world.end(two)
    assert isinstance(await one.ask(), Replay)


async def test_a_key_in_flight_is_ruled_out_a_day_later(world: World, one: Process) -> None:
    """Where the provider spoke of a request in flight, an hour more proves nothing."""
    world.provider.ending = unknown(in_flight=True, key_known=False)
    await one.told()
    world.now.time = START + 2 * HOUR
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert "1380 min" in told.message
    world.now.time = START + 25 * HOUR
    assert isinstance(await one.told(), errors.NotExecuted)


async def test_a_key_that_the_provider_knows_is_never_adopted_for(
    world: World, one: Process
) -> None:
    """Told that its key was used before, which no row says: cards are candidates, not its card."""
    world.provider.ending = unknown(in_flight=False, key_known=True)
    await one.told()
    world.provider.add()
    world.now.time = START + 2 * HOUR
    told = await one.told()
    assert isinstance(told, errors.OutcomeUnknown)
    assert len(told.candidates) == 1


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_card_of_a_lost_row_may_be_of_any_time(
    world: World, one: Process, days: float
) -> None:
    """Nothing is known of the first send of a row that was lost: its card may be older or newer."""
    world.now.time = made = START + 2 * DAY
    world.provider.ending = unknown(in_flight=False, key_known=True)
    await one.told()
    world.now.time = made + days * DAY
    world.provider.add()
    world.now.time = made + 2 * DAY
    told = await one.told()
    assert isinstance(told, errors.OutcomeUnknown)
    assert len(told.candidates) == 1


class SlowProvider(Provider):
    """A provider whose lists take half a minute, and show what was there at their beginning."""

    async def list_cards(self) -> list[AccountCard]:
        """All cards of the account, late."""
        cards = await super().list_cards()
        assert isinstance(self.now, Now)
        self.now.time += 30
        return cards


async def test_late_enough_is_when_the_list_was_asked_for(world: World, one: Process) -> None:
    """A list that comes after 75 minutes, and was asked for before, does not rule a call out."""
    world.provider = SlowProvider(world.now)
    await lost(one, "lost before")
    world.now.time = START + 75 * MINUTE - 15
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert isinstance(await one.told(), errors.NotExecuted)


async def test_a_memory_adopts_nothing(tmp_path: Path) -> None:
    """What a gateway without a store does not remember may have been a click for this card."""
    async with world_of("memory", tmp_path) as world:
        one = await world.process()
        await lost(one)
        world.now.time = START + 2 * HOUR
        told = await one.told()
        assert isinstance(told, errors.OutcomeUnknown)
        assert (told.retryable, len(told.candidates)) == (False, 1)


# Calls about a card.


async def test_a_simulation_is_read_from_its_card(world: World, one: Process) -> None:
    """An unknown simulation counts as done once its card shows it, whoever sent it."""
    world.provider.ending = "lost before"
    assert isinstance(await one.told(target=CARD), errors.OutcomeUnknown)
    world.now.time = START + 50 * MINUTE
    world.provider.state = Reached.YES
    assert await one.ask(target=CARD) == Replay(CARD)
    world.provider.state = Reached.NEVER
    assert await one.ask(target=CARD) == Replay(CARD)


async def test_a_simulation_is_sent_again_when_the_provider_has_forgotten(
    world: World, one: Process
) -> None:
    """A call that harms nobody twice is sent again after 75 minutes, and counts from then."""
    world.provider.ending = "lost before"
    await one.told(target=CARD)
    world.now.time = START + 60 * MINUTE
    told = await one.told(target=CARD)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    world.now.time = START + 75 * MINUTE
    world.provider.ending = "card"
    await one.ask(target=CARD)
    assert [claim.first_send for claim in world.provider.calls] == [START, START + 75 * MINUTE]


async def test_a_simulation_that_can_no_longer_be_is_final(world: World, one: Process) -> None:
    """A card that has left the state is no proof, and nothing is sent."""
    world.provider.ending = "lost before"
    await one.told(target=CARD)
    world.now.time = START + 2 * HOUR
    world.provider.state = Reached.NEVER
    told = await one.told(target=CARD)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, False)
    assert len(world.provider.calls) == 1


# Version 7 keys.


async def test_a_version_7_key_counts_from_its_own_time(world: World, one: Process) -> None:
    """The click's time is the first send's: a key of 30 minutes ago is sent for 15 more."""
    key = version_7(START - 30 * MINUTE)
    world.provider.ending = "lost after"
    await one.told(key)
    assert world.provider.calls[0].first_send == pytest.approx(time_of(key))
    world.now.time = START + 16 * MINUTE
    assert isinstance(await one.ask(key), Replay)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("minutes", [45, 50, 120])
async def test_a_version_7_key_older_than_the_window_is_never_sent(
    world: World, one: Process, minutes: int
) -> None:
    """A key whose first request comes too late had no effect, and will have none: at once."""
    key = version_7(START + MINUTE)
    world.now.time = START + (minutes + 1) * MINUTE
    for _ in range(2):
        assert isinstance(await one.told(key), errors.NotExecuted)
    assert (world.provider.calls, world.provider.lists) == ([], 0)


async def test_a_version_7_key_from_before_the_store_is_looked_for(
    world: World, one: Process
) -> None:
    """A key from before the store began may have its card: the account is looked at."""
    key = version_7(START - 50 * MINUTE)
    told = await one.told(key)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert (world.provider.calls, world.provider.lists) == ([], 1)


# What a reviewer found.


async def test_whoever_decides_late_reads_the_row_again(
    world: World, one: Process, two: Process
) -> None:
    """A process that stood still between the list and its decision tells what another decided."""
    await lost(one)
    world.now.time = START + 2 * HOUR
    listing, go_on = asyncio.Event(), asyncio.Event()
    listed = world.provider.list_cards

    async def slow() -> list[AccountCard]:
        cards = await listed()
        if not listing.is_set():
            listing.set()
            await go_on.wait()
        return cards

    world.provider.list_cards = slow  # type: ignore[method-assign]
    first = one.start()
    await listing.wait()
    world.now.time += MINUTE
    adopted = await two.ask()
    go_on.set()
    assert await first == adopted
    assert isinstance(adopted, Replay)


async def test_nothing_is_ruled_out_while_the_clocks_differ(world: World, one: Process) -> None:
    """A clock that was set ahead makes no call seem too late: the client may ask again."""
    await lost(one, "lost before")
    world.now.time = START + 2 * HOUR
    world.clocks_agree = False
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    world.clocks_agree = True
    assert isinstance(await one.told(), errors.NotExecuted)


async def test_a_card_is_not_adopted_when_a_rival_may_be_forgotten(
    world: World, one: Process
) -> None:
    """In its last day a row takes no card for its own: another click's row may be gone already."""
    await lost(one)
    world.now.time = START + 29.5 * DAY
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, False)


async def test_an_input_that_is_bound_first_wins_over_one_in_memory(
    world: World, one: Process, two: Process
) -> None:
    """A wrong input that comes a moment earlier makes no conflict for the one that is bound."""
    made = await two.ask()
    wrong, right = one.start(bound=B), one.start()
    told = await asyncio.gather(wrong, right, return_exceptions=True)
    assert isinstance(told[0], errors.IdempotencyConflict)
    assert told[1] == Replay(made.card_id)


async def test_a_card_of_a_click_in_flight_ends_no_other(new_world: World) -> None:
    """In a new store a sibling's card that is being made leaves a click retryable."""
    one = await new_world.process()
    first = await one.held(made_here=True)
    new_world.provider.add()
    told = await one.told(OTHER)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert (await one.ledger.look(OTHER)).row is None
    new_world.provider.gate.set()
    await first


async def test_a_promise_of_a_store_that_may_have_lost_rows_is_short(new_world: World) -> None:
    """Where rows may be lost, only the time is promised in which a request is sent again."""
    one = await new_world.process()
    new_world.provider.ending = "lost after"
    told = await one.told(made_here=True)
    assert isinstance(told, errors.OutcomeUnknown)
    assert 2600 < told.promise.seconds <= 2700


async def test_a_call_that_is_cancelled_from_below_is_an_error(world: World, one: Process) -> None:
    """A call that something cancels leaves nobody waiting."""
    world.provider.ending = asyncio.CancelledError()
    assert isinstance(await one.told(), errors.InternalError)


async def test_a_version_7_key_that_the_store_would_know_was_never_sent(
    world: World, one: Process
) -> None:
    """A key that was made since the store began, and comes after the window, had no effect."""
    world.now.time = START + 2 * HOUR
    assert isinstance(await one.told(version_7(START + HOUR)), errors.NotExecuted)
    assert (world.provider.calls, world.provider.lists) == ([], 0)


async def test_a_memory_cannot_say_that_a_version_7_key_was_never_sent(tmp_path: Path) -> None:
    """A key that is younger than this process may have been sent by another one."""
    async with world_of("memory", tmp_path) as world:
        one = await world.process()
        world.now.time = START + 2 * HOUR
        told = await one.told(version_7(START + HOUR))
        assert (type(told), told.retryable) == (errors.OutcomeUnknown, False)
        assert world.provider.calls == []


async def test_a_version_7_key_of_a_call_about_a_card_is_read_from_it(
    world: World, one: Process
) -> None:
    """A simulation that comes too late for the first time: its card says whether it is there."""
    world.now.time = START + 2 * HOUR
    world.provider.state = Reached.YES
    assert await one.ask(version_7(START + HOUR), target=CARD) == Replay(CARD)
    assert world.provider.calls == []


async def test_a_version_7_key_from_the_future_of_a_store_that_was_set_back(
    world: World, one: Process
) -> None:
    """A store that began later than now may have lost the key's row: a new key is no way out."""
    world.now.time = START - 2 * HOUR
    told = await one.told(version_7(START - HOUR))
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert world.provider.calls == []


@pytest.mark.parametrize("age", [-31, -3600, 30 * DAY + 1])
async def test_an_implausible_version_7_key_is_refused(
    world: World, one: Process, age: float
) -> None:
    """From the future, or from before all rows: nothing is sent."""
    key = version_7(START - age)
    told = await one.told(key)
    assert isinstance(told, errors.InvalidInput)
    assert "version 7" in told.message
    assert world.provider.calls == []


async def test_a_key_from_the_future_is_not_sent_when_its_time_has_come(
    world: World, one: Process
) -> None:
    """A delayed request with a key that was refused would make a card beside its successor's."""
    key = version_7(START + 31)
    assert isinstance(await one.told(key), errors.InvalidInput)
    await one.ask(uuid.uuid4())
    for seconds in (2, 60):
        world.now.time = START + seconds
        assert isinstance(await one.told(key), errors.NotExecuted)
    assert world.made == 1


async def test_a_key_from_the_future_binds_no_call_about_a_card(world: World, one: Process) -> None:
    """Such a call may be carried out twice without harm, and has no NotExecuted."""
    card = world.provider.add()
    key = version_7(START + 31)
    told = await one.told(key, target=card)
    assert isinstance(told, errors.InvalidInput)
    assert (await one.ledger.look(key)).row is None


async def test_a_version_7_key_a_little_ahead_waits_for_its_time(
    world: World, one: Process
) -> None:
    """A browser's clock may be ahead by some seconds."""
    await one.ask(version_7(START + 5))
    assert world.provider.calls[0].first_send >= START + 4.9


# A store that may have lost rows.


async def test_a_new_store_looks_at_the_account_first(new_world: World) -> None:
    """On its first day a store sends an unknown key only when the account has no unknown card."""
    one = await new_world.process()
    await one.ask()
    assert (new_world.provider.lists, new_world.made) == (1, 1)
    card = new_world.provider.add(confirms=False)
    for _ in range(2):
        told = await one.told(OTHER)
        assert isinstance(told, errors.OutcomeUnknown)
        assert (told.retryable, told.candidates) == (False, (str(card),))
    assert new_world.made == 1
    new_world.now.time += DAY
    await one.ask(uuid.uuid4())
    assert new_world.made == 2


async def test_keys_that_a_new_store_cannot_have_lost_are_certain(new_world: World) -> None:
    """Keys of the gateway's own, and version 7 keys made after the store, cost no look."""
    one = await new_world.process()
    new_world.provider.add()
    new_world.now.time += MINUTE
    await one.ask(made_here=True)
    key = version_7(START + 30)
    await one.ask(key)
    assert (new_world.provider.lists, new_world.made) == (0, 2)


async def test_a_new_store_adopts_nothing(new_world: World) -> None:
    """What a new store does not know may be the card of a row that was lost."""
    one = await new_world.process()
    new_world.provider.ending = "lost after"
    await one.told(made_here=True)
    new_world.now.time += 2 * HOUR
    told = await one.told()
    assert isinstance(told, errors.OutcomeUnknown)
    assert len(told.candidates) == 1


async def test_a_new_store_sends_no_unknown_simulation(new_world: World) -> None:
    """Whether an unknown key's simulation worked, its card does not show."""
    one = await new_world.process()
    told = await one.told(target=CARD)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, False)
    assert new_world.provider.calls == []


async def test_whoever_knows_can_say_that_nothing_was_lost(new_world: World) -> None:
    """After ``trust`` a new store is as good as an old one."""
    one = await new_world.process()
    await one.store.trust()
    new_world.provider.add()
    await one.ask()
    assert (new_world.provider.lists, new_world.made) == (0, 1)


async def test_a_row_that_vanished_makes_the_store_doubt_itself(world: World, one: Process) -> None:
    """A settlement that finds no row: the store has lost writes, and is uncertain from then on."""
    first = await one.held()
    row = (await one.ledger.look(world.key)).row
    assert row is not None
    assert await one.store.forget(world.key, row.claim)
    world.provider.gate.set()
    made = await first
    two = await world.restart(one)
    assert await two.ask() == Replay(made.card_id)
    assert LedgerAlarm(what="lost_entries") in world.events
    assert not (await two.ledger.look(OTHER)).is_certain


async def test_a_row_that_vanished_under_a_lost_answer_makes_the_store_doubt_itself(
    world: World, one: Process
) -> None:
    """A call whose outcome is not known finds no row: the store has lost writes."""
    world.provider.ending = "lost after"
    first = await one.held()
    row = (await one.ledger.look(world.key)).row
    assert row is not None
    assert await one.store.forget(world.key, row.claim)
    world.provider.gate.set()
    await asyncio.gather(first, return_exceptions=True)
    two = await world.restart(one)
    assert LedgerAlarm(what="lost_entries") in world.events
    assert not (await two.ledger.look(OTHER)).is_certain


async def test_an_unknown_key_of_a_new_store_may_be_as_old_as_a_card_takes_to_show(
    new_world: World,
) -> None:
    """A lost request's card may not be in the list yet: the provider's hour counts from before."""
    one = await new_world.process()
    await one.ask()
    [claim] = new_world.provider.calls
    assert claim.first_send == START - Windows().grace


async def test_a_refusal_of_an_unknown_key_of_a_new_store_is_unknown(new_world: World) -> None:
    """A request whose row was lost may be under way: a refusal of the next says nothing of it."""
    one = await new_world.process()
    new_world.provider.ending = errors.Refused("no")
    assert isinstance(await one.told(), errors.OutcomeUnknown)
    assert new_world.provider.calls[0].indeterminate


async def test_an_unknown_key_of_a_new_store_stays_uncertain(new_world: World) -> None:
    """Also when the store is certain again, the row that was lost is not: nothing is adopted."""
    one = await new_world.process()
    await lost(one)
    new_world.now.time = START + 2 * DAY
    told = await one.told()
    assert isinstance(told, errors.OutcomeUnknown)
    assert (told.retryable, len(told.candidates)) == (False, 1)


@pytest.mark.parametrize("minutes", [0, 20])
async def test_a_key_that_may_be_lost_is_never_sent(new_world: World, minutes: float) -> None:
    """Once a card may be the key's, it stays so where the card is not shown the next time."""
    one = await new_world.process()
    new_world.provider.add()
    assert isinstance(await one.told(), errors.OutcomeUnknown)
    new_world.now.time = START + minutes * MINUTE
    new_world.provider.cards.clear()
    told = await one.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert new_world.provider.calls == []


@pytest.mark.parametrize(("days", "sent"), [(30.9, 0), (31.1, 1)])
async def test_a_new_store_asks_for_cards_of_a_months_time(
    new_world: World, days: float, sent: int
) -> None:
    """A card that is older than any lost row can be is nobody's doubt."""
    new_world.provider.add()
    new_world.now.time = START + days * DAY
    one = await new_world.process()
    await asyncio.gather(one.ask(), return_exceptions=True)
    assert len(new_world.provider.calls) == sent


# A store that fails.


async def faulty(world: World) -> tuple[Process, FaultyEngine]:
    """A gateway whose store can fail."""
    engine = FaultyEngine(world.engine())
    return await world.process(engine), engine


@pytest.mark.parametrize("when", ["before", "after"])
async def test_no_claim_no_call(world: World, when: str) -> None:
    """A claim that is not known to be written sends nothing, and does not block its key."""
    one, engine = await faulty(world)
    setattr(engine, when, ("INSERT",))
    told = await one.told()
    assert (type(told), told.retryable) == (errors.LedgerUnavailable, True)
    assert world.provider.calls == []
    setattr(engine, when, ())
    await one.ask()
    assert (world.made, world.now.time < START + 30) == (1, True)


async def test_a_take_over_without_an_answer_does_not_block_its_key(world: World) -> None:
    """A claim of a marked row that nobody knows of is given back: the next need not wait for it."""
    earlier = await world.process()
    await lost(earlier)
    await world.end(earlier)
    one, engine = await faulty(world)
    engine.after = ("INSERT",)
    assert isinstance(await one.told(), errors.LedgerUnavailable)
    engine.after = ()
    await one.ask()
    assert (world.made, world.now.time < START + 30) == (1, True)


async def test_a_card_is_told_although_it_cannot_be_written(world: World) -> None:
    """A store that fails after the claim costs nobody the card; it is written when it can be."""
    one, engine = await faulty(world)
    first = await one.held()
    engine.before = ("INSERT",)
    world.provider.gate.set()
    made = await first
    assert isinstance(made, CallResult)
    assert await one.ask() == Replay(made.card_id)
    engine.before = ()
    two = await world.restart(one)
    assert await two.ask() == Replay(made.card_id)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_no_effect_is_not_said_where_the_row_may_stay(world: World, when: str) -> None:
    """A refusal whose row cannot be deleted, or may be, is unknown, and no sign of lost rows."""
    one, engine = await faulty(world)
    world.provider.ending = errors.Refused("no")
    setattr(engine, when, ("DELETE",))
    assert isinstance(await one.told(), errors.OutcomeUnknown)
    setattr(engine, when, ())
    assert isinstance(await one.told(), errors.Refused)
    assert (await one.ledger.look(OTHER)).is_certain
    assert LedgerAlarm(what="lost_entries") not in world.events


async def test_an_unknown_outcome_is_told_before_it_is_written(world: World) -> None:
    """A store that fails after a lost answer keeps nobody waiting, and still learns of it."""
    one, engine = await faulty(world)
    world.provider.ending = "lost after"
    first = await one.held()
    engine.before = ("INSERT",)
    world.provider.gate.set()
    with pytest.raises(errors.OutcomeUnknown):
        await first
    engine.before = ()
    two = await world.restart(one)
    row = (await two.ledger.look(world.key)).row
    assert row is not None
    assert (row.state, row.indeterminate) == (State.INDETERMINATE, 1)


# Clocks that differ.


@pytest.mark.parametrize(("ahead", "sent"), [(-31, 0), (-29, 1), (29, 1), (31, 0)])
async def test_nothing_is_sent_while_store_and_gateway_differ(
    world: World, ahead: float, sent: int
) -> None:
    """An age that depends on whose clock it is read from says nothing of the provider's hour."""
    one = await world.process(engine_ahead(world, ahead))
    told = await asyncio.gather(one.ask(), return_exceptions=True)
    assert isinstance(told[0], CallResult if sent else errors.LedgerUnavailable)
    assert len(world.provider.calls) == sent


async def test_what_is_settled_is_told_whatever_the_clocks(world: World, one: Process) -> None:
    """A card has no age."""
    made = await one.ask()
    await world.end(one)
    two = await world.process(engine_ahead(world, 600))
    assert await two.ask() == Replay(made.card_id)


def engine_ahead(world: World, seconds: float) -> Engine:
    """An engine on the same store, whose clock is ahead."""
    now = Now(world.now.time + seconds)
    return World(world.kind, world.folder, world.windows, world.url, now=now).engine()


@pytest.mark.parametrize(("kind", "most"), [("sqlite", CLOCK_TOLERANCE), ("memory", math.inf)])
async def test_a_claim_says_how_far_the_providers_clock_may_be(
    tmp_path: Path, kind: str, most: float
) -> None:
    """Where ages are read from rows of others, no request leaves while the clocks differ."""
    async with world_of(kind, tmp_path) as world:
        one = await world.process()
        await one.ask()
        assert [claim.most_skew for claim in world.provider.calls] == [most]


class PausedEngine(FaultyEngine):
    """An engine whose process is paused for ten minutes when a claim was answered."""

    def __init__(self, world: World) -> None:
        super().__init__(world.engine())
        self._now = world.now

    async def execute(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        """Run the statement, and be paused."""
        rows = await super().execute(statement, values)
        if statement.startswith("INSERT"):
            self._now.time += 10 * MINUTE
        return rows


async def test_a_claim_counts_from_before_it_was_asked_for(world: World) -> None:
    """Paused between a claim's question and its answer, a process signs no later for it."""
    one = await world.process(PausedEngine(world))
    asked = await one.held()
    assert world.now.time == START + 10 * MINUTE
    [claim] = world.provider.calls
    assert claim.not_after(world.now.runtime()) == START + 59 * MINUTE
    world.provider.gate.set()
    await asked


def test_an_age_does_not_shrink_with_the_wall_clock() -> None:
    """A clock that is set back makes no key younger, and one that stands still does not either."""
    claim = Claim(CARD, first_send=START, since=100.0)
    set_back = Runtime(now=lambda: START - HOUR, clock=lambda: 100.0 + 10 * MINUTE)
    asleep = Runtime(now=lambda: START + 10 * MINUTE, clock=lambda: 100.0)
    assert [claim.age(runtime) for runtime in (set_back, asleep)] == [10 * MINUTE] * 2
    assert claim.not_after(set_back) == START - HOUR + 49 * MINUTE


# Rules of the store that a test can only see in its rows.


async def test_a_foreign_claim_deletes_nothing(world: World, one: Process, two: Process) -> None:
    """A refusal that comes after a take-over leaves the row, and is told as unknown."""
    world.provider.ending = errors.Refused("no")
    first = await one.held()
    world.provider.ending = "lost after"
    second = two.start()
    await world.provider.wait_for_calls(2)
    world.provider.gate.set()
    told = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(each) for each in told] == [errors.OutcomeUnknown] * 2
    row = (await one.ledger.look(world.key)).row
    assert row is not None
    assert row.indeterminate


async def test_a_claim_after_the_clock_went_back_sends_nothing(world: World, one: Process) -> None:
    """A row from the future has no age: what it is asked for is not sent."""
    await lost(one)
    world.now.time = START - 10 * MINUTE
    two = await world.process()
    told = await two.told()
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert len(world.provider.calls) == 1


async def test_a_row_of_a_newer_version_is_left_alone(world: World, one: Process) -> None:
    """A process that does not know how the input was normalised neither sends nor compares."""
    await lost(one)
    engine = world.engine()
    await engine.start(sql.SCHEMA, sql.NEW_STORE, {"id": b"", "uncertain_for": 0.0})
    newer = "UPDATE idempotency_key SET version = :version RETURNING {now}"
    assert await engine.execute(newer, {"version": 99})
    await engine.aclose()
    told = await one.told(bound=B)
    assert (type(told), told.retryable) == (errors.OutcomeUnknown, True)
    assert len(world.provider.calls) == 1


class Forgetful(dict[uuid.UUID, tuple[float, uuid.UUID]]):
    """The memory of a provider that remembers no key."""

    def __setitem__(self, key: uuid.UUID, value: tuple[float, uuid.UUID]) -> None:
        """Forget it at once."""


async def test_a_settled_row_never_changes_its_card(
    world: World, one: Process, two: Process
) -> None:
    """A provider that makes two cards for one key: the first is kept, and somebody is alarmed."""
    world.provider.remembered = Forgetful()
    first = await one.held()
    second = two.start()
    await world.provider.wait_for_calls(2)
    world.provider.gate.set()
    await asyncio.gather(first, second)
    await world.end(two)
    three = await world.restart(one)
    row = (await three.ledger.look(world.key)).row
    assert row is not None
    assert row.card_id in world.provider.made_by
    assert world.made == 2
    assert LedgerAlarm(what="card_of_another_key") in world.events


async def test_a_card_of_another_key_leaves_the_click_unknown(world: World, one: Process) -> None:
    """A provider that answers two keys with one card: it stays the first's, and nobody
    is told that it is the second's."""
    made = await one.ask()
    one = await world.restart(one)
    world.provider.remembered[OTHER] = (START, made.card_id)
    assert isinstance(await one.told(OTHER), errors.OutcomeUnknown)
    two = await world.restart(one)
    row = (await two.ledger.look(OTHER)).row
    assert row is not None
    assert (row.state, row.indeterminate) == (State.INDETERMINATE, 1)
    assert LedgerAlarm(what="card_of_another_key") in world.events


async def test_a_retry_is_sent_under_the_providers_key_of_its_row(
    world: World, one: Process
) -> None:
    """A version that derives other keys for the provider sends the one that left first."""
    await lost(one)
    engine = world.engine()
    await engine.start(sql.SCHEMA, sql.NEW_STORE, {"id": b"", "uncertain_for": 0.0})
    other = "UPDATE idempotency_key SET provider_key = :other RETURNING {now}"
    assert await engine.execute(other, {"other": OTHER.bytes})
    await engine.aclose()
    await one.ask()
    assert [claim.key for claim in world.provider.calls] == [world.key, OTHER]


async def test_a_simulation_claims_no_card(world: World, one: Process) -> None:
    """Two simulations of one card are both done, and neither takes it from the click it is of."""
    for key in (world.key, OTHER):
        world.provider.remembered[key] = (START, CARD)
        await one.ask(key, target=CARD)
    two = await world.restart(one)
    assert [await two.ask(key, target=CARD) for key in (world.key, OTHER)] == [Replay(CARD)] * 2
    assert not await two.store.is_claimed(CARD, b"")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_key_that_the_provider_has_with_another_input_binds_none(
    kind: str, tmp_path: Path
) -> None:
    """The row of a wrong input gives way to the right one, which the key is bound to then."""
    async with world_of(kind, tmp_path) as world:
        one = await world.process()
        world.provider.ending = key_of_another_input()
        assert isinstance(await one.told(bound=B), errors.OutcomeUnknown)
        assert isinstance(await one.told(bound=B), errors.OutcomeUnknown)
        world.provider.ending = "card"
        assert isinstance(await one.ask(bound=A), CallResult)
        assert isinstance(await one.ask(bound=A), Replay)
        assert isinstance(await one.told(bound=B), errors.IdempotencyConflict)
        assert world.made == 1


class HeldEngine(FaultyEngine):
    """An engine that carries rows of an unknown outcome out when its gate is open."""

    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.reached, self.gate = asyncio.Event(), asyncio.Event()

    async def execute(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        """Run the statement."""
        if statement == sql.OPEN:
            self.reached.set()
            await self.gate.wait()
        return await super().execute(statement, values)


async def test_another_input_is_asked_for_once_its_row_permits_it(tmp_path: Path) -> None:
    """The caller who sends the right input as soon as that is told meets no conflict."""
    async with world_of("sqlite", tmp_path) as world:
        engine = HeldEngine(world.engine())
        one = await world.process(engine)
        world.provider.ending = key_of_another_input()
        wrong = one.start(bound=B)
        await engine.reached.wait()
        await settled()
        assert not wrong.done()
        engine.gate.set()
        with pytest.raises(errors.OutcomeUnknown):
            await wrong
        world.provider.ending = "card"
        assert isinstance(await one.ask(bound=A), CallResult)


async def test_a_row_that_is_lost_meanwhile_is_written_without_an_input(
    world: World, one: Process
) -> None:
    """Where the provider has the key with another input, the row that is written anew for it binds
    the refused input as little as the first one."""
    world.provider.ending = key_of_another_input()
    held = await one.held(bound=B)
    engine = world.engine()
    await engine.start(sql.SCHEMA, sql.NEW_STORE, {"id": b"", "uncertain_for": 0.0})
    assert await engine.execute("DELETE FROM idempotency_key RETURNING {now}", {})
    await engine.aclose()
    world.provider.gate.set()
    with pytest.raises(errors.OutcomeUnknown):
        await held
    assert isinstance(await one.told(bound=A), errors.OutcomeUnknown)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_key_of_a_lost_row_is_never_sent_after_its_window(
    kind: str, tmp_path: Path
) -> None:
    """Once the provider may have forgotten the key no input of it is sent, the right one neither:
    the account's cards are candidates."""
    async with world_of(kind, tmp_path) as world:
        one = await world.process()
        world.provider.ending = key_of_another_input()
        await one.told(bound=B)
        world.provider.add()
        world.provider.ending = "card"
        world.now.time += HOUR
        for bound in (A, B):
            told = await one.told(bound=bound)
            assert isinstance(told, errors.OutcomeUnknown)
            assert len(told.candidates) == 1
        assert (world.made, len(world.provider.calls)) == (0, 1)


async def test_an_input_that_was_not_sent_binds_no_lost_key(new_world: World) -> None:
    """A store that may have lost the key's row tells a wrong input and the right one the same: to
    "use a new key" would make a second card."""
    one = await new_world.process()
    new_world.provider.add()
    for bound in (B, A, B):
        told = await one.told(bound=bound)
        assert isinstance(told, errors.OutcomeUnknown)
        assert len(told.candidates) == 1
    assert (new_world.made, new_world.provider.calls) == (0, [])
