"""One click, one card: keys, joining, replays and unknown outcomes, through GraphQL."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from gateway.events import ProviderCallEnded
from gateway.runtime import Runtime
from tests.stack import (
    ADDRESS,
    ISSUE,
    SIMULATE,
    Clock,
    Stack,
    in_process,
    issue_input,
    options,
    running,
)
from tests.waiting import until

FIELDS = "__typename ... on IssueVirtualCardSuccess { idempotencyKey replayed card { id } }"
TWO = f"""
mutation($input: IssueVirtualCardInput!) {{
  a: issueVirtualCard(input: $input) {{ {FIELDS} }}
  b: issueVirtualCard(input: $input) {{ {FIELDS} }}
}}
"""


def creates(stack: Stack) -> list[httpx.Request]:
    """The create calls that reached the wire."""
    return stack.wire.sent("POST", "/cards")


def cards(stack: Stack) -> int:
    """How many cards there are at the provider."""
    return len(stack.emulator.state.emulator.cards)


class Gate(asyncio.Event):
    """Holds calls until it is set, and knows how many have come."""

    calls = 0


@asynccontextmanager
async def held(stack: Stack, part: str) -> AsyncIterator[Gate]:
    """Hold calls whose path holds ``part`` until the event is set."""
    gate, passing = Gate(), stack.wire.handle_async_request

    async def hold(request: httpx.Request) -> httpx.Response:
        if part in request.url.path:
            gate.calls += 1
            await gate.wait()
        return await passing(request)

    stack.wire.handle_async_request = hold  # type: ignore[method-assign]
    yield gate
    gate.set()


async def lost(stack: Stack, times: int) -> None:
    """Lose the answers of the next create calls after the provider has committed them."""
    passing, left = stack.wire.handle_async_request, times

    async def lose(request: httpx.Request) -> httpx.Response:
        nonlocal left
        response = await passing(request)
        if request.url.path.endswith("/cards") and request.method == "POST" and left:
            left -= 1
            raise httpx.ReadError("the answer was lost")
        return response

    stack.wire.handle_async_request = lose  # type: ignore[method-assign]


async def test_two_hundred_identical_clicks() -> None:
    """200 concurrent clicks with one key: one provider call, 200 equal cards, 199 replayed."""
    key = str(uuid.uuid4())
    async with running() as stack:
        results = await asyncio.gather(*(stack.issue(idempotencyKey=key) for _ in range(200)))
        assert len(creates(stack)) == 1
        assert cards(stack) == 1
    assert len({result["card"]["id"] for result in results}) == 1
    assert sum(result["replayed"] for result in results) == 199
    assert {result["idempotencyKey"] for result in results} == {key}


async def test_the_header_gives_each_alias_its_own_key(stack: Stack) -> None:
    """Under one Idempotency-Key header two aliases are two cards, and the same two again."""
    header = {"Idempotency-Key": str(uuid.uuid4())}
    first = (await stack.post(TWO, issue_input(), **header)).json()["data"]
    again = (await stack.post(TWO, issue_input(), **header)).json()["data"]
    assert first["a"]["card"]["id"] != first["b"]["card"]["id"]
    for alias in "ab":
        assert again[alias]["card"] == first[alias]["card"]
        assert again[alias]["idempotencyKey"] == first[alias]["idempotencyKey"]
        assert again[alias]["replayed"] is True
    assert cards(stack) == 2


async def test_the_key_in_the_result_repeats_a_headers_click(stack: Stack) -> None:
    """The key that a result names can be given in the input to repeat that very field."""
    header = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    first = (await stack.post(TWO, issue_input(), **header)).json()["data"]["b"]
    again = await stack.issue(idempotencyKey=first["idempotencyKey"])
    assert (again["card"]["id"], again["replayed"]) == (first["card"]["id"], True)


async def test_a_header_and_an_input_key_must_be_equal(stack: Stack) -> None:
    """Two different keys for one click are refused by name; the same one twice is that key."""
    key, other = str(uuid.uuid4()), str(uuid.uuid4())
    answer = await stack.post(ISSUE, issue_input(idempotencyKey=key), **{"Idempotency-Key": other})
    refused = answer.json()["data"]["issueVirtualCard"]
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", "Idempotency-Key")
    assert not stack.wire.exchanges
    answer = await stack.post(ISSUE, issue_input(idempotencyKey=key), **{"Idempotency-Key": key})
    assert answer.json()["data"]["issueVirtualCard"]["idempotencyKey"] == key


@pytest.mark.parametrize("second", ["", "6e6c4ef7-77f8-4d6c-8b1c-9d0b1f3d6a11"])
async def test_two_headers_are_refused(stack: Stack, second: str) -> None:
    """Two Idempotency-Key lines name no click: the request is refused, whatever they hold."""
    key = "6e6c4ef7-77f8-4d6c-8b1c-9d0b1f3d6a11"
    headers = [("Idempotency-Key", key), ("Idempotency-Key", second)]
    body = {"query": ISSUE, "variables": issue_input()}
    answer = await stack.client.post("/graphql", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert not stack.wire.exchanges


async def test_a_key_can_be_required() -> None:
    """With GATEWAY_REQUIRE_IDEMPOTENCY_KEY a mutation without a key is refused and not sent."""
    async with running(require_idempotency_key=True) as stack:
        refused = await stack.issue()
        assert (refused["__typename"], refused["field"]) == (
            "InvalidInput",
            "input.idempotencyKey",
        )
        assert not stack.wire.exchanges
        header = {"Idempotency-Key": str(uuid.uuid4())}
        answer = await stack.post(ISSUE, issue_input(), **header)
        issued = answer.json()["data"]["issueVirtualCard"]
        assert issued["__typename"] == "IssueVirtualCardSuccess"
        assert (await stack.simulate(issued["card"]["id"]))["__typename"] == "InvalidInput"


async def test_a_header_that_is_no_uuid_is_named(stack: Stack) -> None:
    """A malformed header is InvalidInput naming the header, and no call is made."""
    answer = await stack.post(ISSUE, issue_input(), **{"Idempotency-Key": "canary"})
    result = answer.json()["data"]["issueVirtualCard"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", "Idempotency-Key")
    assert "canary" not in answer.text
    assert not stack.wire.exchanges


async def test_two_aliases_with_one_key_are_one_card(stack: Stack) -> None:
    """The same key in two fields of the input is one click."""
    data = await stack.data(TWO, issue_input(idempotencyKey=str(uuid.uuid4())))
    assert data["a"]["card"] == data["b"]["card"]
    assert (data["a"]["replayed"], data["b"]["replayed"]) == (False, True)


async def test_one_key_on_two_fields_never_meets() -> None:
    """The same key for issuing and for simulating is two calls with two keys."""
    key = str(uuid.uuid4())
    async with running() as stack:
        issued = await stack.issue(idempotencyKey=key)
        simulated = await stack.simulate(issued["card"]["id"], idempotencyKey=key)
        assert simulated["__typename"] == "SimulateCardIssueSuccess"
        [patch] = stack.wire.sent("PATCH")
        [create] = creates(stack)
    keys = {request.headers["Idempotency-Key"] for request in (patch, create)}
    assert len(keys) == 2
    assert key not in keys


async def test_a_simulation_is_replayed_without_a_call() -> None:
    """The same simulation with the same key is told again, with the card read afresh."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        card_id = (await stack.issue())["card"]["id"]
        first = await stack.simulate(card_id, idempotencyKey=key)
        clock.time += 5
        again = await stack.simulate(card_id, idempotencyKey=key)
        assert len(stack.wire.sent("PATCH")) == 1
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert (first["card"]["status"], again["card"]["status"]) == ("ISSUING", "ACTIVE")


