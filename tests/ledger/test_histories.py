"""Random histories of two processes on one store, held to what must never happen."""

import asyncio
import uuid
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import errors
from gateway.ledger import Engine, Store
from gateway.ledger.ledger import Ledger
from tests.examples import examples
from tests.ledger.world import LOST, MINUTE, A, FaultyEngine, Process, World, world_of

KEYS = [uuid.UUID(int=number) for number in (1, 2)]
ENDINGS: list[Any] = ["card", "lost after", "lost before", LOST, errors.Refused("no")]
STEP = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 1), st.integers(0, 1)),  # process, key
    st.tuples(st.just("turns"), st.integers(1, 12)),
    st.tuples(st.just("ending"), st.integers(0, len(ENDINGS) - 1)),
    st.tuples(st.just("minutes"), st.sampled_from([1, 10, 30, 44, 46, 59, 61, 76, 300])),
    st.tuples(st.just("hold"), st.booleans()),
    st.tuples(st.just("crash"), st.integers(0, 1)),
    st.tuples(st.just("fail"), st.integers(0, 1), st.sampled_from(["before", "after", ""])),
    st.tuples(st.just("list fails"), st.booleans()),
)


class SharedEngine:
    """A store in memory that several processes share, and that outlives them."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._started = False

    async def start(self, *arguments: Any) -> None:
        """Start it once."""
        if not self._started:
            self._started = True
            await self._inner.start(*arguments)

    async def execute(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        """Run a statement, after others had their turn."""
        await asyncio.sleep(0)
        rows = await self._inner.execute(statement, values)
        await asyncio.sleep(0)
        return rows

    async def aclose(self) -> None:
        """Nothing: the others go on."""


class History:
    """Two processes, what their clients were told, and what must hold of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shared = SharedEngine(world.engine())
        self.processes: list[Process] = []
        self.engines: list[FaultyEngine] = []
        self.asked: list[tuple[Process, asyncio.Task[Any]]] = []
        self.told: dict[uuid.UUID, set[str]] = {key: set() for key in KEYS}

    async def start(self, number: int) -> None:
        """Start a process, in the place of an earlier one."""
        engine = FaultyEngine(self.shared)
        store = Store(engine, self.world.windows, is_complete=True)
        now = self.world.now
        ledger = Ledger[str](
            store, clocks_agree=lambda: True, runtime=now.runtime(), emit=lambda _: None
        )
        await ledger.start()
        self.processes[number:number] = [Process(self.world, ledger, store)]
        self.engines[number:number] = [engine]

    async def crash(self, number: int) -> None:
        """Kill a process: nothing of it runs on."""
        process = self.processes.pop(number)
        self.engines.pop(number)
        for asked_of, task in self.asked:
            if asked_of is process:
                task.cancel()
        await process.ledger.aclose(0)
        await self.start(number)

    async def step(self, what: str, *how: Any) -> None:
        """One thing that happens."""
        provider = self.world.provider
        match what, *how:
            case "ask", number, key:
                await self.ask(self.processes[number], KEYS[key])
            case "turns", turns:
                for _ in range(turns):
                    await asyncio.sleep(0)
            case "ending", ending:
                provider.ending = ENDINGS[ending]
            case "minutes", minutes:
                self.world.now.time += minutes * MINUTE
            case "hold", held:
                provider.gate.clear() if held else provider.gate.set()
            case "crash", number:
                await self.crash(number)
            case "fail", number, when:
                engine = self.engines[number]
                engine.before = ("INSERT", "UPDATE", "DELETE") if when == "before" else ()
                engine.after = ("INSERT", "UPDATE", "DELETE") if when == "after" else ()
            case "list fails", fails:
                provider.list_fails = fails
        self.check()

    async def ask(self, process: Process, key: uuid.UUID) -> None:
        """A client sends its click."""
        task = asyncio.create_task(self.remember(process, key))
        self.asked.append((process, task))

    async def remember(self, process: Process, key: uuid.UUID) -> None:
        """What a client is told."""
        try:
            found = await process.ask(key, A)
        except errors.NotExecuted:
            self.told[key].add("not executed")
        except errors.Refused:
            return
        except errors.IdempotencyConflict:
            self.told[key].add("a conflict with its own input")
        except errors.GatewayError:
            return
        else:
            self.told[key].add(str(found.card_id))

    def check(self) -> None:
        """What must hold at every moment."""
        made = list(self.world.provider.made_by.values())
        for key in KEYS:
            assert made.count(key) <= 1, "two cards for one click"
            cards = {card for card, by in self.world.provider.made_by.items() if by == key}
            told = self.told[key]
            assert told <= {str(card) for card in cards} | {"not executed"}, "a foreign card"
            assert not (cards and "not executed" in told), "had no effect, and has a card"

    async def end(self) -> None:
        """All faults end: within days everything is known."""
        provider = self.world.provider
        provider.gate.set()
        provider.ending, provider.list_fails = "card", False
        for number, engine in enumerate(self.engines):
            engine.before = engine.after = ()
            await self.step("crash", number)
        await asyncio.gather(*[task for _, task in self.asked], return_exceptions=True)
        self.asked.clear()
        self.world.now.time += 26 * 60 * MINUTE
        for key in KEYS:
            await self.ask(self.processes[0], key)
            await asyncio.gather(*[task for _, task in self.asked])
            self.check()


@settings(max_examples=examples(2))
@given(st.lists(STEP, max_size=40))
def test_no_history_makes_two_cards_of_one_click(steps: list[Any]) -> None:
    """Whatever is lost, late, killed or failing: one card for a key, and nobody is told a lie."""
    asyncio.run(play(steps, History))


H = TypeVar("H", bound=History)


async def play(steps: list[Any], kind: type[H]) -> H:
    """Play a history to its end."""
    async with world_of("memory", Path()) as world:
        history = kind(world)
        for number in range(2):
            await history.start(number)
        for step in steps:
            await history.step(*step)
        await history.end()
        for process in history.processes:
            await process.ledger.aclose(0)
    return history


def test_the_examples_are_not_all_quiet() -> None:
    """A history by hand meets what the random ones are to meet: a take-over, and a late answer."""

    async def by_hand() -> int:
        async with world_of("memory", Path()) as world:
            history = History(world)
            for number in range(2):
                await history.start(number)
            await history.step("ending", 1)
            await history.step("ask", 0, 0)
            await history.step("turns", 12)
            await history.step("ending", 0)
            await history.step("ask", 1, 0)
            await history.step("turns", 40)
            await history.end()
            calls = len(world.provider.calls)
            for process in history.processes:
                await process.ledger.aclose(0)
            return calls

    assert asyncio.run(by_hand()) == 3
