"""The whole life of cards over real sockets, as a frontend drives it, in each way to run it."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.moves import ACTIVATE, AUTHORISE, CAPTURE, DEACTIVATE, RELEASE, TERMINATE, Move, document
from tests.pair import URL, pair
from tests.processes import started
from tests.stack import ISSUE, SIMULATE, SIMULATE_FAILURE, issue_input
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE, waiting_for

pytestmark = pytest.mark.process

AT_ONCE = "--activation-delay", "0"
STATUS = "query($id: ID!) { node(id: $id) { ... on Card { status } } }"
LIST = """query($account: ID!, $status: [CardStatus!]) {
  account(id: $account) { cards(status: $status) { id status } } }"""
PAID = """query($id: ID!) { card(id: $id) { transactions {
  authorisationId status direction amount { amount currency } merchant { name } } } }"""


@dataclass(frozen=True)
class Frontend:
    """A frontend; ``control`` is the emulator's URL where its control calls can be reached."""

    client: httpx.AsyncClient
    url: str
    control: str | None = None

    async def ask(self, query: str, **variables: Any) -> Any:
        """The one field of the data of a request that has no errors."""
        asked = {"query": query, "variables": variables}
        answer = (await self.client.post(f"{self.url}/graphql", json=asked)).json()
        assert "errors" not in answer, answer
        [field] = answer["data"].values()
        return field

    async def click(self, move: Move, **given: Any) -> Any:
        """What comes of a mutation, as of a click with a key of its own."""
        return await self.ask(document(move), input=given | {"idempotencyKey": str(uuid.uuid4())})

    async def issued(self, simulation: str, status: str) -> str:
        """The id of a new card that the simulator has brought to a status."""
        card_id: str = (await self.ask(ISSUE, **issue_input()))["card"]["id"]
        if simulation:
            await self.ask(simulation, input={"cardId": card_id})

        async def read() -> bool:
            return bool((await self.ask(STATUS, id=card_id))["status"] == status)

        await until(f"a card that is {status}", read)
        return card_id

    async def authorised(self, card_id: str, amount: str, *, capture: bool) -> str:
        """The id of an authorisation, which is pending at first."""
        given = {"cardId": card_id, "amount": amount, "currency": "EUR", "capture": capture}
        made = (await self.click(AUTHORISE, **given))["authorisation"]
        assert made["status"] == "PENDING"
        return str(made["id"])

    async def listed(self, *status: str) -> dict[str, str]:
        """The status of each card of the account; of those in some statuses where any is named."""
        found = await self.ask(LIST, account=GUIDE_ACCOUNT, status=list(status) or None)
        return {card["id"]: card["status"] for card in found["cards"]}


async def until(awaited: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until it is so: each answer is the event that is waited for."""
    async with waiting_for(awaited):
        while not await is_so():
            pass


@contextlib.asynccontextmanager
async def dev(_folder: Path) -> AsyncIterator[tuple[str, None]]:
    """`gateway dev`, whose emulator is inside and takes no control calls."""
    with started("dev", "--port", "0", *AT_ONCE) as process:
        yield process.wait_for(URL)[0], None


@contextlib.asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """`gateway serve` in front of `gateway emulator`."""
    async with pair(folder, *AT_ONCE) as both:
        yield both.url, both.emulator_url


@pytest.mark.parametrize("run", [dev, serve])
async def test_cards_live_and_end(
    run: Callable[[Path], contextlib.AbstractAsyncContextManager[tuple[str, str | None]]],
    tmp_path: Path,
) -> None:
    """A card fails, another one pays, is frozen and ends, and the list has every status."""
    with unmeasured():
        async with (
            run(tmp_path) as (url, control),
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
        ):
            frontend = Frontend(client, url, control)
            statuses = {await frontend.issued(SIMULATE_FAILURE, "ISSUE_FAILED"): "ISSUE_FAILED"}
            card_id = await frontend.issued(SIMULATE, "ACTIVE")
            await pays(frontend, card_id)
            await is_frozen(frontend, card_id)
            assert await ended(frontend, card_id) == "TERMINATED"
            statuses |= {card_id: "TERMINATED"} | await others(frontend)
            assert await frontend.listed() == statuses
            some = {key: each for key, each in statuses.items() if each in {"INACTIVE", "BLOCKED"}}
            assert await frontend.listed("INACTIVE", "BLOCKED") == some


async def pays(frontend: Frontend, card_id: str) -> None:
    """What is captured, by itself or by a click, becomes a transaction, and nothing else does."""
    taken = await frontend.authorised(card_id, "12.34", capture=True)
    held = await frontend.authorised(card_id, "20.00", capture=False)
    given_up = await frontend.authorised(card_id, "7", capture=False)
    for move, authorisation in (CAPTURE, held), (RELEASE, given_up):
        told = await frontend.click(move, authorisationId=authorisation)
        assert told["authorisation"]["id"] == authorisation
    paid: dict[str, Any] = {}

    async def read() -> bool:
        found = (await frontend.ask(PAID, id=card_id))["transactions"]
        paid.update({each["authorisationId"]: each for each in found})
        return len(found) == 2 and {each["status"] for each in found} == {"PROCESSED"}

    await until("two transactions that are PROCESSED", read)
    amounts = {key: each["amount"]["amount"] for key, each in paid.items()}
    assert amounts == {taken: "12.34", held: "20"}


async def is_frozen(frontend: Frontend, card_id: str) -> None:
    """While the card is INACTIVE nobody pays with it; afterwards it does again."""
    frozen = await frontend.click(DEACTIVATE, cardId=card_id)
    assert frozen["card"]["status"] == "INACTIVE"
    money = {"amount": "1", "currency": "EUR", "capture": False}
    refused = await frontend.click(AUTHORISE, cardId=card_id, **money)
    assert (refused["__typename"], refused["status"]) == ("InvalidState", "INACTIVE")
    assert (await frontend.click(ACTIVATE, cardId=card_id))["card"]["status"] == "ACTIVE"
    await frontend.authorised(card_id, "1", capture=False)


async def ended(frontend: Frontend, card_id: str) -> str:
    """The status of a card that was terminated, which cannot be activated any more."""
    ended = await frontend.click(TERMINATE, cardId=card_id)
    refused = await frontend.click(ACTIVATE, cardId=card_id)
    assert refused["status"] == ended["card"]["status"]
    return str(refused["status"])


async def others(frontend: Frontend) -> dict[str, str]:
    """Further cards, one in each status that can be reached here."""
    cards = {await frontend.issued("", "ISSUING"): "ISSUING"}
    cards[await frontend.issued(SIMULATE, "ACTIVE")] = "ACTIVE"
    frozen = await frontend.issued(SIMULATE, "ACTIVE")
    await frontend.click(DEACTIVATE, cardId=frozen)
    cards[frozen] = "INACTIVE"
    for status in ("suspended", "blocked") if frontend.control else ():
        card_id = await frontend.issued(SIMULATE, "ACTIVE")
        url = f"{frontend.control}/_emulator/cards/{card_id}"
        assert (await frontend.client.put(url, json={"status": status})).status_code == 200
        cards[card_id] = status.upper()
    return cards