async def test_a_conflict_in_flight_makes_no_call(stack: Stack) -> None:
    """Another input under a key that is in flight is a conflict at once."""
    key = str(uuid.uuid4())
    async with held(stack, "/cards"):
        first = asyncio.create_task(stack.issue(idempotencyKey=key))
        await asyncio.sleep(0.01)
        other = issue_input(idempotencyKey=key, billingAddress=ADDRESS | {"city": "Leeds"})
        result = (await stack.data(ISSUE, other))["issueVirtualCard"]
        assert result["__typename"] == "IdempotencyConflict"
        assert not creates(stack)
    assert (await first)["__typename"] == "IssueVirtualCardSuccess"
    assert len(creates(stack)) == 1


async def test_a_client_that_leaves_gets_its_card_later(stack: Stack) -> None:
    """A client that goes away does not stop its click: the same key then brings the card."""
    key = str(uuid.uuid4())
    async with held(stack, "/cards"):
        click = asyncio.create_task(stack.issue(idempotencyKey=key))
        await asyncio.sleep(0.01)
        click.cancel()
        await asyncio.gather(click, return_exceptions=True)
    again = await stack.issue(idempotencyKey=key)
    assert again["replayed"] is True
    assert (len(creates(stack)), cards(stack)) == (1, 1)


