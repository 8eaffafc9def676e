"""The end of a process: what is in flight is finished, and nothing is lost."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.pair import Pair, pair
from tests.stack import ISSUE, issue_input

CLICKS = 100


async def click(client: httpx.AsyncClient, url: str) -> Any:
    """One click, answered."""
    body = {"query": ISSUE, "variables": issue_input()}
    return (await client.post(f"{url}/graphql", json=body)).json()["data"]["issueVirtualCard"]


async def clicks_in_flight(client: httpx.AsyncClient, one: Pair) -> list[asyncio.Task[Any]]:
    """Many clicks that have all arrived at the provider, and are not answered yet."""
    tasks = [asyncio.create_task(click(client, one.url)) for _ in range(CLICKS)]
    while True:
        ledger = (await client.get(f"{one.emulator_url}/_emulator/ledger")).json()
        if len(ledger["keys"]) == CLICKS:
            return tasks
        await asyncio.sleep(0.05)


def http_client() -> httpx.AsyncClient:
    """A client with room for all clicks."""
    limits = httpx.Limits(max_connections=CLICKS + 10)
    return httpx.AsyncClient(trust_env=False, limits=limits, timeout=30)


async def test_sigterm_lets_clicks_in_flight_end(tmp_path: Path) -> None:
    """After SIGTERM 100 slow mutations are all answered, new ones are refused, and it exits 0."""
    async with pair(tmp_path, faults={"latency": 3}) as one, http_client() as client:
        tasks = await clicks_in_flight(client, one)
        stopping = asyncio.create_task(asyncio.to_thread(one.gateway.stop, signal.SIGTERM))
        results = await asyncio.gather(*tasks)
        assert await stopping == 0
        cards = {result["card"]["id"] for result in results}
        assert len(cards) == CLICKS


async def test_clicks_of_clients_that_left_end_before_the_exit(tmp_path: Path) -> None:
    """Clicks whose clients have gone are carried out before the process exits too."""
    async with pair(tmp_path, faults={"latency": 3}) as one, http_client() as client:
        tasks = await clicks_in_flight(client, one)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        code = await asyncio.to_thread(one.gateway.stop, signal.SIGTERM)
        ledger = (await client.get(f"{one.emulator_url}/_emulator/ledger")).json()
        assert code == 0
        assert [key for key in ledger["keys"] if key["card"] is None] == []
        assert one.gateway.output.count('"outcome":"success"') >= CLICKS


async def test_the_grace_period_is_bounded(tmp_path: Path) -> None:
    """A provider that never answers does not keep the process beyond its grace period."""
    slow = {"latency": 60}
    async with pair(tmp_path, faults=slow, shutdown_grace="1") as one, http_client() as client:
        tasks = await clicks_in_flight(client, one)
        code = await asyncio.to_thread(one.gateway.stop, signal.SIGTERM, 15)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert code == 0
