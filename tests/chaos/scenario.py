"""The run: clients that repeat until they know their card, while the gateway is being killed."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import httpx

from tests.chaos.servers import Servers
from tests.chaos.verdict import Result
from tests.stack import ISSUE, issue_input
from tests.waiting import PATIENCE

FAULTS = {
    "drop_after_chance": 0.2,
    "drop_before_chance": 0.1,
    "status_chance": 0.05,
    "status": 503,
    "token_lifetime": 2,
    "latency_spread": 0.05,
}
"""What goes wrong at the provider; the latency lets calls be killed while they are worked on."""
NEW, REPLAYED = "a card", "a card, replayed"


@dataclass(frozen=True)
class Scenario:
    """How much of it. ``patience`` is for how many seconds a client repeats one operation; when it
    gives up, all do.
    """

    operations: int = 1000
    clients: int = 50
    kills: int = 3
    seed: int = 1
    patience: float = PATIENCE

    def kill_points(self) -> set[int]:
        """After how many finished operations the gateway is killed: spread over the run."""
        return {self.operations * nth // (self.kills + 1) for nth in range(1, self.kills + 1)}


class Run:
    """One run of a scenario; ``watch`` is called whenever its result has grown."""

    def __init__(
        self, scenario: Scenario, servers: Servers, watch: Callable[[Result], None]
    ) -> None:
        bits = Random(scenario.seed).getrandbits
        self.result = Result(
            [str(UUID(int=bits(128), version=4)) for _ in range(scenario.operations)]
        )
        self._scenario = scenario
        self._servers = servers
        self._watch = watch
        self._kills: list[asyncio.Task[None]] = []
        self._killing = asyncio.Lock()
        self._given_up = False
        self._tls = ssl.create_default_context()  # one for all clients: it is slow to make

    async def play(self) -> Result:
        """Issue all cards under chaos; then, with nothing wrong any more, ask for them again."""
        result, servers, started = self.result, self._servers, time.monotonic()
        await self._by_all_clients(self._issue)
        await asyncio.gather(*self._kills)
        result.seconds = time.monotonic() - started
        result.ledger = await asyncio.to_thread(servers.ledger)

        await asyncio.to_thread(servers.set_faults)
        # A gateway that remembers nothing: the provider itself must know every card again.
        result.exit_code = await asyncio.to_thread(servers.renew_gateway)
        await self._by_all_clients(self._repeat)
        result.final_ledger = await asyncio.to_thread(servers.ledger)
        return result

    async def _by_all_clients(self, act: Callable[["_Client", str], Awaitable[None]]) -> None:
        keys = iter(self.result.keys)
        clients = (self._work(nth, keys, act) for nth in range(self._scenario.clients))
        await asyncio.gather(*clients)

    async def _work(
        self, nth: int, keys: Iterator[str], act: Callable[["_Client", str], Awaitable[None]]
    ) -> None:
        http = httpx.AsyncClient(
            base_url=self._servers.gateway_url, verify=self._tls, trust_env=False
        )
        async with http:
            client = _Client(http, Random(f"{self._scenario.seed} {nth}"))
            for key in keys:
                if self._given_up:
                    return
                await act(client, key)

    async def _issue(self, client: "_Client", key: str) -> None:
        card = await self._insist(client, key, self.result.seen)
        if card is None:
            return
        self.result.cards[key] = card
        if len(self.result.cards) in self._scenario.kill_points():
            self._kills.append(asyncio.create_task(self._kill()))
        self._watch(self.result)

    async def _repeat(self, client: "_Client", key: str) -> None:
        if card := await self._insist(client, key, self.result.seen_in_the_end):
            self.result.repeated[key] = card

    async def _insist(self, client: "_Client", key: str, seen: Counter[str]) -> str | None:
        deadline = time.monotonic() + self._scenario.patience
        attempts = 0
        while not self._given_up:
            attempts += 1
            what, card = await client.issue(key)
            seen[what] += 1
            if card:
                return card
            self._watch(self.result)
            await client.pause(attempts)
            if time.monotonic() > deadline:
                self._given_up = True
        return None

    async def _kill(self) -> None:
        async with self._killing:
            await asyncio.to_thread(self._servers.kill_gateway)
        self.result.kills += 1
        self._watch(self.result)


class _Client:
    """A frontend with its own connections, and little patience for a single answer."""

    def __init__(self, http: httpx.AsyncClient, chance: Random) -> None:
        self._http = http
        self._chance = chance

    async def pause(self, attempts: int) -> None:
        """Wait a little before the next attempt, longer and longer up to a second."""
        await asyncio.sleep(self._chance.uniform(0, min(1.0, 0.05 * 2.0**attempts)))

    async def issue(self, key: str) -> tuple[str, str | None]:
        """Ask once for the card of a key: what came, and the card's id if that was it."""
        timeout = self._chance.uniform(0.5, 5)
        body = {"query": ISSUE, "variables": issue_input(idempotencyKey=key)}
        try:
            response = await self._http.post("/graphql", json=body, timeout=timeout)
        except httpx.TransportError as error:
            return type(error).__name__, None
        if response.status_code != 200:
            return f"HTTP {response.status_code}", None
        return _read(response.json(), key)


def _read(body: Any, key: str) -> tuple[str, str | None]:
    if "errors" in body:
        return body["errors"][0]["extensions"]["code"], None
    result = body["data"]["issueVirtualCard"]
    if result["__typename"] != "IssueVirtualCardSuccess":
        return result["code"], None
    if result["idempotencyKey"] != key:
        return "another key's card", None
    return REPLAYED if result["replayed"] else NEW, result["card"]["id"]