async def test_a_lost_answer_is_found_again() -> None:
    """When all answers were lost the outcome is unknown, and the same key brings the one card."""
    key = str(uuid.uuid4())
    async with running(clock=Clock()) as stack:
        await lost(stack, times=4)
        unknown = await stack.issue(idempotencyKey=key)
        assert (unknown["__typename"], unknown["idempotencyKey"]) == ("OutcomeUnknown", key)
        found = await stack.issue(idempotencyKey=key)
        assert found["__typename"] == "IssueVirtualCardSuccess"
        assert cards(stack) == 1
        assert len({request.headers["Idempotency-Key"] for request in creates(stack)}) == 1


async def test_a_continued_call_keeps_its_first_promise() -> None:
    """A repeat of an unknown outcome promises no more time than the first attempt did."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        await lost(stack, times=8)
        first = await stack.issue(idempotencyKey=key)
        clock.time += 600
        second = await stack.issue(idempotencyKey=key)
    assert second["__typename"] == "OutcomeUnknown"
    assert second["retrySafeUntil"] == first["retrySafeUntil"]


async def test_a_refusal_of_a_continued_call_settles_nothing() -> None:
    """An unknown outcome does not become a refusal because a repeat was refused."""
    key = str(uuid.uuid4())
    async with running(clock=Clock()) as stack:
        await lost(stack, times=4)
        await stack.issue(idempotencyKey=key)
        stack.wire.answer = lambda request: (
            httpx.Response(400) if request.url.path.endswith("/cards") else None
        )
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        stack.wire.answer = lambda request: None
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "IssueVirtualCardSuccess"
        assert cards(stack) == 1


async def test_a_repeat_that_comes_too_late_is_not_sent() -> None:
    """After retrySafeUntil the provider may have forgotten the key: no second card is risked."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        await lost(stack, times=4)
        first = await stack.issue(idempotencyKey=key)
        until = datetime.fromisoformat(first["retrySafeUntil"]).timestamp()
        sent = len(creates(stack))
        for late in (until, until + 600, until + 20 * 3600):
            clock.time = late
            result = await stack.issue(idempotencyKey=key)
            assert (result["__typename"], result["retryable"]) == ("OutcomeUnknown", False)
            assert len(result["candidates"]) == 1
        assert (len(creates(stack)), cards(stack)) == (sent, 1)


