"""Places for calls to the provider: a bound, shared fairly by the callers."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Overloaded
from gateway.provider.concurrency import ConcurrencyLimit
from tests.waiting import settled, skip_time

WAIT = 60.0  # seconds: no wait ends by itself within a test


@dataclass(eq=False)
class Attempt:
    """One who asks for a place, holds it until ``end`` is set, and says so in the history."""

    caller: str
    reads: bool
    since: int
    end: asyncio.Event = field(default_factory=asyncio.Event)
    began: int | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def holds(self) -> bool:
        """Whether it has a place now."""
        return self.began is not None and self.task is not None and not self.task.done()

    @property
    def waits(self) -> bool:
        """Whether it waits for a place."""
        return self.began is None and self.task is not None and not self.task.done()


class World:
    """A limit, all who ever asked it for a place, and in which order they began."""

    def __init__(self, most: int, *, is_slow: bool = False) -> None:
        self.most = most
        self.is_slow = is_slow  # everything settles between two acts
        self.full_at: dict[str, int] = {}
        self.for_reads = most - (max(most // 10, 1) if most > 1 else 0)
        self.share = self.for_reads - most // 10
        self.limit = ConcurrencyLimit(most=most, wait=WAIT)
        self.attempts: list[Attempt] = []
        self.moments = 0

    def ask(self, caller: str, *, reads: bool = True) -> Attempt:
        """Ask for a place, and hold it until told otherwise."""
        self.moments += 1
        attempt = Attempt(caller, reads, self.moments)
        attempt.task = asyncio.create_task(self._hold(attempt))
        self.attempts.append(attempt)
        return attempt

    async def _hold(self, attempt: Attempt) -> None:
        async with self.limit.place(attempt.caller, reads=attempt.reads):
            self.moments += 1
            attempt.began = self.moments
            self.check_bounds()
            if self.is_slow:
                self.check_turn(attempt)
            self.note_share(attempt.caller)
            try:
                await attempt.end.wait()
            finally:
                self.note_share(attempt.caller)

    def holders(self, caller: str = "", *, reads: bool = False) -> list[Attempt]:
        """Those that hold a place: all, or the caller's, or those that read."""
        found = [one for one in self.attempts if one.holds and (one.reads or not reads)]
        return [one for one in found if caller in ("", one.caller)]

    @property
    def waiting(self) -> list[Attempt]:
        """Those that wait."""
        return [one for one in self.attempts if one.waits]

    def check_bounds(self) -> None:
        """Never more than ``most`` hold a place, and reads leave one for each ten to others."""
        assert len(self.holders()) <= self.most
        assert len(self.holders(reads=True)) <= self.for_reads

    def check_turn(self, attempt: Attempt) -> None:
        """Between two places of one caller each other one that waited all the time had one too.

        A caller who had its full share meanwhile is passed over for so long.
        """
        earlier = max(self._began_by(attempt.caller, but=attempt), default=0)
        reads_are_full = not attempt.reads and len(self.holders(reads=True)) == self.for_reads
        for other in self.waiting:
            if other.caller != attempt.caller and not (other.reads and reads_are_full):
                full_at = self.full_at.get(other.caller, 0) if other.reads else 0
                if earlier > max(other.since, full_at):
                    assert max(self._began_by(other.caller), default=0) > earlier

    def _began_by(self, caller: str, but: Attempt | None = None) -> list[int]:
        """When calls of a caller got their places."""
        theirs = (one for one in self.attempts if one.caller == caller and one is not but)
        return [one.began for one in theirs if one.began is not None]

    def note_share(self, caller: str) -> None:
        """Remember when a caller had its full share."""
        if len(self.holders(caller, reads=True)) >= self.share:
            self.full_at[caller] = self.moments

    def check_nobody_waits_in_vain(self) -> None:
        """Whoever waits could not take a place that is free."""
        if len(self.holders()) == self.most:
            return
        for one in self.waiting:
            assert one.reads
            held = len(self.holders(one.caller, reads=True))
            assert len(self.holders(reads=True)) == self.for_reads or held >= self.share

    async def close(self) -> None:
        """Let all end at once."""
        self.is_slow = False
        for one in self.attempts:
            one.end.set()
        await asyncio.gather(
            *(one.task for one in self.attempts if one.task is not None), return_exceptions=True
        )


