"""The ledger in one process: one call per key, and its outcome for everybody who asks."""

import asyncio
import random
import traceback
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import errors
from gateway.events import LedgerFull
from gateway.ledger import Actions, CallResult, Claim, Click, Replay, State
from tests.examples import examples
from tests.ledger.world import (
    ACCOUNT,
    DAY,
    ENGINES,
    HOUR,
    LOST,
    MINUTE,
    START,
    A,
    B,
    Process,
    World,
    url_for,
    world_of,
)

OTHER = uuid.UUID(int=2)


@pytest.fixture(params=ENGINES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world on each engine."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        yield made


async def test_the_second_caller_joins_the_first(world: World, one: Process) -> None:
    """While a call is in flight, the same key and input join it: one call, both answered."""
    first = await one.held()
    second = one.start()
    third = one.start()
    await one.ledger.look(world.key)
    world.provider.gate.set()
    new, *joined = await asyncio.gather(first, second, third)
    assert isinstance(new, CallResult)
    assert not new.replayed
    assert all(isinstance(each, Replay) or each.replayed for each in joined)
    assert {each.card_id for each in (new, *joined)} == set(world.provider.cards)
    assert len(world.provider.calls) == 1


async def test_a_done_call_is_kept(world: World, one: Process) -> None:
    """After a call the same key and input bring the id of its card, without a call."""
    made = await one.ask()
    for days in (0, 0.5, 29.9):
        world.now.time = START + days * DAY
        assert await one.ask() == Replay(made.card_id)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("done", [True, False])
async def test_another_input_is_a_conflict(world: World, one: Process, done: bool) -> None:
    """A key that is bound to one input, in flight or done, refuses another without a call."""
    first = await one.held()
    if done:
        world.provider.gate.set()
        await first
    told = await one.told(bound=B)
    assert isinstance(told, errors.IdempotencyConflict)
    assert told.message == "This idempotencyKey was used with another input; use a new one."
    world.provider.gate.set()
    await first
    assert len(world.provider.calls) == 1


REFUSALS: list[errors.GatewayError] = [
    errors.NotFound("no"),
    errors.InvalidState("no"),
    errors.Refused("no"),
    errors.ProviderUnavailable("no"),
    errors.RateLimited("no", by=errors.LimitedBy.PROVIDER),
    errors.Overloaded("no"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
async def test_a_refusal_is_not_kept(
    world: World, one: Process, error: errors.GatewayError
) -> None:
    """What was refused may be asked again under its key, or the key used for another input."""
    world.provider.ending = error
    assert await one.told() is error
    world.provider.ending = "card"
    await one.ask(bound=B)
    assert not any(claim.indeterminate for claim in world.provider.calls)


async def test_an_indeterminate_call_is_continued(world: World, one: Process) -> None:
    """After an unknown outcome the same key runs the same call again, and knows since when."""
    world.provider.ending = "lost after"
    for minutes in (0, 10):
        world.now.time = START + minutes * MINUTE
        assert isinstance(await one.told(), errors.OutcomeUnknown)
    world.now.time = START + 20 * MINUTE
    assert isinstance(await one.told(bound=B), errors.IdempotencyConflict)
    world.provider.ending = "card"
    assert (await one.ask()).card_id in world.provider.cards
    assert isinstance(await one.ask(), Replay)
    claims = world.provider.calls
    assert [claim.indeterminate for claim in claims] == [False, True, True]
    assert {claim.first_send for claim in claims} == {START}
    assert world.made == 1


async def test_a_fault_of_our_own_leaves_the_key_indeterminate(world: World, one: Process) -> None:
    """After an error that nobody foresaw the call may have been carried out: it is continued."""
    world.provider.ending = KeyError("canary")
    assert isinstance(await one.told(), errors.InternalError)
    world.provider.ending = "card"
    await one.ask()
    assert world.provider.calls[-1].indeterminate


async def test_an_open_call_stays_open_when_a_repeat_never_left(world: World, one: Process) -> None:
    """A repeat of an open call that fails before it leaves does not make it forgotten."""
    world.provider.ending = "lost after"
    await one.told()
    world.provider.ending = errors.Overloaded("no")
    assert isinstance(await one.told(), errors.OutcomeUnknown)
    assert isinstance(await one.told(bound=B), errors.IdempotencyConflict)


async def test_all_who_joined_see_the_failure(world: World, one: Process) -> None:
    """A failed call is told to everybody who joined it, in one short traceback."""
    world.provider.ending = errors.ProviderUnavailable("no")
    world.provider.gate.clear()
    tasks = [one.start() for _ in range(200)]
    await world.provider.wait_for_calls()
    await one.ledger.look(world.key)
    world.provider.gate.set()
    [error] = set(await asyncio.gather(*tasks, return_exceptions=True))
    assert isinstance(error, errors.ProviderUnavailable)
    assert len(list(traceback.walk_tb(error.__traceback__))) < 10
    assert len(world.provider.calls) == 1


async def test_a_caller_that_leaves_does_not_end_the_call(world: World, one: Process) -> None:
    """When every caller is cancelled the call still runs to its outcome, which is kept."""
    task = await one.held()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.provider.gate.set()
    await one.ask()
    assert isinstance(await one.ask(), Replay)
    assert len(world.provider.calls) == 1


async def test_a_failure_that_nobody_waits_for_is_silent(world: World, one: Process) -> None:
    """A call that fails after its caller left is no unhandled exception."""
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: heard.append(what))
    world.provider.ending = errors.ProviderUnavailable("no")
    task = await one.held()
    task.cancel()
    world.provider.gate.set()
    await world.end(one)
    await asyncio.gather(task, return_exceptions=True)
    del task
    await asyncio.sleep(0)
    assert heard == []


async def test_the_end_waits_for_calls_in_flight(world: World, one: Process) -> None:
    """A ledger that is closed lets its calls run to their outcome, which the store then has."""
    task = await one.held()
    asyncio.get_running_loop().call_later(0.01, world.provider.gate.set)
    await world.end(one)
    assert (await task).card_id in world.provider.cards
    if world.kind != "memory":
        again = await world.process()
        assert isinstance(await again.ask(), Replay)


async def test_rows_are_deleted_after_a_month_and_not_before(world: World, one: Process) -> None:
    """A done key is kept for 31 days, any other for 30, and then its row goes."""
    world.provider.ending = "lost after"
    await one.told(OTHER)
    world.provider.ending = "card"
    await one.ask()
    for days, left in ((29.9, 2), (30.1, 1), (30.9, 1), (31.1, 0)):
        world.now.time = START + days * DAY
        await one.ledger.purge()
        rows = [(await one.ledger.look(key)).row for key in (world.key, OTHER)]
        assert len(rows) - rows.count(None) == left


async def test_nothing_is_forgotten_while_the_clocks_differ(world: World, one: Process) -> None:
    """A clock that was set years ahead deletes no row unless the provider's shows the same."""
    made = await one.ask()
    world.now.time = START + 400 * DAY
    world.clocks_agree = False
    assert await one.ledger.purge() == 0
    world.now.time = START + DAY
    assert await one.ask() == Replay(made.card_id)


async def test_a_full_memory_refuses_new_keys_and_forgets_none(tmp_path: Path) -> None:
    """Beyond its size the ledger sends no new click, and still answers for every older one."""
    async with world_of("memory", tmp_path, size=3) as world:
        one = await world.process()
        keys = [uuid.UUID(int=number) for number in range(4)]
        cards = [(await one.ask(key)).card_id for key in keys[:3]]
        for _ in range(3):
            assert isinstance(await one.told(keys[3]), errors.Overloaded)
        assert len(world.provider.calls) == 3
        assert [(await one.ask(key)).card_id for key in keys[:3]] == cards
        assert world.events.count(LedgerFull(records=3)) == 1
        world.now.time = START + 32 * DAY
        assert await one.ledger.purge() == 3
        await one.ask(keys[3])


async def test_a_refused_key_takes_no_place(tmp_path: Path) -> None:
    """A key under which nothing was carried out is forgotten at once."""
    async with world_of("memory", tmp_path, size=1) as world:
        one = await world.process()
        world.provider.ending = errors.Refused("no")
        for number in range(3):
            assert isinstance(await one.told(uuid.UUID(int=number)), errors.Refused)


ENDINGS: list[Any] = ["card", errors.NotFound("no"), errors.ProviderUnavailable("no"), LOST]
STEP = st.tuples(
    st.integers(0, 3),  # key
    st.sampled_from([A, A, A, B]),  # input
    st.integers(0, 3),  # how the call ends, if it is made
    st.integers(0, 3),  # how long the call takes, in turns of the loop
    st.integers(0, 4),  # turns until the caller leaves; 0: never
    st.sampled_from([0, 0, 0, 1, 30]),  # minutes that pass before
)


@settings(max_examples=examples(1))
@given(st.lists(STEP, max_size=30), st.integers(0, 2**32))
def test_random_interleavings(
    steps: list[tuple[int, bytes, int, int, int, int]], seed: int
) -> None:
    """However callers join, leave, fail and come late: one call per key at once, no mix-ups."""
    asyncio.run(interleave(steps, random.Random(seed)))


async def interleave(steps: list[Any], chance: random.Random) -> None:
    """Run the steps, and check what must hold at every moment and at the end."""
    async with world_of("memory", Path()) as world:
        one = await world.process()
        in_flight: Counter[int] = Counter()
        done: dict[int, bytes] = {}

        def provider(key: int, bound: bytes, ending: int, turns: int) -> Any:
            async def act(_claim: Claim) -> CallResult[str]:
                in_flight[key] += 1
                assert in_flight[key] == 1, "two calls at once for one key"
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    outcome = ENDINGS[ending]
                    if isinstance(outcome, Exception):
                        raise outcome
                    done[key] = bound
                    return CallResult(f"card of {key} for {bound!r}", uuid.UUID(int=1000 + key))
                finally:
                    in_flight[key] -= 1

            return act

        async def caller(key: int, bound: bytes, act: Callable[..., Awaitable[Any]]) -> None:
            name = uuid.UUID(int=key)
            click = Click(name, "issueVirtualCard", bound, account=ACCOUNT)
            actions = Actions(act, world.provider.list_cards)
            try:
                found = await one.ledger.run(click, actions, await one.ledger.look(name))
            except errors.GatewayError:
                return
            assert found.card_id == uuid.UUID(int=1000 + key), "the card of another key"
            if isinstance(found, Replay):
                assert done[key] == bound, "a replay of what was not done"
            else:
                assert found.value == f"card of {key} for {bound!r}"

        tasks = []
        for key, bound, ending, turns, leaves, minutes in steps:
            world.now.time += minutes * MINUTE
            task = asyncio.create_task(caller(key, bound, provider(key, bound, ending, turns)))
            tasks.append(task)
            for _ in range(leaves):
                await asyncio.sleep(0)
            if leaves:
                task.cancel()
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert ended is None or isinstance(ended, asyncio.CancelledError), ended


async def test_the_states_have_their_names(world: World, one: Process) -> None:
    """What became of a key can be read from its row."""
    assert (await one.ledger.look(world.key)).row is None
    world.provider.ending = "lost after"
    task = await one.held()
    row = (await one.ledger.look(world.key)).row
    assert row is not None
    assert (row.state, row.lease_until > START) == (State.SENDING, True)
    world.provider.gate.set()
    await asyncio.gather(task, return_exceptions=True)
    world.now.time += 76 * MINUTE
    world.provider.cards.clear()
    if world.kind == "memory":
        assert isinstance(await one.told(), errors.OutcomeUnknown)
        return
    assert isinstance(await one.told(), errors.NotExecuted)
    row = (await one.ledger.look(world.key)).row
    assert row is not None
    assert row.state == State.NOT_EXECUTED
    world.now.time += HOUR
    assert isinstance(await one.told(), errors.NotExecuted)