async def test_an_open_click_that_finds_no_place_stays_open() -> None:
    """A repeat of an unknown outcome that is not sent is not told as if nothing had happened."""
    key = str(uuid.uuid4())
    async with running(max_connections=1, pool_timeout=0.02, max_attempts=1) as stack:
        await lost(stack, times=1)
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        async with held(stack, "/cards"):
            other = asyncio.create_task(stack.issue())
            await asyncio.sleep(0.01)
            assert (await stack.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        await other
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "IssueVirtualCardSuccess"


async def test_a_wait_to_repeat_takes_no_place() -> None:
    """Reads that wait for their next attempt leave their places to clicks."""
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with running(runtime=Runtime(sleep=sleep), max_connections=1, pool_timeout=0.02) as stack:
        stack.wire.answer = lambda request: httpx.Response(503) if request.method == "GET" else None
        read_card = asyncio.create_task(stack.card(str(uuid.uuid4())))
        await waiting.wait()
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        read_card.cancel()
        await asyncio.gather(read_card, return_exceptions=True)


@in_process
async def test_an_unforeseen_error_takes_no_siblings_answer_with_it() -> None:
    """A mutation that fails as nobody foresaw leaves the cards of its document's others told."""
    async with running(clock=Clock()) as stack:
        query = """mutation($input: IssueVirtualCardInput!) {
          a: issueVirtualCard(input: $input) { ... on IssueVirtualCardSuccess { card { id } } }
          b: simulateCardIssue(input: {cardId: "123e4567-e89b-12d3-a456-426614174000"}) {
            ... on Error { code } ... on OutcomeUnknown { idempotencyKey } }
        }"""

        def broken(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("/auth/token") and stack.wire.sent("POST", "/cards"):
                raise KeyError("canary")
            return httpx.Response(401) if request.method == "PATCH" else None

        stack.wire.answer = broken
        data = await stack.data(query, issue_input())
    assert data["a"]["card"]["id"]
    assert data["b"]["code"] == "OUTCOME_UNKNOWN"


async def test_another_gateway_replays_and_knows_it() -> None:
    """A gateway that has never seen the key sends the same one on: same card, known as a replay."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as first:
        issued = await first.issue(idempotencyKey=key)
        clock.time += 60
        async with running(clock=clock, beside=first) as second:
            again = await second.issue(idempotencyKey=key)
            fresh = await second.issue()
    assert (again["card"]["id"], again["replayed"]) == (issued["card"]["id"], True)
    assert fresh["replayed"] is False


async def test_a_key_that_the_provider_knows_and_we_do_not_is_unknown() -> None:
    """The provider's 422 for a key that another gateway used says that it may have its card."""
    key = str(uuid.uuid4())
    async with running() as first:
        await first.issue(idempotencyKey=key)
        async with running(beside=first) as second:
            address = ADDRESS | {"city": "Leeds"}
            result = await second.issue(idempotencyKey=key, billingAddress=address)
            assert len(second.wire.sent("POST", "/cards")) == 1
    assert result["__typename"] == "OutcomeUnknown"


async def test_a_failing_sibling_does_not_stop_a_click() -> None:
    """Of two mutations in one document, the second is carried out although the first failed."""
    async with running(clock=Clock()) as stack:
        document = f"""mutation {{
          bad: simulateCardIssue(input: {{cardId: "{uuid.uuid4()}"}}) {{ __typename }}
          good: issueVirtualCard(input: {{accountId: "{GUIDE_ACCOUNT}", billingAddress: {{
            firstLine: "1", city: "London", country: "GB", postCode: "1"}}}}) {{ __typename }}
        }}"""
        data = await stack.data(document)
    assert data["bad"]["__typename"] == "NotFound"
    assert data["good"]["__typename"] == "IssueVirtualCardSuccess"


@in_process
async def test_a_fault_of_our_own_leaves_the_outcome_open() -> None:
    """When the gateway itself fails after a click has left, the result is unknown, not an error."""
    key = str(uuid.uuid4())
    async with running(clock=Clock()) as stack:

        def broken(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("/cards"):
                raise KeyError("canary")
            return None

        stack.wire.answer = broken
        unknown = await stack.issue(idempotencyKey=key)
        assert unknown["__typename"] == "OutcomeUnknown"
        stack.wire.answer = lambda request: None
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "IssueVirtualCardSuccess"


@in_process
async def test_a_fault_between_attempts_leaves_the_outcome_open() -> None:
    """When the gateway fails after an attempt was lost, that attempt may still have worked."""
    async with running(clock=Clock()) as stack:
        await stack.card(str(uuid.uuid4()))
        lost_once: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("/auth/token"):
                raise KeyError("a fault of our own")
            if request.url.path.endswith("/cards") and not lost_once:
                lost_once.append(request)
                raise httpx.ReadError("lost")
            return httpx.Response(401) if request.method == "POST" else None

        stack.wire.answer = answer
        assert (await stack.issue())["__typename"] == "OutcomeUnknown"


async def test_calls_in_flight_are_bounded() -> None:
    """A call that finds no place within its wait is OVERLOADED, retryable, and was never sent."""
    async with running(max_connections=2, pool_timeout=0.02) as stack:
        await stack.card(str(uuid.uuid4()))
        async with held(stack, "/cards") as gate:
            clicks = [asyncio.create_task(stack.issue()) for _ in range(2)]
            await until("both calls", lambda: gate.calls == 2)
            refused = await stack.issue()
        assert (refused["__typename"], refused["code"]) == ("GatewayUnavailable", "OVERLOADED")
        assert refused["retryable"] is True
        assert [(await click)["__typename"] for click in clicks] == ["IssueVirtualCardSuccess"] * 2
        assert cards(stack) == 2


def refuse(stack: Stack, broken: bool) -> None:
    """Let the provider fail all its operations, or none."""
    stack.wire.answer = lambda request: (
        httpx.Response(500) if broken and "/auth/" not in request.url.path else None
    )


async def read(stack: Stack) -> Any:
    """The code of a read's error, or None."""
    query = "query($id: ID!) { card(id: $id) { id } }"
    body = (await stack.post(query, {"id": str(uuid.uuid4())})).json()
    return body["errors"][0]["extensions"]["code"] if "errors" in body else None


async def test_the_breaker_fails_reads_fast_and_finds_its_way_back() -> None:
    """After repeated failures reads fail without a call; after a pause one probes; it closes."""
    clock = Clock()
    async with running(clock=clock, breaker_failures=8, breaker_pause=5) as stack:
        refuse(stack, broken=True)
        for _ in range(2):
            assert await read(stack) == "PROVIDER_UNAVAILABLE"
        sent = len(stack.wire.sent("GET"))
        assert await read(stack) == "PROVIDER_UNAVAILABLE"
        assert len(stack.wire.sent("GET")) == sent
        ready = await stack.client.get("/readyz")
        assert (ready.status_code, ready.json()["breaker"]) == (200, "open")
        assert ready.json()["status"] == "degraded", "mutations and replays go on"

        clock.time += 5
        ready = await stack.client.get("/readyz")
        assert (ready.status_code, ready.json()["breaker"]) == (200, "half_open")
        assert ready.json()["status"] == "degraded"
        assert await read(stack) == "PROVIDER_UNAVAILABLE"
        assert len(stack.wire.sent("GET")) > sent
        sent = len(stack.wire.sent("GET"))
        assert await read(stack) == "PROVIDER_UNAVAILABLE"
        assert len(stack.wire.sent("GET")) == sent

        refuse(stack, broken=False)
        clock.time += 5
        assert await read(stack) is None
        assert (await stack.client.get("/readyz")).json()["breaker"] == "closed"


async def test_only_one_read_probes() -> None:
    """While half open one read goes through at a time, and a probe that is cancelled frees it."""
    clock = Clock()
    async with running(clock=clock, breaker_failures=1) as stack:
        refuse(stack, broken=True)
        await read(stack)
        refuse(stack, broken=False)
        clock.time += 60
        async with held(stack, "/cards"):
            probe = asyncio.create_task(read(stack))
            await asyncio.sleep(0.01)
            assert await read(stack) == "PROVIDER_UNAVAILABLE"
        assert await probe is None
        assert await read(stack) is None


async def test_clicks_pass_an_open_breaker() -> None:
    """A call with a key is let through: it may be the one that learns what became of a card."""
    async with running(clock=Clock(), breaker_failures=1) as stack:
        refuse(stack, broken=True)
        await read(stack)
        refuse(stack, broken=False)
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        assert await read(stack) is None, "its success closes the breaker"


async def test_clocks_that_differ_are_said() -> None:
    """A refused signature tells the operator, in the line of its call, how far the clocks are
    apart, and doctor's figure shows it; the client has no use for that."""
    clock, told = Clock(), list[Any]()
    async with running(clock=clock, sinks=[told.append]) as stack:
        date = datetime.fromtimestamp(clock.time + 312, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        stack.wire.answer = lambda request: (
            httpx.Response(400, headers={"Date": date})
            if request.url.path.endswith("/cards")
            else None
        )
        result = await stack.issue()
        ready = (await stack.client.get("/readyz")).json()
    [hint] = [event.hint for event in told if isinstance(event, ProviderCallEnded) and event.hint]
    assert "312 s apart" in hint
    assert "apart" not in result["message"]
    assert ready["clockSkewSeconds"] == pytest.approx(312.5, abs=1)


async def test_a_repeated_simulation_never_reads_as_a_failure() -> None:
    """A simulation whose answer was lost is replayed by the provider, not refused."""
    async with running(options(activation_delay=0), Clock()) as stack:
        card_id = (await stack.issue())["card"]["id"]
        passing = stack.wire.handle_async_request
        dropped: list[httpx.Request] = []

        async def lose(request: httpx.Request) -> httpx.Response:
            response = await passing(request)
            if request.method == "PATCH" and not dropped:
                dropped.append(request)
                raise httpx.RemoteProtocolError("the answer was lost")
            return response

        stack.wire.handle_async_request = lose  # type: ignore[method-assign]
        data = await stack.data(SIMULATE, {"input": {"cardId": card_id}})
    assert data["simulateCardIssue"]["card"]["status"] == "ACTIVE"
