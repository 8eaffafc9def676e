"""The ledger: one call per key, and its outcome for everybody who asks."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import errors
from gateway.provider.ledger import Ledger, MemoryStore, Outcome, Record

KEY, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
A, B = b"input a", b"input b"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Now:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


class Provider:
    """Counts calls, and answers them when it is told to."""

    def __init__(self) -> None:
        self.calls: list[datetime | None] = []
        self.gate = asyncio.Event()
        self.ending: Any = "card"

    async def __call__(self, open_since: datetime | None) -> str:
        self.calls.append(open_since)
        await self.gate.wait()
        if isinstance(self.ending, Exception):
            raise self.ending
        return str(self.ending)


class Fixture:
    """A ledger with its store, clock and provider."""

    def __init__(self, size: int = 10) -> None:
        self.now = Now()
        self.store = MemoryStore[str](size=size, now=self.now)
        self.ledger = Ledger(self.store, now=self.now)
        self.provider = Provider()

    def start(self, key: uuid.UUID = KEY, bound: bytes = A) -> asyncio.Task[Outcome[str]]:
        """Ask for a key without waiting."""
        return asyncio.create_task(self.ledger.run(key, bound, self.provider))

    async def ask(self, key: uuid.UUID = KEY, bound: bytes = A) -> Outcome[str]:
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
    assert (await first, await second) == (Outcome("card", False), Outcome("card", True))
    assert one.provider.calls == [None]


async def test_a_done_call_is_kept() -> None:
    """After a call the same key and input bring its outcome, replayed, without a call."""
    one = Fixture()
    assert await one.ask() == Outcome("card", False)
    assert await one.ask() == Outcome("card", True)
    assert await one.ask() == Outcome("card", True)
    assert len(one.provider.calls) == 1


async def test_a_result_of_none_is_kept_too() -> None:
    """A call whose result is nothing is done as any other."""
    now, calls = Now(), []
    ledger = Ledger(MemoryStore[None](size=1, now=now), now=now)

    async def act(_open: datetime | None) -> None:
        calls.append(1)

    assert await ledger.run(KEY, A, act) == Outcome(None, False)
    assert await ledger.run(KEY, A, act) == Outcome(None, True)
    assert calls == [1]


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
    assert (await first).value == "card"
    assert len(one.provider.calls) == 1


REFUSALS: list[errors.GatewayError] = [
    errors.NotFound("no"),
    errors.InvalidState("no"),
    errors.Refused("no"),
    errors.IdempotencyConflict("no"),
    errors.ProviderUnavailable("no"),
    errors.RateLimited("no"),
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
    assert await one.ask(bound=B) == Outcome("card", False)
    assert one.provider.calls == [None, None]


async def test_an_open_call_is_continued() -> None:
    """After an unknown outcome the same key runs the same call again, and knows since when."""
    one = Fixture()
    one.provider.ending = errors.OutcomeUnknown("?", retry_safe_until=START)
    for minutes in (0, 10):
        one.now.time = START + timedelta(minutes=minutes)
        with pytest.raises(errors.OutcomeUnknown):
            await one.ask()
    one.now.time = START + timedelta(minutes=20)
    with pytest.raises(errors.IdempotencyConflict):
        await one.ask(bound=B)
    one.provider.ending = "card"
    assert await one.ask() == Outcome("card", False)
    assert await one.ask() == Outcome("card", True)
    assert one.provider.calls == [None, START, START]
    assert len(one.store) == 1, "done, it is open no longer"


async def test_an_open_call_stays_open_when_a_repeat_never_left() -> None:
    """A repeat of an open call that fails before it leaves does not make it forgotten."""
    one = Fixture()
    one.provider.ending = errors.OutcomeUnknown("?", retry_safe_until=START)
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
    assert await one.ask() == Outcome("card", True)
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
    assert await one.store.get(KEY) is not None, "it has ended when drain returns"
    assert (await task).value == "card"


async def test_records_are_kept_for_an_hour() -> None:
    """A record is there until its hour is over, and then it is gone and gives its memory back."""
    one = Fixture()
    await one.ask()
    one.now.time = START + timedelta(minutes=59, seconds=59)
    assert (await one.ask()).replayed
    one.now.time = START + timedelta(hours=1)
    assert not (await one.ask()).replayed
    assert len(one.store) == 1
    one.now.time = START + timedelta(hours=2)
    await one.ask(OTHER)
    assert len(one.store) == 1


async def test_a_record_that_is_over_when_it_comes_is_not_kept() -> None:
    """A call that outlived its hour is told, and leaves nothing behind."""
    one = Fixture()
    await one.store.put(KEY, Record(A, START - timedelta(hours=1), value="card"))
    assert len(one.store) == 0


async def test_the_store_is_bounded() -> None:
    """Beyond its size the store lets the oldest record go, and never more than needed."""
    one = Fixture(size=3)
    for number in range(5):
        await one.ask(uuid.UUID(int=number))
        assert len(one.store) == min(number + 1, 3)
    kept = [await one.store.get(uuid.UUID(int=number)) for number in range(5)]
    assert [record is not None for record in kept] == [False, False, True, True, True]


async def test_open_records_are_kept_for_a_day_and_apart() -> None:
    """No number of done calls pushes out an open one, which is remembered for a day."""
    one = Fixture(size=2)
    one.provider.ending = errors.OutcomeUnknown("?", retry_safe_until=START)
    with pytest.raises(errors.OutcomeUnknown):
        await one.ask()
    one.provider.ending = "card"
    for number in range(10, 15):
        await one.ask(uuid.UUID(int=number))
    assert len(one.store) == 3
    one.now.time = START + timedelta(hours=23, minutes=59)
    one.provider.ending = errors.OutcomeUnknown("?", retry_safe_until=START)
    with pytest.raises(errors.OutcomeUnknown):
        await one.ask()
    assert one.provider.calls[-1] == START
    one.now.time = START + timedelta(hours=24)
    with pytest.raises(errors.OutcomeUnknown):
        await one.ask()
    assert one.provider.calls[-1] is None


async def test_when_a_call_began_is_known_while_it_is_in_flight() -> None:
    """The start of a call in flight is that of its first attempt, an earlier open one included."""
    one = Fixture()
    one.provider.ending = errors.OutcomeUnknown("?", retry_safe_until=START)
    with pytest.raises(errors.OutcomeUnknown):
        await one.ask()
    one.now.time = START + timedelta(minutes=9)
    one.provider.gate.clear()
    task, fresh = one.start(), one.start(OTHER)
    for _ in range(3):
        await asyncio.sleep(0)
    assert one.ledger.started(KEY) == START
    one.now.time = START + timedelta(minutes=10)
    assert one.ledger.started(OTHER) == START + timedelta(minutes=9)
    assert one.ledger.started(uuid.UUID(int=3)) == one.now.time
    one.provider.gate.set()
    await asyncio.gather(task, fresh, return_exceptions=True)


async def test_an_updated_record_counts_as_new() -> None:
    """A record that was written again is not the first to go."""
    one = Fixture(size=2)
    for key in (KEY, OTHER, KEY):
        await one.store.put(key, Record(A, START, value="card"))
    await one.store.put(uuid.UUID(int=3), Record(A, START, value="card"))
    assert await one.store.get(KEY) is not None
    assert await one.store.get(OTHER) is None


ENDINGS: list[Callable[[int], Any]] = [
    lambda key: f"card of {key}",
    lambda key: errors.NotFound(f"of {key}"),
    lambda key: errors.ProviderUnavailable(f"of {key}"),
    lambda key: errors.OutcomeUnknown(f"of {key}", retry_safe_until=START),
]
STEP = st.tuples(
    st.integers(0, 3),  # key
    st.sampled_from([A, A, A, B]),  # input
    st.integers(0, 3),  # how the call ends, if it is made
    st.integers(0, 3),  # how long the call takes, in turns of the loop
    st.integers(0, 4),  # turns until the caller leaves; 0: never
    st.sampled_from([0, 0, 0, 1, 40]),  # minutes that pass before
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=30), st.integers(0, 2**32))
def test_random_interleavings(
    steps: list[tuple[int, bytes, int, int, int, int]], seed: int
) -> None:
    """However callers join, leave, fail and come late: one call per key at once, no mix-ups."""
    asyncio.run(interleave(steps, random.Random(seed)))


async def interleave(steps: list[Any], chance: random.Random) -> None:
    """Run the steps, and check what must hold at every moment and at the end."""
    now = Now()
    ledger = Ledger(MemoryStore[str](size=3, now=now), now=now)
    in_flight: Counter[int] = Counter()
    bound_in_flight: dict[int, bytes] = {}

    def provider(key: int, bound: bytes, ending: int, turns: int) -> Any:
        async def act(_open_since: datetime | None) -> str:
            in_flight[key] += 1
            assert in_flight[key] == 1, "two calls at once for one key"
            bound_in_flight[key] = bound
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
                outcome = ENDINGS[ending](key)
                if isinstance(outcome, Exception):
                    raise outcome
                return f"{outcome} for {bound!r}"
            finally:
                in_flight[key] -= 1

        return act

    async def caller(key: int, bound: bytes, run: Awaitable[Outcome[str]]) -> None:
        try:
            told = (await run).value
        except errors.IdempotencyConflict:
            return
        except errors.GatewayError as error:
            told = error.message
        expected = {f"of {key}", f"card of {key} for {bound!r}"}
        assert told in expected, "the outcome of another key or input"

    tasks = []
    for key, bound, ending, turns, leaves, minutes in steps:
        now.time += timedelta(minutes=minutes)
        run = ledger.run(uuid.UUID(int=key), bound, provider(key, bound, ending, turns))
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
