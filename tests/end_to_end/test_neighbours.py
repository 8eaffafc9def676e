"""One caller floods the gateway, and another one is served beside it: counted in calls."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import ISSUE, Stack, issue_input, running
from tests.tokens import IdentityProvider
from tests.waiting import settled

CONNECTIONS, ALIASES = 16, 83  # 83 is as many as one document may have
SMALL = {"max_connections": 5}  # of which one is kept for mutations
RATES = {"rate_limits": '{"card": "off", "issueVirtualCard": "off"}'}


class SlowProvider:
    """The calls of a gateway at its provider, in the order in which they came; none is answered
    before the test says so."""

    def __init__(self, stack: Stack) -> None:
        self.waiting = deque[tuple[httpx.Request, asyncio.Event]]()
        self.is_slow = True
        self._passing = stack.wire.handle_async_request

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Hold the request, unless it is for a token."""
        if self.is_slow and "/auth/" not in request.url.path:
            answered = asyncio.Event()
            self.waiting.append((request, answered))
            await answered.wait()
        return await self._passing(request)

    async def answer_one(self) -> None:
        """Answer the oldest call, and let the gateway send what it then can."""
        self.waiting.popleft()[1].set()
        await settled(50)

    async def answer_until(self, part: str, method: str = "GET") -> int:
        """Answer calls until one with ``part`` in its path has come, and that one too; how many
        were answered before it came."""
        answered = 0
        while not (found := self._of(part, method)):
            await self.answer_one()
            answered += 1
        for one in found:
            self.waiting.remove(one)
            one[1].set()
        await settled(50)
        return answered

    def _of(self, part: str, method: str) -> list[tuple[httpx.Request, asyncio.Event]]:
        return [
            (request, answered)
            for request, answered in self.waiting
            if request.method == method and part in request.url.path
        ]

    def answer_all(self) -> None:
        """Hold nothing any more."""
        self.is_slow = False
        for _, answered in self.waiting:
            answered.set()


class Caller:
    """Somebody with a token of their own."""

    def __init__(self, stack: Stack, idp: IdentityProvider, name: str) -> None:
        self._stack = stack
        self._who = {"Authorization": f"Bearer {idp.token(sub=name)}"}

    async def read(self, *ids: str) -> Any:
        """The answer to a document that asks for these cards."""
        given = ",".join(f"$v{number}: ID!" for number in range(len(ids)))
        fields = " ".join(f"c{n}: card(id: $v{n}) {{ id }}" for n in range(len(ids)))
        variables = {f"v{number}": one for number, one in enumerate(ids)}
        document = f"query({given}) {{ {fields} }}"
        return (await self._stack.post(document, variables, **self._who)).json()

    async def issue(self) -> Any:
        """The result of issuing a card."""
        answer = await self._stack.post(ISSUE, issue_input(), **self._who)
        return answer.json()["data"]["issueVirtualCard"]


def ids(count: int = ALIASES) -> list[str]:
    """Ids of cards that are not there."""
    return [str(uuid.uuid4()) for _ in range(count)]


@contextlib.asynccontextmanager
async def flooded(
    tmp_path: Path, *wanted: str, **changes: Any
) -> AsyncIterator[tuple[SlowProvider, Caller]]:
    """A gateway that one caller floods with reads, of the ``wanted`` cards too; and another."""
    idp = IdentityProvider(tmp_path)
    async with running(**idp.settings(**(RATES | changes))) as stack:
        mallory, alice = Caller(stack, idp, "mallory"), Caller(stack, idp, "alice")
        await alice.read(*ids(1))  # the token of the provider is there, and documents are known
        await alice.issue()
        provider = SlowProvider(stack)
        stack.wire.handle_async_request = provider.handle  # type: ignore[method-assign]
        flood = [
            asyncio.create_task(mallory.read(*ids(20), *wanted, *ids(ALIASES - 20 - len(wanted))))
            for _ in range(CONNECTIONS)
        ]
        await settled(400)
        try:
            yield provider, alice
        finally:
            for request in flood:
                request.cancel()
            provider.answer_all()
            await asyncio.gather(*flood, return_exceptions=True)


async def test_a_neighbours_reads_have_places_at_once(tmp_path: Path) -> None:
    """While one caller's reads have all the places that one caller can have, each read of another
    is sent before any of those is answered."""
    async with flooded(tmp_path) as (provider, alice):
        for card in ids(8):
            read = asyncio.create_task(alice.read(card))
            await settled(50)
            assert await provider.answer_until(card) == 0
            assert await read == {"data": {"c0": None}}


async def test_a_neighbour_takes_turns_where_places_are_few(tmp_path: Path) -> None:
    """Where all places are taken, a read of another caller is sent after two calls have ended at
    the latest, although more than a thousand came before it."""
    async with flooded(tmp_path, **SMALL) as (provider, alice):
        for card in ids(8):
            read = asyncio.create_task(alice.read(card))
            await settled(50)
            assert await provider.answer_until(card) <= 2
            assert await read == {"data": {"c0": None}}


async def test_a_neighbour_does_not_wait_for_a_read_that_waits(tmp_path: Path) -> None:
    """A caller who asks for the very cards of a neighbour does not make it wait in its queue."""
    wanted = ids(8)
    async with flooded(tmp_path, *wanted, **SMALL) as (provider, alice):
        for card in wanted:
            read = asyncio.create_task(alice.read(card))
            await settled(50)
            assert await provider.answer_until(card) <= 2
            assert await read == {"data": {"c0": None}}


@pytest.mark.parametrize("changes", [{}, SMALL], ids=["100 places", "5 places"])
async def test_a_mutation_is_sent_at_once(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Reads never have the places that are kept for mutations."""
    async with flooded(tmp_path, **changes) as (provider, alice):
        issued = asyncio.create_task(alice.issue())
        await settled(50)
        assert await provider.answer_until("/cards", "POST") == 0
        assert (await issued)["__typename"] == "IssueVirtualCardSuccess"