def test_so_many_run_and_no_more() -> None:
    """Of one caller's changes as many as there are places run at once, and the rest one by one."""

    async def play() -> None:
        world = World(3)
        calls = [world.ask("alice", reads=False) for _ in range(5)]
        await settled()
        assert [call.holds for call in calls] == [True] * 3 + [False] * 2
        calls[1].end.set()
        await settled()
        assert [call.holds for call in calls] == [True, False, True, True, False]
        await world.close()

    asyncio.run(play())


async def test_a_caller_who_waits_is_next() -> None:
    """However many calls of one caller wait, another caller's call has the second free place."""
    world = World(5)
    flood = [world.ask("mallory") for _ in range(500)]
    await settled()
    late = world.ask("alice")
    await settled()
    assert late.waits
    for ended in flood[:2]:
        ended.end.set()
    await settled()
    assert late.holds
    await world.close()


@pytest.mark.parametrize("reads", [True, False])
async def test_turns_are_those_of_reads_and_changes_together(reads: bool) -> None:
    """A caller's reads have their turn among another's changes, and its changes among reads."""
    world = World(1)
    flood = [world.ask("mallory", reads=not reads) for _ in range(5)]
    await settled()
    late = world.ask("alice", reads=reads)
    for ended in flood[:2]:
        await settled()
        ended.end.set()
    await settled()
    assert late.holds
    await world.close()


@pytest.mark.parametrize(("most", "kept"), [(1, 0), (2, 1), (9, 1), (10, 1), (100, 10)])
async def test_reads_leave_places_to_changes(most: int, kept: int) -> None:
    """Reads of many callers never have the last tenth of the places: a change has one at once."""
    world = World(most)
    reads = [world.ask(f"caller-{n}") for n in range(2 * most)]
    await settled()
    assert sum(read.holds for read in reads) == most - kept
    changes = [world.ask("alice", reads=False) for _ in range(kept + 1)]
    await settled()
    assert [change.holds for change in changes] == [True] * kept + [False]
    await world.close()


async def test_one_callers_reads_leave_places_to_other_callers() -> None:
    """Where the provider answers nothing, reads of callers who come later have places at once,
    and the caller who has the others gets the first of its own that ends."""
    world = World(100)
    flood = [world.ask("mallory") for _ in range(500)]
    await settled()
    assert sum(one.holds for one in flood) == 80
    neighbours = [world.ask(f"caller-{n}") for n in range(11)]
    await settled()
    assert [one.holds for one in neighbours] == [True] * 10 + [False]
    flood[0].end.set()
    await settled()
    assert neighbours[10].holds
    flood[1].end.set()
    await settled()
    assert flood[80].holds
    for neighbour in neighbours[:3]:
        neighbour.end.set()
    await settled()
    assert sum(one.holds for one in flood) == 80
    await world.close()


async def test_a_wait_has_a_limit() -> None:
    """A call that finds no place within the wait is refused, and holds nobody up afterwards."""
    world = World(1)
    first, second = world.ask("alice"), world.ask("bob")
    await settled()
    skip_time(WAIT)
    assert second.task is not None
    with pytest.raises(Overloaded):
        await second.task
    third = world.ask("bob")
    first.end.set()
    await settled()
    assert third.holds
    await world.close()


async def test_a_place_given_to_one_who_leaves_is_given_on() -> None:
    """A call that is cancelled in the moment in which it gets its place leaves it to the next."""
    world = World(1)
    first, second, third = (world.ask(name) for name in ("alice", "bob", "carol"))
    await settled()
    first.end.set()
    await settled(1)
    assert second.began is None  # it has the place, and has not run since
    assert second.task is not None
    second.task.cancel()
    await settled()
    assert (second.holds, third.holds) == (False, True)
    await world.close()


