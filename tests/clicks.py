"""Clicks that are on their way through a real gateway while something happens to it."""

import asyncio
from typing import Any

import httpx

from tests.pair import Pair
from tests.stack import ISSUE, issue_input
from tests.waiting import PATIENCE, waiting_for


async def click(client: httpx.AsyncClient, url: str) -> Any:
    """One click, answered."""
    body = {"query": ISSUE, "variables": issue_input()}
    return (await client.post(f"{url}/graphql", json=body)).json()["data"]["issueVirtualCard"]


async def clicks_in_flight(
    client: httpx.AsyncClient, one: Pair, clicks: int
) -> list[asyncio.Task[Any]]:
    """Many clicks that have all arrived at the provider, and are not answered yet."""
    tasks = [asyncio.create_task(click(client, one.url)) for _ in range(clicks)]
    async with waiting_for(f"{clicks} clicks to reach the provider"):
        while True:
            ledger = await ledger_of(client, one)
            if len(ledger["keys"]) == clicks:
                break
            await asyncio.sleep(0.05)
    return tasks


async def ledger_of(client: httpx.AsyncClient, one: Pair) -> Any:
    """What became of each key at the provider."""
    return (await client.get(f"{one.emulator_url}/_emulator/ledger")).json()


def http_client() -> httpx.AsyncClient:
    """A client with room for all clicks."""
    limits = httpx.Limits(max_connections=110)
    return httpx.AsyncClient(trust_env=False, limits=limits, timeout=PATIENCE)
