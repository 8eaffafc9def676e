"""The run: clients that repeat until they know their card, while processes are being killed."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import httpx

from tests.chaos.client import Answer, Client
from tests.chaos.disturbances import Disturber, kinds, plan
from tests.chaos.ledgers import ENGINES
from tests.chaos.life import STEPS, Life
from tests.chaos.servers import Servers
from tests.chaos.verdict import Result
from tests.waiting import PATIENCE

FAULTS: dict[str, Any] = {
    "drop_after_chance": 0.2,
    "drop_before_chance": 0.1,
    "status_chance": 0.05,
    "status": 503,
    "token_lifetime": 2,
    "latency_spread": 0.05,
}
"""What goes wrong at the provider; the latency lets calls be killed while they are worked on."""


@dataclass(frozen=True)
class Scenario:
    """How much of it. Each card in so many, ``lives``, is used and terminated after its issue.
    ``disturbances`` is how often each kind of them happens, and ``patience`` for how many seconds a
    client repeats one operation; when it gives up, all do.
    """

    operations: int = 1000
    clients: int = 50
    replicas: int = 2
    workers: int = 2
    engine: str = field(default="sqlite", metadata={"choices": ENGINES})
    lives: int = 10
    disturbances: int = 2
    seed: int = 1
    patience: float = PATIENCE

    @property
    def kinds(self) -> list[str]:
        """What is done to the processes."""
        return kinds(self.engine, self.workers)

    def plan(self) -> dict[int, str]:
        """After how many finished operations what is done."""
        return plan(self.kinds * self.disturbances, self.operations, self.seed)


class Run:
    """One run of a scenario; ``watch`` is called whenever its result has grown."""

    def __init__(
        self, scenario: Scenario, servers: Servers, watch: Callable[[Result], None]
    ) -> None:
        bits = Random(scenario.seed).getrandbits
        self._keys = [str(UUID(int=bits(128), version=4)) for _ in range(scenario.operations)]
        self._disturber = Disturber(servers, FAULTS, scenario.seed)
        repeated: list[dict[str, str]] = [{} for _ in servers.replicas]
        self.result = Result(self._keys, repeated=repeated, disturbances=self._disturber.done)
        self._scenario = scenario
        self._servers = servers
        self._watch = watch
        self._plan = scenario.plan()
        self._given_up = False
        self._tls = ssl.create_default_context()  # one for all clients: it is slow to make

    async def play(self) -> Result:
        """Issue all cards under chaos; then, with nothing wrong any more, ask for them again."""
        result, servers, started = self.result, self._servers, time.monotonic()
        async with self._restarts():
            await self._by_all_clients(self._issue)
            await self._disturber.finish()
        result.seconds = time.monotonic() - started
        result.ledger = await asyncio.to_thread(servers.ledger)

        await asyncio.to_thread(servers.set_faults)
        result.exit_codes = await servers.renew()
        await self._by_all_clients(self._repeat)
        await asyncio.to_thread(self._look_at_cards)
        result.final_ledger = await asyncio.to_thread(servers.ledger)
        result.rows, result.is_certain = await asyncio.to_thread(servers.shared.contents)
        return result

    @asynccontextmanager
    async def _restarts(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._disturber.restart_for_ever())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _by_all_clients(self, act: Callable[[Client, str], Awaitable[None]]) -> None:
        keys = iter(self._keys)
        clients = (self._work(nth, keys, act) for nth in range(self._scenario.clients))
        await asyncio.gather(*clients)

    async def _work(
        self, nth: int, keys: Iterator[str], act: Callable[[Client, str], Awaitable[None]]
    ) -> None:
        urls = [replica.url for replica in self._servers.replicas]
        async with httpx.AsyncClient(verify=self._tls, trust_env=False) as http:
            client = Client(http, urls, Random(f"{self._scenario.seed} {nth}"))
            for key in keys:
                if self._given_up:
                    return
                await act(client, key)

    async def _issue(self, client: Client, key: str) -> None:
        answer = await self._insist(client, partial(client.issue, key), self.result.seen)
        if answer is None:
            return
        if answer.card:
            self.result.cards[key] = answer.card
        else:
            self.result.failures[key] = answer.what
        if kind := self._plan.pop(self.result.finished, None):
            self._disturber.begin(kind)
        self._watch(self.result)
        if answer.card and self._keys.index(key) % self._scenario.lives == 0:
            await self._live(client, Life(key, answer.card))

    async def _repeat(self, client: Client, key: str) -> None:
        for replica, repeated in enumerate(self.result.repeated):
            ask, seen = partial(client.issue, key, replica), self.result.seen_in_the_end
            answer = await self._insist(client, ask, seen)
            if answer and answer.card:
                repeated[key] = answer.card
        if key in self.result.lives:
            await self._repeat_life(client, self.result.lives[key])

    async def _live(self, client: Client, life: Life) -> None:
        """Go on with a card until it is terminated."""
        self.result.lives[life.key] = life
        while len(life.told) < len(STEPS) and not self._given_up:
            number = len(life.told)
            ask = partial(client.move, STEPS[number].move, life.input_of(number))
            answer = await self._insist(client, ask, self.result.seen)
            if answer is None or not answer.card:
                life.failure = f"{STEPS[number].move}: {answer.what if answer else 'too late'}"
                return
            life.told.append(answer.card)
            if number == 0:
                await self._wait_for_issue(client, life.card)

    async def _wait_for_issue(self, client: Client, card: str) -> None:
        """What is refused while the card is still being issued stays so under its key."""
        while not self._given_up and (await client.card(card)).get("status") != "ACTIVE":
            await client.pause(1)

    async def _repeat_life(self, client: Client, life: Life) -> None:
        """Nothing of it is done once more."""
        for number in range(len(life.told)):
            ask = partial(client.move, STEPS[number].move, life.input_of(number), 0)
            answer = await self._insist(client, ask, self.result.seen_in_the_end)
            life.repeated.append(answer.what if answer else "nothing")
        life.transactions = len((await client.card(life.card)).get("transactions") or ())

    def _look_at_cards(self) -> None:
        for life in self.result.lives.values():
            life.changes = self._servers.changes(life.card)

    async def _insist(
        self, client: Client, ask: Callable[[], Awaitable[Answer]], seen: Counter[str]
    ) -> Answer | None:
        """Ask until there is a card or a failure for good; None: it takes too long."""
        deadline = time.monotonic() + self._scenario.patience
        attempts = 0
        while not self._given_up:
            attempts += 1
            answer = await ask()
            seen[answer.what] += 1
            if answer.card or answer.is_final:
                return answer
            self._watch(self.result)
            await client.pause(attempts)
            if time.monotonic() > deadline:
                self._given_up = True
        return None
