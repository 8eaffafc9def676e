"""Callers share the event loop: what one sends at once does not begin at once."""

import asyncio
import time

from gateway.turns import PORTION, Turns
from tests.waiting import waiting_for

ALIASES = 80
CARDS = (
    f"query({','.join(f'$v{n}: ID!' for n in range(ALIASES))}) "
    f"{{ {' '.join(f'c{n}: card(id: $v{n}) {{ id }}' for n in range(ALIASES))} }}"
)


class Work:
    """Work that takes two portions each time, and who began when."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.begun: list[str] = []

    async def do(self, caller: str) -> None:
        """Wait for a turn, and keep the loop busy."""
        await self.turns.wait(caller)
        self.begun.append(caller)
        until = time.perf_counter() + 2 * PORTION
        while time.perf_counter() < until:
            pass


async def test_callers_take_turns_on_the_event_loop() -> None:
    """Of many pieces of work one begins in each iteration, the callers' in turn."""
    work = Work()
    many = [asyncio.create_task(work.do("mallory")) for _ in range(20)]
    others = [asyncio.create_task(work.do(name)) for name in ("alice", "bob")]
    async with waiting_for("all of it"):
        await asyncio.gather(*many, *others)
    assert work.begun[:6] == ["mallory", "mallory", "alice", "bob", "mallory", "mallory"]


async def test_others_run_between_two_turns() -> None:
    """While work waits for its turns, everything else has the loop after each piece of it."""
    work = Work()
    tasks = [asyncio.create_task(work.do("mallory")) for _ in range(10)]
    seen = set()
    async with waiting_for("all of it"):
        while not all(task.done() for task in tasks):
            seen.add(len(work.begun))
            await asyncio.sleep(0)
    assert seen >= set(range(1, 10))


async def test_who_leaves_loses_nobodys_turn() -> None:
    """Work that is cancelled while it waits holds nobody up."""
    work = Work()
    tasks = [asyncio.create_task(work.do("mallory")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks[1:4]:
        task.cancel()
    async with waiting_for("the last"):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert work.begun == ["mallory"] * 2
