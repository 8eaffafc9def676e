"""Equal reads in flight are one call: of the card, never of what a caller may see."""

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.emulator import GUIDE_ACCOUNT, create_emulator
from gateway.errors import GatewayError, ProviderUnavailable
from gateway.provider import Address
from gateway.provider.single_flight import SingleFlight
from tests.provider_client import client_of, create_card, simulate_issue
from tests.stack import CARD, ISSUE, Stack, issue_input, options, running
from tests.stack import settings as gateway_settings
from tests.tokens import IdentityProvider
from tests.waiting import settled

READERS = 20


async def card_of(stack: Stack) -> str:
    """A new card's id."""
    return str((await stack.issue())["card"]["id"])


# Through GraphQL.


async def test_equal_reads_of_many_requests_are_one_call() -> None:
    """Requests that ask for the same card at the same time share one provider call."""
    async with running() as stack:
        card_id = await card_of(stack)
        cards = await at_once(stack, *(stack.card(card_id) for _ in range(READERS)))
    assert [card["id"] for card in cards] == [card_id] * READERS
    assert len(stack.wire.sent("GET")) == 1


async def test_other_cards_are_other_calls() -> None:
    """Each answer is the card that its request asked for, and each card has its own call."""
    async with running() as stack:
        ids = [await card_of(stack) for _ in range(3)]
        cards = await at_once(stack, *(stack.card(card_id) for card_id in ids * 4))
    assert [card["id"] for card in cards] == ids * 4
    assert len(stack.wire.sent("GET")) == len(ids)


async def test_an_answer_is_not_kept() -> None:
    """A request that comes after the answer is a call of its own."""
    async with running() as stack:
        card_id = await card_of(stack)
        for _ in range(2):
            await stack.card(card_id)
    assert len(stack.wire.sent("GET")) == 2


async def test_permission_is_nobodys_but_the_callers(tmp_path: Any) -> None:
    """Of two callers who share a call, the one who may not see the card sees none."""
    idp = IdentityProvider(tmp_path)
    async with running(**idp.settings()) as stack:
        mine, other = (
            {"Authorization": f"Bearer {idp.token(accounts=[account])}"}
            for account in (GUIDE_ACCOUNT, str(uuid4()))
        )
        card_id = await issued_by(stack, mine)
        answers = await at_once(
            stack, *(stack.post(CARD, {"id": card_id}, **who) for who in (mine, other, mine))
        )
    seen = [(answer.json()["data"]["card"] or {}).get("id") for answer in answers]
    assert seen == [card_id, None, card_id]
    assert len(stack.wire.sent("GET")) == 1


async def issued_by(stack: Stack, who: dict[str, str]) -> str:
    """A card that this caller issued."""
    answer = await stack.post(ISSUE, issue_input(), **who)
    return str(answer.json()["data"]["issueVirtualCard"]["card"]["id"])


async def test_a_reader_who_leaves_takes_only_itself_away() -> None:
    """When the request that began the call goes away, those who joined it get their card."""
    async with running() as stack:
        card_id = await card_of(stack)
        with held_calls(stack):
            first = asyncio.create_task(stack.card(card_id))
            second = asyncio.create_task(stack.card(card_id))
            await settled()
            first.cancel()
            await settled()
        assert (await second)["id"] == card_id
    assert len(stack.wire.sent("GET")) == 1


@contextlib.contextmanager
def held_calls(stack: Stack) -> Iterator[None]:
    """Hold the calls to the provider until the end of the block."""
    passing, release = stack.wire.handle_async_request, asyncio.Event()

    async def held(request: httpx.Request) -> httpx.Response:
        await release.wait()
        return await passing(request)

    stack.wire.handle_async_request = held  # type: ignore[method-assign]
    try:
        yield
    finally:
        release.set()


async def at_once(stack: Stack, *requests: Coroutine[Any, Any, Any]) -> list[Any]:
    """The answers to requests of which all arrive before the provider answers the first call."""
    with held_calls(stack):
        tasks = [asyncio.create_task(request) for request in requests]
        await settled()
    return await asyncio.gather(*tasks)


class Holding(httpx.AsyncBaseTransport):
    """The emulator, with the answers to reads held back until ``open`` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.reads = asyncio.Queue[str]()
        self._inner = httpx.ASGITransport(app=create_emulator(options()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on at once, and the answer to a read later."""
        response = await self._inner.handle_async_request(request)
        if request.method == "GET":
            self.reads.put_nowait(request.url.path)
            await self.open.wait()
        return response


async def test_after_a_mutation_the_card_is_read_anew() -> None:
    """A read whose answer is from before the simulation is not shared with one after it."""
    wire = Holding()
    client = client_of(gateway_settings(), wire)
    address = Address(first_line="1", city="London", country="GB", post_code="SW1 1AA")
    card = (await create_card(client, UUID(GUIDE_ACCOUNT), address)).value
    early = [asyncio.create_task(client.card(card.id)) for _ in range(2)]
    await wire.reads.get()
    await simulate_issue(client, card.id)
    late = asyncio.create_task(client.card(card.id))
    await wire.reads.get()
    wire.open.set()
    assert [found and found.id for found in await asyncio.gather(*early, late)] == [card.id] * 3
    assert wire.reads.empty()
    await client.aclose()