async def test_a_call_that_was_cancelled_gets_no_place() -> None:
    """A place that is free before a cancelled call has run goes to the next call."""
    world = World(1)
    first, second, third = (world.ask(name) for name in ("alice", "bob", "carol"))
    await settled()
    assert second.task is not None
    first.end.set()
    second.task.cancel()
    await settled()
    assert (second.holds, third.holds) == (False, True)
    await world.close()


class Name(str):
    """A caller's id that can be watched."""

    __slots__ = ("__weakref__",)


async def test_nothing_is_kept_of_callers_who_have_gone() -> None:
    """Once its calls have ended, were refused or cancelled, nothing of a caller is in memory."""
    limit, gone = ConcurrencyLimit(most=10, wait=WAIT), list[weakref.ref[Name]]()

    async def call(name: Name, reads: bool, end: asyncio.Event) -> None:
        async with limit.place(name, reads=reads):
            await end.wait()

    def start(number: int, end: asyncio.Event) -> "asyncio.Task[None]":
        name = Name(f"caller-{number % 40}")
        gone.append(weakref.ref(name))
        return asyncio.create_task(call(name, number % 3 > 0, end))

    end = asyncio.Event()
    tasks = [start(number, end) for number in range(200)]
    await settled()
    for task in tasks[::5]:
        task.cancel()
    end.set()
    await asyncio.wait(tasks)
    del task, tasks
    gc.collect()
    assert not limit.is_crowded
    assert [name for name in gone if name() is not None] == []


Act = Callable[[World, int], None]


def read(world: World, which: int) -> None:
    """One of three callers asks for a place for a read."""
    world.ask("abc"[which % 3])


def change(world: World, which: int) -> None:
    """One of three callers asks for a place for a change."""
    world.ask("abc"[which % 3], reads=False)


def end(world: World, which: int) -> None:
    """A call ends."""
    if holders := world.holders():
        holders[which % len(holders)].end.set()


def leave(world: World, which: int) -> None:
    """A call is cancelled: one that waits, or one that has a place, or is about to have it."""
    alive = [one for one in world.attempts if one.task is not None and not one.task.done()]
    if alive and (task := alive[which % len(alive)].task) is not None:
        task.cancel()


STEPS = st.lists(
    st.tuples(
        st.sampled_from([read, read, change, end, end, leave]),
        st.integers(0, 20),
        st.integers(0, 3),
    ),
    min_size=10,
    max_size=80,
)


MOST = st.sampled_from([1, 2, 3, 5, 10, 11])


@given(MOST, STEPS)
def test_in_any_order(most: int, steps: list[tuple[Act, int, int]]) -> None:
    """In any order: the bounds hold, nobody waits beside a place that they may take, and in the
    end all places are there again."""
    asyncio.run(play(World(most), steps))


@given(MOST, STEPS)
def test_turns_go_round(most: int, steps: list[tuple[Act, int, int]]) -> None:
    """Between two calls of a caller each other caller who waits gets a place."""
    asyncio.run(play(World(most, is_slow=True), steps))


async def play(world: World, steps: list[tuple[Act, int, int]]) -> None:
    """Take the steps, with so many turns of the event loop after each, and let everything end."""
    for act, which, turns in steps:
        act(world, which)
        await settled(12 if world.is_slow else turns)
        if world.is_slow or turns == 12:
            world.check_nobody_waits_in_vain()
    await world.close()
    for one in world.attempts:
        assert one.task is not None
        assert one.task.cancelled() or one.task.exception() is None
    assert not world.limit.is_crowded
    assert_all_are_free(world)


def assert_all_are_free(world: World) -> None:
    """As many places can be taken as there were, and not one more."""
    taken = [world.limit.take("x", reads=False) for _ in range(world.most + 1)]
    assert taken == [True] * world.most + [False]
