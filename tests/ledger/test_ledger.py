"""The ledger: one call per key, and its outcome for everybody who asks."""

import asyncio
import random
import traceback
import tracemalloc
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import Promise
from gateway.events import to_nobody
from gateway.ledger.claims import Claim
from gateway.ledger.ledger import CallResult, Ledger, MemoryStore, Record, Replay, State
from gateway.runtime import Runtime
from tests.examples import examples

KEY, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
A, B = b"input a".ljust(32), b"input b".ljust(32)
START, MINUTE, HOUR = 1_800_000_000.0, 60.0, 3600.0
CARD = uuid.UUID(int=99)
UNKNOWN = errors.OutcomeUnknown("?", promise=Promise(datetime(2026, 11, 26, tzinfo=UTC), 60))


class Now:
    """A clock that the test moves: the wall clock and the monotonic one."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time

    def runtime(self) -> Runtime:
        """This clock as the gateway's time."""
        return Runtime(now=self, clock=self)


class Provider:
    """Counts calls, and answers them when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Claim] = []
        self.gate = asyncio.Event()
        self.ending: Any = "card"

    async def __call__(self, claim: Claim) -> CallResult[str]:
        self.calls.append(claim)
        await self.gate.wait()
        if isinstance(self.ending, Exception):
            raise self.ending
        return CallResult(str(self.ending), CARD)


class Fixture:
    """A ledger with its store, clock and provider."""

    def __init__(self, size: int = 10) -> None:
        self.now = Now()
        self.store = MemoryStore(size=size, clock=self.now, emit=to_nobody)
        self.ledger = Ledger[str](self.store, runtime=self.now.runtime(), emit=to_nobody)
        self.provider = Provider()

    def start(
        self, key: uuid.UUID = KEY, bound: bytes = A
    ) -> asyncio.Task[CallResult[str] | Replay]:
        """Ask for a key without waiting."""
        return asyncio.create_task(self.ledger.run(key, bound, self.provider))

    async def ask(self, key: uuid.UUID = KEY, bound: bytes = A) -> CallResult[str] | Replay:
        """Ask for a key; the provider answers at once."""
        self.provider.gate.set()
        return await self.start(key, bound)


async def test_the_second_caller_joins_the_first() -> None:
    """While a call is in flight, the same key and input join it: one call, both answered."""
    one = Fixture()
    first = one.start()
    await asyncio.sleep(0)
    second = one.start()
    await asyncio.sleep(0)
    one.provider.gate.set()
    assert (await first, await second) == (
        CallResult("card", CARD),
        CallResult("card", CARD, replayed=True),
    )
    assert one.provider.calls == [Claim(KEY, START, START)]


async def test_a_done_call_is_kept() -> None:
    """After a call the same key and input bring the id of its card, without a call."""
    one = Fixture()
    assert await one.ask() == CallResult("card", CARD)
    assert await one.ask() == Replay(CARD)
    assert await one.ask() == Replay(CARD)
    assert len(one.provider.calls) == 1


@pytest.mark.parametrize("done", [True, False])
async def test_another_input_is_a_conflict(done: bool) -> None:
    """A key that is bound to one input, in flight or done, refuses another without a call."""
    one = Fixture()
    first = one.start()
    await asyncio.sleep(0)
    if done:
        one.provider.gate.set()
        await first
    with pytest.raises(errors.IdempotencyConflict) as caught:
        await asyncio.wait_for(one.start(bound=B), 1)
    assert caught.value.message == (
        "This idempotencyKey was used with another input; use a new one."
    )
    one.provider.gate.set()
    assert await first == CallResult("card", CARD)
    assert len(one.provider.calls) == 1


REFUSALS: list[errors.GatewayError] = [
    errors.NotFound("no"),
    errors.InvalidState("no"),
    errors.Refused("no"),
    errors.IdempotencyConflict("no"),
    errors.ProviderUnavailable("no"),
    errors.RateLimited("no", by=errors.LimitedBy.PROVIDER),
    errors.Overloaded("no"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
async def test_a_refusal_is_not_kept(error: errors.GatewayError) -> None:
    """What was refused may be asked again under its key, or the key used for another input."""
    one = Fixture()
    one.provider.ending = error
    with pytest.raises(type(error)):
        await one.ask()
    one.provider.ending = "card"
    assert await one.ask(bound=B) == CallResult("card", CARD)
    assert not any(claim.indeterminate for claim in one.provider.calls)


async def test_an_indeterminate_call_is_continued() -> None:
    """After an unknown outcome the same key runs the same call again, and knows since when."""
    one = Fixture()
    one.provider.ending = UNKNOWN
    for minutes in (0, 10):
        one.now.time = START + minutes * MINUTE
        with pytest.raises(errors.OutcomeUnknown):
            await one.ask()
    one.now.time = START + 20 * MINUTE
    with pytest.raises(errors.IdempotencyConflict):
        await one.ask(bound=B)
    one.provider.ending = "card"
    assert await one.ask() == CallResult("card", CARD)
    assert await one.ask() == Replay(CARD)
    continued = Claim(KEY, START, START, indeterminate=True)
    assert one.provider.calls == [Claim(KEY, START, START), continued, continued]
    assert len(one.store) == 1, "done, it is indeterminate no longer"


async def test_a_fault_of_our_own_leaves_the_key_indeterminate() -> None:
    """After an error that nobody foresaw the call may have been carried out: it is continued."""
    one = Fixture()
    one.provider.ending = KeyError("canary")
    with pytest.raises(errors.InternalError):
        await one.ask()
    one.provider.ending = "card"
    assert await one.ask() == CallResult("card", CARD)
    assert one.provider.calls[-1].indeterminate


async def test_an_open_call_stays_open_when_a_repeat_never_left() -> None:
    """A repeat of an open call that fails before it leaves does not make it forgotten."""
    one = Fixture()
    one.provider.ending = UNKNOWN
    with pytest.raises(errors.OutcomeUnknown):
        await one.ask()
    one.provider.ending = errors.Overloaded("no")
    with pytest.raises(errors.Overloaded):
        await one.ask()
    with pytest.raises(errors.IdempotencyConflict):
        await one.ask(bound=B)


async def test_all_who_joined_see_the_failure() -> None:
    """A failed call is told to everybody who joined it."""
    one = Fixture()
    one.provider.ending = errors.ProviderUnavailable("no")
    tasks = [one.start() for _ in range(3)]
    await asyncio.sleep(0)
    one.provider.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [errors.ProviderUnavailable] * 3
    assert len(one.provider.calls) == 1


async def test_a_caller_that_leaves_does_not_end_the_call() -> None:
    """When every caller is cancelled the call still runs to its outcome, which is kept."""
    one = Fixture()
    task = one.start()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await one.ask() == Replay(CARD)
    assert len(one.provider.calls) == 1


async def test_a_failure_that_nobody_waits_for_is_silent() -> None:
    """A call that fails after its caller left is no unhandled exception."""
    one, heard = Fixture(), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: heard.append(what))
    one.provider.ending = errors.ProviderUnavailable("no")
    task = one.start()
    await asyncio.sleep(0)
    task.cancel()
    one.provider.gate.set()
    await one.ledger.drain(1)
    await asyncio.gather(task, return_exceptions=True)
    del task
    await asyncio.sleep(0)
    assert heard == []


async def test_draining_waits_for_calls_in_flight() -> None:
    """Drain returns when the calls in flight have ended, or after its time."""
    one = Fixture()
    await one.ledger.drain(10)
    task = one.start()
    await asyncio.sleep(0)
    await one.ledger.drain(0.01)
    assert not task.done()
    asyncio.get_running_loop().call_later(0.01, one.provider.gate.set)
    await one.ledger.drain(10)
    assert one.store.get(KEY) == Record(A, Claim(KEY, START, START), State.DONE, CARD)
    assert await task == CallResult("card", CARD)


@pytest.mark.parametrize("ending", ["card", UNKNOWN], ids=["done", "indeterminate"])
async def test_records_are_kept_for_a_day(ending: Any) -> None:
    """Done or indeterminate, a key is known for 24 hours, and then gives its memory back."""
    one = Fixture()
    one.provider.ending = ending
    await asyncio.gather(one.ask(), return_exceptions=True)
    one.now.time = START + 24 * HOUR - 1
    with pytest.raises(errors.IdempotencyConflict):
        await one.ask(bound=B)
    one.now.time = START + 24 * HOUR
    assert one.ledger.state(KEY) is None
    await asyncio.gather(one.ask(OTHER), return_exceptions=True)
    assert len(one.store) == 1


async def test_a_call_that_runs_binds_its_input_after_its_record_is_over() -> None:
    """Another input under the key of a call that runs is a conflict, however old the record is."""
    one = Fixture()
    task = one.start()
    await asyncio.sleep(0)
    one.now.time = START + 48 * HOUR
    other = one.start(bound=B)
    await asyncio.sleep(0)
    one.provider.gate.set()
    with pytest.raises(errors.IdempotencyConflict):
        await other
    assert await task == CallResult("card", CARD)


async def test_a_wall_clock_that_jumps_makes_nothing_forgotten() -> None:
    """The wall clock set forward by days, or back, takes no record away."""
    wall, monotonic = Now(), Now()
    store = MemoryStore(size=10, clock=monotonic, emit=to_nobody)
    ledger = Ledger[str](store, runtime=Runtime(now=wall, clock=monotonic), emit=to_nobody)
    provider = Provider()
    provider.gate.set()
    await ledger.run(KEY, A, provider)
    for jump in (+72 * HOUR, -72 * HOUR):
        wall.time = START + jump
        assert await ledger.run(KEY, A, provider) == Replay(CARD)


async def test_a_full_ledger_refuses_new_keys_and_forgets_none() -> None:
    """Beyond its size the ledger sends no new click, and still answers for every older one."""
    one = Fixture(size=3)
    for number in range(3):
        await one.ask(uuid.UUID(int=number))
    one.now.time = START + 23 * HOUR
    with pytest.raises(errors.Overloaded):
        await one.ask(uuid.UUID(int=3))
    assert len(one.provider.calls) == 3
    for number in range(3):
        assert await one.ask(uuid.UUID(int=number)) == Replay(CARD)
    one.now.time = START + 24 * HOUR
    assert await one.ask(uuid.UUID(int=3)) == CallResult("card", CARD)


async def test_calls_in_flight_count_as_remembered() -> None:
    """There is room for the outcome of every call that is sent."""
    one = Fixture(size=1)
    task = one.start()
    await asyncio.sleep(0)
    with pytest.raises(errors.Overloaded):
        await one.ask(OTHER)
    assert await task == CallResult("card", CARD)


async def test_a_refused_key_takes_no_room() -> None:
    """A key under which nothing was carried out is forgotten at once."""
    one = Fixture(size=1)
    one.provider.ending = errors.Refused("no")
    for number in range(3):
        with pytest.raises(errors.Refused):
            await one.ask(uuid.UUID(int=number))
    assert len(one.store) == 0


async def test_a_record_is_small() -> None:
    """A remembered key takes under 300 bytes, as the settings say: neither answer nor address."""
    store = MemoryStore(size=100_000, clock=Now(), emit=to_nobody)
    tracemalloc.start()
    for _ in range(10_000):
        store.claim(Record(A, Claim(uuid.uuid4(), START, START), State.DONE, CARD))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(store) < 300


async def test_many_waiters_share_one_short_traceback() -> None:
    """However many wait for a failed call, the traceback of its error does not grow."""
    one = Fixture()
    one.provider.ending = errors.ProviderUnavailable("no")
    tasks = [one.start() for _ in range(200)]
    await asyncio.sleep(0)
    one.provider.gate.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    [error] = set(told)
    assert isinstance(error, errors.ProviderUnavailable)
    assert len(list(traceback.walk_tb(error.__traceback__))) < 10


ENDINGS: list[Callable[[int], Any]] = [
    lambda key: f"card of {key}",
    lambda key: errors.NotFound(f"of {key}"),
    lambda key: errors.ProviderUnavailable(f"of {key}"),
    lambda key: errors.OutcomeUnknown(f"of {key}", promise=UNKNOWN.promise),
]
STEP = st.tuples(
    st.integers(0, 3),  # key
    st.sampled_from([A, A, A, B]),  # input
    st.integers(0, 3),  # how the call ends, if it is made
    st.integers(0, 3),  # how long the call takes, in turns of the loop
    st.integers(0, 4),  # turns until the caller leaves; 0: never
    st.sampled_from([0, 0, 0, 1, 40, 1000]),  # minutes that pass before
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
    now = Now()
    store = MemoryStore(size=3, clock=now, emit=to_nobody)
    ledger = Ledger[str](store, runtime=now.runtime(), emit=to_nobody)
    in_flight: Counter[int] = Counter()
    done: dict[int, bytes] = {}

    def provider(key: int, bound: bytes, ending: int, turns: int) -> Any:
        async def act(_claim: Claim) -> CallResult[str]:
            in_flight[key] += 1
            assert in_flight[key] == 1, "two calls at once for one key"
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
                outcome = ENDINGS[ending](key)
                if isinstance(outcome, Exception):
                    raise outcome
                done[key] = bound
                return CallResult(f"{outcome} for {bound!r}", CARD)
            finally:
                in_flight[key] -= 1

        return act

    async def caller(key: int, bound: bytes, run: Awaitable[CallResult[str] | Replay]) -> None:
        try:
            outcome = await run
        except (errors.IdempotencyConflict, errors.Overloaded):
            return
        except errors.GatewayError as error:
            told = error.message
        else:
            if isinstance(outcome, Replay):
                assert done[key] == bound, "a replay of what was not done"
                return
            told = outcome.value
        expected = {f"of {key}", f"card of {key} for {bound!r}"}
        assert told in expected, "the outcome of another key or input"

    tasks = []
    for key, bound, ending, turns, leaves, minutes in steps:
        now.time += minutes * MINUTE
        act = provider(key, bound, ending, turns)
        run = ledger.run(uuid.UUID(int=key), bound, act)
        task = asyncio.create_task(caller(key, bound, run))
        tasks.append(task)
        for _ in range(leaves):
            await asyncio.sleep(0)
        if leaves:
            task.cancel()
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert ended is None or isinstance(ended, asyncio.CancelledError), ended
    await ledger.drain(1)
