"""Documents that are new are prepared one at a time, the callers in turn."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import Overloaded
from gateway.graphql.preparation import MOST_WAITING, PreparationQueue
from tests.hostile_documents import many_aliases
from tests.stack import CARD, running
from tests.waiting import PATIENCE, skip_time, waiting_for

NOBODY = "123e4567-e89b-12d3-a456-426614174000"


class Line:
    """A queue, and the names of what was prepared by it."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.queue = PreparationQueue[None](patience)
        self.prepared: list[str] = []
        self.times: list[tuple[float, float]] = []

    async def ask(self, caller: str, name: str, seconds: float = 0.0) -> None:
        """Have something prepared that takes so long."""

        def prepare() -> None:
            began = time.perf_counter()
            while time.perf_counter() < began + seconds:
                pass
            self.prepared.append(name)
            self.times.append((began, time.perf_counter()))

        await self.queue.run(caller, name, prepare)


async def begun(*asked: Awaitable[None]) -> list[asyncio.Task[None]]:
    """Tasks for these, in this order, all of which have begun."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    await asyncio.sleep(0)
    return tasks


async def test_callers_take_turns() -> None:
    """A caller with one document does not wait for all those of a caller with many."""
    line = Line()
    many = [line.ask("mallory", f"m{i}") for i in range(20)]
    async with waiting_for("all of them"):
        await asyncio.gather(*await begun(*many, line.ask("alice", "a"), line.ask("bob", "b")))
    assert line.prepared[:5] == ["m0", "m1", "a", "b", "m2"]


async def test_the_loop_has_as_much_time_between() -> None:
    """Each preparation begins at the earliest as long after the last as that one took."""
    line = Line()
    async with waiting_for("all of them"):
        await asyncio.gather(*(line.ask("m", f"{i}", 0.02) for i in range(4)))
    for (began, ended), (following, _) in zip(line.times, line.times[1:], strict=False):
        assert following - ended >= 0.9 * (ended - began)


async def test_a_caller_has_few_waiting() -> None:
    """Beyond a number of documents a caller is refused, and may come back; others are not."""
    line = Line()
    tasks = await begun(*(line.ask("mallory", f"m{i}") for i in range(MOST_WAITING + 1)))
    with pytest.raises(Overloaded) as caught:
        await line.ask("mallory", "one more")
    assert caught.value.retryable
    async with waiting_for("all of them"):
        await asyncio.gather(line.ask("alice", "a"), *tasks)
    assert "a" in line.prepared[:3]
    assert len(line.prepared) == MOST_WAITING + 2


async def test_who_leaves_holds_nobody_up() -> None:
    """A request that is cancelled while it waits, or when its turn comes, leaves its turn."""
    line = Line()
    first, second, third = await begun(*(line.ask("m", name, 0.01) for name in "abc"))
    await first
    second.cancel()
    async with waiting_for("the third"):
        await third
    assert line.prepared == ["a", "c"]


async def test_who_left_costs_the_caller_no_turn() -> None:
    """A caller of whom many requests were given up has its next turn as if they had never been."""
    line = Line()
    first, *left = await begun(*(line.ask("alice", f"a{i}", 0.01) for i in range(11)))
    for one in left:
        one.cancel()
    others = [line.ask("mallory", f"m{i}") for i in range(5)]
    async with waiting_for("all of them"):
        await asyncio.gather(first, *await begun(line.ask("alice", "last"), *others))
    assert line.prepared[:2] == ["a0", "last"]


async def test_who_left_makes_room() -> None:
    """Requests that were given up are not among the documents that a caller may have waiting."""
    line = Line()
    waiting = (line.ask("alice", f"a{i}", 0.1) for i in range(MOST_WAITING + 1))
    first, *left = await begun(*waiting)
    for one in left:
        one.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    async with waiting_for("both"):
        await asyncio.gather(first, line.ask("alice", "last"))
    assert line.prepared == ["a0", "last"]


async def test_a_text_that_many_wait_for_is_prepared_once() -> None:
    """After a start all callers send the same text: it is prepared once, at the first turn of any,
    and a caller's own other texts do not hold up those who wait for it too."""
    line = Line()
    many = [line.ask("mallory", f"m{i}") for i in range(MOST_WAITING)]
    crowd = [line.ask(f"caller {i % 3}", "shared") for i in range(300)]
    async with waiting_for("all of them"):
        await asyncio.gather(*await begun(*many, line.ask("mallory", "shared"), *crowd))
    assert line.prepared.count("shared") == 1
    assert "shared" in line.prepared[:3]


async def test_a_fault_is_told_to_all_who_wait() -> None:
    """What preparing raises reaches each of them, and the next text has its turn."""
    line = Line()

    def fails() -> None:
        raise RuntimeError("canary")

    async with waiting_for("all of them"):
        first = await begun(line.ask("m", "a"))
        failed = await begun(*(line.queue.run(name, "bad", fails) for name in "abc"))
        last = await begun(line.ask("m", "b"))
        results = await asyncio.gather(*failed, return_exceptions=True)
        await asyncio.gather(*first, *last)
    assert [type(one) for one in results] == [RuntimeError] * 3
    assert line.prepared == ["a", "b"]


async def test_patience_ends() -> None:
    """Who waits longer than a query may take is refused, and may come back."""
    line = Line(patience=60)
    tasks = await begun(*(line.ask("m", f"{i}") for i in range(4)))
    skip_time(61)
    async with waiting_for("the refusals"):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [type(None)] + [Overloaded] * 3
    async with waiting_for("a turn"):
        await line.ask("m", "later")
    assert line.prepared[-1] == "later"
    assert "3" not in line.prepared


@pytest.mark.slow
async def test_known_documents_do_not_wait() -> None:
    """A request with a known document is answered while many new ones wait for each other."""
    done: list[str] = []

    async def told(name: str, ask: Callable[[], Awaitable[object]]) -> None:
        await ask()
        done.append(name)

    async with running() as stack:
        await stack.card(NOBODY)
        new = [told("new", lambda i=i: stack.post(*many_aliases(i))) for i in range(12)]  # type: ignore[misc]
        known = told("known", lambda: stack.post(CARD, {"id": NOBODY}))
        async with waiting_for("all answers"):
            await asyncio.gather(*new, known)
    assert done.index("known") < 4
