"""A frontend that asks for its card at any replica, with little patience for a single answer."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import httpx

from tests.moves import Move, document
from tests.stack import ISSUE, issue_input
from tests.waiting import PATIENCE

NEW, REPLAYED = "a success", "a success, replayed"


class Answer(NamedTuple):
    """What came, the id of the card or the authorisation if that was it, and whether asking again
    is of no use."""

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
        variables = issue_input(idempotencyKey=key)
        return await self._ask("issueVirtualCard", ISSUE, variables, replica)

    async def move(self, move: Move, given: dict[str, Any], replica: int | None = None) -> Answer:
        """Ask once for a mutation of a card or an authorisation, in the same way."""
        return await self._ask(move.name, document(move), {"input": given}, replica)

    async def card(self, card: str) -> dict[str, Any]:
        """What a card is now; nothing where that cannot be read just now."""
        body = {"query": CARD, "variables": {"id": card}}
        url = self._chance.choice(self._urls)
        try:
            response = await self._http.post(f"{url}/graphql", json=body, timeout=PATIENCE)
        except httpx.TransportError:
            return {}
        told = response.json() if response.status_code == 200 else {}
        return (told.get("data") or {}).get("card") or {}

    async def _ask(
        self, name: str, query: str, variables: dict[str, Any], replica: int | None
    ) -> Answer:
        url, timeout = self._chance.choice(self._urls), self._chance.uniform(0.5, 5)
        if replica is not None:
            url, timeout = self._urls[replica], PATIENCE
        body = {"query": query, "variables": variables}
        try:
            response = await self._http.post(f"{url}/graphql", json=body, timeout=timeout)
        except httpx.TransportError as error:
            return Answer(type(error).__name__)
        if response.status_code != 200:
            return Answer(f"HTTP {response.status_code}")
        return _read(response.json(), name, variables["input"]["idempotencyKey"])


CARD = "query($id: ID!) { card(id: $id) { status transactions { id } } }"


def _read(body: Any, name: str, key: str) -> Answer:
    if "errors" in body:
        return _failure(body["errors"][0]["extensions"])
    result = body["data"][name]
    if not result["__typename"].endswith("Success"):
        return _failure(result)
    if result["idempotencyKey"] != key:
        return Answer("another key's answer", is_final=True)
    about = result.get("card") or result["authorisation"]
    return Answer(REPLAYED if result["replayed"] else NEW, about["id"])


def _failure(error: Any) -> Answer:
    return Answer(error["code"], is_final=not error["retryable"])
