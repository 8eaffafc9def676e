"""A frontend that asks for its card at any replica, with little patience for a single answer."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import httpx

from tests.stack import ISSUE, issue_input
from tests.waiting import PATIENCE

NEW, REPLAYED = "a card", "a card, replayed"


class Answer(NamedTuple):
    """What came, the id of the card if that was it, and whether asking again is of no use."""

    what: str
    card: str | None = None
    is_final: bool = False


class Client:
    """Asks with its own connections."""

    def __init__(self, http: httpx.AsyncClient, urls: Sequence[str], chance: Random) -> None:
        self._http = http
        self._urls = urls
        self._chance = chance

    async def pause(self, attempts: int) -> None:
        """Wait a little before the next attempt, longer and longer up to a second."""
        await asyncio.sleep(self._chance.uniform(0, min(1.0, 0.05 * 2.0 ** min(attempts, 10))))

    async def issue(self, key: str, replica: int | None = None) -> Answer:
        """Ask once for the card of a key: at any replica, or patiently at one."""
        url, timeout = self._chance.choice(self._urls), self._chance.uniform(0.5, 5)
        if replica is not None:
            url, timeout = self._urls[replica], PATIENCE
        body = {"query": ISSUE, "variables": issue_input(idempotencyKey=key)}
        try:
            response = await self._http.post(f"{url}/graphql", json=body, timeout=timeout)
        except httpx.TransportError as error:
            return Answer(type(error).__name__)
        if response.status_code != 200:
            return Answer(f"HTTP {response.status_code}")
        return _read(response.json(), key)


def _read(body: Any, key: str) -> Answer:
    if "errors" in body:
        return _failure(body["errors"][0]["extensions"])
    result = body["data"]["issueVirtualCard"]
    if result["__typename"] != "IssueVirtualCardSuccess":
        return _failure(result)
    if result["idempotencyKey"] != key:
        return Answer("another key's card", is_final=True)
    return Answer(REPLAYED if result["replayed"] else NEW, result["card"]["id"])


def _failure(error: Any) -> Answer:
    return Answer(error["code"], is_final=not error["retryable"])