async def test_many_waiters_share_one_short_traceback() -> None:
    """However many wait for a failed read, the traceback of its one error does not grow."""

    async def fail(request: httpx.Request) -> httpx.Response:
        status = 401 if "/auth/" in request.url.path else 500
        return httpx.Response(status)

    client, card = client_of(gateway_settings(), httpx.MockTransport(fail)), uuid4()
    told = await asyncio.gather(*(client.card(card) for _ in range(200)), return_exceptions=True)
    [error] = set(told)
    assert isinstance(error, GatewayError)
    assert len(list(traceback.walk_tb(error.__traceback__))) < 20


# In any order.


@dataclass(eq=False)
class Flight:
    """A provider call: it sees the card at some moment, and is answered later."""

    card: UUID
    version: int
    seen: int | None = None
    answer: asyncio.Future[int] = field(default_factory=asyncio.Future)


@dataclass
class Reader:
    """One who asked when the card had been changed ``floor`` times, and calls were over."""

    card: UUID
    floor: int
    over: list[Flight]
    task: asyncio.Task[tuple[UUID, int]]
    left: bool = False


class World:
    """Cards with versions, calls that read them, and those who ask."""

    def __init__(self) -> None:
        self.versions: dict[UUID, int] = {}
        self.flights: list[Flight] = []
        self.readers: list[Reader] = []
        self.joined = SingleFlight(self._read, is_crowded=lambda: False)

    async def _read(self, card: UUID) -> tuple[UUID, int]:
        flight = Flight(card, self.versions.get(card, 0))
        self.flights.append(flight)
        return card, await flight.answer

    @property
    def open(self) -> list[Flight]:
        """The calls in flight."""
        return [flight for flight in self.flights if not flight.answer.done()]

    async def ask(self, card: UUID, _which: int) -> None:
        """Somebody asks for the card."""
        task = asyncio.create_task(self.joined.get(card))
        over = [flight for flight in self.flights if flight.answer.done()]
        self.readers.append(Reader(card, self.versions.get(card, 0), over, task))

    async def look(self, _card: UUID, which: int) -> None:
        """The provider looks at the card of a call: the answer tells of this moment."""
        if self.open:
            flight = self.open[which % len(self.open)]
            flight.seen = self.versions.get(flight.card, 0)

    async def answer(self, _card: UUID, which: int) -> None:
        """The provider answers a call."""
        if self.open:
            flight = self.open[which % len(self.open)]
            seen = self.versions.get(flight.card, 0) if flight.seen is None else flight.seen
            flight.answer.set_result(seen)

    async def fail(self, _card: UUID, which: int) -> None:
        """A call fails."""
        if self.open:
            self.open[which % len(self.open)].answer.set_exception(ProviderUnavailable("gone"))

    async def change(self, card: UUID, _which: int) -> None:
        """A mutation of the card has ended."""
        self.versions[card] = self.versions.get(card, 0) + 1
        self.joined.forget(card)

    async def leave(self, _card: UUID, which: int) -> None:
        """A reader goes away."""
        if self.readers:
            reader = self.readers[which % len(self.readers)]
            reader.left |= reader.task.cancel()


Act = Callable[[World, UUID, int], Awaitable[None]]
ACTS: list[Act] = [World.ask, World.look, World.change, World.answer, World.fail, World.leave]
CARDS = [UUID(int=1), UUID(int=2)]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.sampled_from(CARDS), st.integers(0, 3)),
    min_size=10,
    max_size=40,
)


ONE = CARDS[0]
# A call from before a change ends beside the one from after it, which others still join.
OUTLIVED = [(act, ONE, 0) for act in (World.ask, World.change, World.ask, World.answer, World.ask)]


@example(OUTLIVED)
@given(STEPS)
def test_no_read_is_older_than_a_mutation_before_it(steps: list[tuple[Act, UUID, int]]) -> None:
    """In any order: one's own card, never older than the last change, never an earlier error."""
    asyncio.run(play(steps))


async def play(steps: list[tuple[Act, UUID, int]]) -> None:
    """Take the steps, let everything end, and look at what each reader got."""
    world = World()
    for act, card, which in steps:
        await act(world, card, which)
        await settled(6)
        assert_one_flight_per_version(world)
    while world.open:
        await world.answer(CARDS[0], 0)
        await settled(6)
    ends = await asyncio.gather(*(r.task for r in world.readers), return_exceptions=True)
    for reader, end in zip(world.readers, ends, strict=True):
        assert_fits(world, reader, end)


def assert_one_flight_per_version(world: World) -> None:
    """Two calls for one card are in flight only where a change lies between them."""
    began = [(flight.card, flight.version) for flight in world.open]
    assert len(began) == len(set(began))


def assert_fits(world: World, reader: Reader, end: Any) -> None:
    """A card, an error of a call that was not over when the reader came, or it left itself."""
    if reader.left:
        return
    if isinstance(end, GatewayError):
        later = [f for f in world.flights if f.card == reader.card and f not in reader.over]
        assert any(not f.answer.cancelled() and f.answer.exception() for f in later)
        return
    card, version = end
    assert card == reader.card
    assert version >= reader.floor


async def test_an_error_is_told_to_those_who_waited_and_not_kept() -> None:
    """A failed call fails for all who waited for it; whoever asks next has a new call."""
    world = World()
    for _ in range(3):
        await world.ask(CARDS[0], 0)
    await settled(6)
    await world.fail(CARDS[0], 0)
    for reader in world.readers:
        with pytest.raises(ProviderUnavailable):
            await reader.task
    await world.ask(CARDS[0], 0)
    await settled(6)
    await world.answer(CARDS[0], 0)
    assert await world.readers[-1].task == (CARDS[0], 0)
    assert len(world.flights) == 2
