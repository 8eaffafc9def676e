"""A world for the ledger: a clock, a store, processes that share it, and a provider with cards.

The provider remembers a key for an hour and refuses signatures that have expired, as the real one
is believed to do; whatever it makes can be counted.
"""

import asyncio
import contextlib
import math
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway import errors
from gateway.events import Event
from gateway.ledger import (
    AccountCard,
    Actions,
    CallResult,
    Claim,
    Click,
    Engine,
    Ledger,
    MemoryEngine,
    Reached,
    Replay,
    SqliteEngine,
    Store,
    TargetState,
    Windows,
    time_of,
)
from gateway.ledger.postgres import PostgresEngine
from gateway.ledger.refusals import unknown
from gateway.runtime import Runtime
from tests.postgres import needs_server

START, MINUTE, HOUR, DAY = 1_800_000_000.0, 60.0, 3600.0, 86_400.0
A, B = b"input a".ljust(32), b"input b".ljust(32)
ACCOUNT = uuid.UUID(int=7)
DURABLE = ("sqlite", pytest.param("postgres", marks=[pytest.mark.process, needs_server]))
ENGINES = ("memory", *DURABLE)
LOST = unknown(in_flight=False, key_known=False)


@dataclass
class Now:
    """A clock that the test moves; whoever waits moves it, too."""

    time: float = START

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Waiting is only moving the clock."""
        self.time += seconds
        await asyncio.sleep(0)

    def runtime(self) -> Runtime:
        """This clock as the time of a process."""
        return Runtime(now=self, clock=self, sleep=self.sleep)


@dataclass
class Provider:
    """Makes cards, once for each key within an hour; ``ending`` is how the next calls end.

    ``card`` answers with it, ``lost after`` and ``lost before`` lose the answer or the request, an
    exception is raised without effect. ``gate`` holds calls before they arrive.
    """

    now: Callable[[], float]
    ending: Any = "card"
    calls: list[Claim] = field(default_factory=list)
    cards: dict[uuid.UUID, AccountCard] = field(default_factory=dict)
    made_by: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    remembered: dict[uuid.UUID, tuple[float, uuid.UUID]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    lists: int = 0
    list_fails: bool = False
    state: Reached = Reached.NOT_YET
    changed: float = math.inf
    confirms: bool = True

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(self, claim: Claim) -> CallResult[str]:
        """Carry a call out under its claim."""
        self.calls.append(claim)
        self.called.set()
        ending, expires = self.ending, claim.not_after(Runtime(now=self.now, clock=self.now))
        await self.gate.wait()
        if isinstance(ending, BaseException):
            raise ending
        if ending == "lost before" or self.now() > expires:
            raise LOST.worded(LOST.message)
        card = self._make(claim.key)
        if ending == "lost after":
            raise LOST.worded(LOST.message)
        return CallResult("card", card)

    async def wait_for_calls(self, count: int = 1) -> None:
        """Wait until so many calls have left."""
        while len(self.calls) < count:
            self.called.clear()
            await self.called.wait()

    def _make(self, key: uuid.UUID) -> uuid.UUID:
        made, card = self.remembered.get(key, (-math.inf, uuid.uuid4()))
        if self.now() - made >= HOUR:
            card = self.add()
            self.made_by[card] = key
            self.remembered[key] = (self.now(), card)
        return card

    def add(self, confirms: bool = True) -> uuid.UUID:
        """A card of the account, whoever asked for it."""
        card = uuid.uuid4()
        self.cards[card] = AccountCard(card, self.now(), confirms and self.confirms, str(card))
        return card

    async def list_cards(self) -> list[AccountCard]:
        """All cards of the account."""
        self.lists += 1
        if self.list_fails:
            raise errors.ProviderUnavailable("no")
        return list(self.cards.values())

    async def read_state(self) -> TargetState:
        """How the card of a move stands."""
        return TargetState(self.state, self.changed, f"card {self.state.name}")


@dataclass
class Process:
    """A gateway's ledger on the store of the world."""

    world: "World"
    ledger: Ledger[str]
    store: Store

    async def ask(
        self, key: uuid.UUID | None = None, bound: bytes = A, **about: Any
    ) -> CallResult[str] | Replay:
        """Use a key, as a request does."""
        key = key or self.world.key
        provider = self.world.provider
        account = None if "target" in about else about.pop("account", ACCOUNT)
        about = {"time": time_of(key)} | about
        operation = about.pop("operation", "issueVirtualCard")
        click = Click(key, operation, bound, account=account, **about)
        cards = None if account is None else provider.list_cards
        actions = Actions(provider.send, cards, None if account else provider.read_state)
        return await self.ledger.run(click, actions, await self.ledger.look(key))

    def start(self, *arguments: Any, **about: Any) -> asyncio.Task[CallResult[str] | Replay]:
        """Use a key without waiting."""
        return asyncio.create_task(self.ask(*arguments, **about))

    async def held(self, *arguments: Any, **about: Any) -> asyncio.Task[CallResult[str] | Replay]:
        """Use a key; its call has left and is held, until the provider's gate is open again."""
        provider = self.world.provider
        provider.gate.clear()
        calls = len(provider.calls)
        task = self.start(*arguments, **about)
        await provider.wait_for_calls(calls + 1)
        return task

    async def told(self, *arguments: Any, **about: Any) -> errors.GatewayError:
        """The error that is told."""
        try:
            found = await self.ask(*arguments, **about)
        except errors.GatewayError as error:
            return error
        raise AssertionError(found)


@dataclass
class World:
    """All that a test needs; ``process`` adds another gateway on the same store."""

    kind: str
    folder: Path
    windows: Windows
    url: str = ""
    size: int | None = None
    account_limit: int | None = None
    now: Now = field(default_factory=Now)
    key: uuid.UUID = field(default_factory=uuid.uuid4)
    clocks_agree: bool = True
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.provider = Provider(self.now)
        self._open: list[Process] = []

    def engine(self) -> Engine:
        """A connection to the store."""
        if self.kind == "memory":
            return MemoryEngine(self.now)
        if self.kind == "postgres":
            return MovedPostgres(self.url, self.now)
        return SqliteEngine(self.folder / "ledger.db", self.now, deadline=60)

    async def process(self, engine: Engine | None = None) -> Process:
        """A gateway that has just been started."""
        complete = self.kind != "memory"
        store = Store(
            engine or self.engine(),
            self.windows,
            is_complete=complete,
            size=self.size,
            account_limit=self.account_limit,
        )
        ledger = Ledger[str](
            store,
            clocks_agree=lambda: self.clocks_agree,
            runtime=self.now.runtime(),
            emit=self.events.append,
        )
        await ledger.start()
        self._open.append(process := Process(self, ledger, store))
        return process

    async def restart(self, process: Process) -> Process:
        """End a gateway in order, and start another one."""
        await self.end(process)
        return await self.process()

    async def end(self, process: Process) -> None:
        """End a gateway."""
        self._open.remove(process)
        await process.ledger.aclose(60)

    async def aclose(self) -> None:
        """End all gateways."""
        for process in list(self._open):
            await process.ledger.aclose(0)

    @property
    def made(self) -> int:
        """How many cards were made by calls."""
        return len(self.provider.made_by)


@contextlib.asynccontextmanager
async def world_of(
    kind: str, folder: Path, *, size: int | None = None, uncertain: float = 0.0, url: str = ""
) -> AsyncIterator[World]:
    """A world that ends with the block."""
    world = World(kind, folder, Windows(uncertain_for=uncertain), url, size)
    try:
        yield world
    finally:
        world.provider.gate.set()
        await world.aclose()


def url_for(request: pytest.FixtureRequest) -> str:
    """A database with a clock for a fixture whose parameter is ``postgres``; else nothing."""
    if request.param != "postgres":
        return ""
    url = str(request.getfixturevalue("database"))
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in CLOCK:
            connection.execute(statement)
    return url


class MovedPostgres:
    """The engine on PostgreSQL, whose server reads the time from a table."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self._inner = PostgresEngine(url, deadline=60, now="test_clock()")
        self._now = now
        self._shown = 0.0
        self._showing = asyncio.Lock()

    async def start(self, schema: Any, new_store: str, values: Any) -> None:
        """Start the engine at the test's time."""
        await self._show()
        await self._inner.start(schema, new_store, values)

    async def execute(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        """Run a statement at the test's time."""
        await self._show()
        return await self._inner.execute(statement, values)

    async def _show(self) -> None:
        # One after the other: no statement may run before the server shows the time.
        async with self._showing:
            now = self._now()
            if now != self._shown:
                await self._inner.execute("UPDATE test_now SET now = :now", {"now": now})
                self._shown = now

    async def aclose(self) -> None:
        """Close the engine."""
        await self._inner.aclose()


CLOCK = (
    "CREATE TABLE test_now (now double precision)",
    "INSERT INTO test_now VALUES (0)",
    "CREATE FUNCTION test_clock() RETURNS double precision VOLATILE LANGUAGE sql "
    "AS 'SELECT now FROM test_now'",
)


class FaultyEngine:
    """An engine whose statements fail as the test says: before they are carried out, or after.

    ``before`` and ``after`` hold words that the statements begin with.
    """

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.before: tuple[str, ...] = ()
        self.after: tuple[str, ...] = ()

    async def start(self, *arguments: Any) -> None:
        """Start the engine behind it."""
        await self._inner.start(*arguments)

    async def execute(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        """Run the statement, or fail."""
        if statement.startswith(self.before):
            raise errors.LedgerUnavailable("The ledger did not answer in time.")
        rows = await self._inner.execute(statement, values)
        if statement.startswith(self.after):
            raise errors.LedgerUnavailable("The ledger did not answer in time.")
        return rows

    async def aclose(self) -> None:
        """Close the engine behind it."""
        await self._inner.aclose()
