"""Attempts, tokens and outcomes, with a provider that misbehaves."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.provider.retries import parse_retry_after
from tests.stack import Clock, Stack, options, running
from tests.waiting import settled, skip_time

CARD_ID = "123e4567-e89b-12d3-a456-426614174000"
Trouble = Callable[[], httpx.Response | None]


def fails(error: type[httpx.RequestError]) -> Trouble:
    """Trouble on the way."""

    def trouble() -> httpx.Response:
        raise error("canary")

    return trouble


def answers(status: int, text: str = "", **headers: str) -> Trouble:
    """Trouble in the answer."""
    return lambda: httpx.Response(status, text=text, headers=headers)


def script(stack: Stack, *troubles: Trouble) -> list[httpx.Request]:
    """Let the calls that are not for a token meet these troubles in turn, then none."""
    left, seen = list(troubles), []

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/auth/token"):
            return None
        seen.append(request)
        return left.pop(0)() if left else None

    stack.wire.answer = answer
    return seen


TRANSIENT = [
    fails(httpx.ConnectError),
    fails(httpx.ConnectTimeout),
    fails(httpx.ReadTimeout),
    fails(httpx.WriteError),
    fails(httpx.RemoteProtocolError),
    answers(500),
    answers(502),
    answers(503),
    answers(429),
]


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_a_transient_failure_is_repeated_with_the_same_key(trouble: Trouble) -> None:
    """A repeat has the same key and bytes and a fresh signature, and ends in one card."""
    async with running(clock=Clock()) as stack:
        seen = script(stack, trouble)
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    first, second = seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.content == second.content
    assert first.headers["Signature"] != second.headers["Signature"]


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_a_read_is_repeated(trouble: Trouble) -> None:
    """A read that fails on the way is sent again."""
    async with running(clock=Clock()) as stack:
        seen = script(stack, trouble)
        assert await stack.card(CARD_ID) is None
    assert len(seen) == 2


UNANSWERED = [
    fails(httpx.ReadTimeout),
    fails(httpx.RemoteProtocolError),
    answers(500),
    answers(503),
    answers(302),
    answers(200, "{}"),
    answers(201, "not json"),
    answers(201, ""),
]


@pytest.mark.parametrize("trouble", UNANSWERED)
async def test_a_write_without_an_answer_is_unknown(trouble: Trouble) -> None:
    """A write that left and never got a clear answer is OutcomeUnknown with the key in it."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        began = clock.time
        script(stack, *[trouble] * 4)
        result = await stack.issue(idempotencyKey=key)
    assert (result["__typename"], result["idempotencyKey"]) == ("OutcomeUnknown", key)
    until = datetime.fromisoformat(result["retrySafeUntil"])
    assert until == datetime.fromtimestamp(began + 45 * 60, UTC)
    assert "canary" not in str(result)


NOTHING_HAPPENED = [
    ([fails(httpx.ConnectError)] * 4, "ProviderUnavailable", "PROVIDER_UNAVAILABLE"),
    ([fails(httpx.PoolTimeout)], "GatewayUnavailable", "OVERLOADED"),
    ([answers(429, **{"Retry-After": "1"})] * 4, "RateLimited", "RATE_LIMITED"),
    ([answers(401)] * 2, "ProviderUnavailable", "PROVIDER_UNAVAILABLE"),
    ([answers(400)], "Refused", "REFUSED"),
    ([answers(403)], "Refused", "REFUSED"),
    ([answers(404)], "NotFound", "NOT_FOUND"),
    ([answers(409, "the account has a card")], "Refused", "REFUSED"),
    ([answers(422)], "Refused", "REFUSED"),
]


@pytest.mark.parametrize(("troubles", "member", "code"), NOTHING_HAPPENED)
async def test_a_clear_no_is_told_as_such(troubles: list[Trouble], member: str, code: str) -> None:
    """Where it is certain that nothing happened, the result says what stood in the way."""
    async with running(clock=Clock()) as stack:
        seen = script(stack, *troubles)
        result = await stack.issue()
    assert (result["__typename"], result["code"]) == (member, code)
    assert len(seen) == len(troubles)


MANY = 400  # more than fit into the time of a call
UNSETTLED = [answers(status) for status in (400, 401, 403, 404, 409, 422, 429)]


@pytest.mark.parametrize("refusal", UNSETTLED)
async def test_a_refusal_after_a_lost_answer_settles_nothing(refusal: Trouble) -> None:
    """When an earlier attempt may have worked, a later refusal does not turn it into a failure."""
    async with running(clock=Clock()) as stack:
        script(stack, fails(httpx.ReadTimeout), *[refusal] * MANY)
        assert (await stack.issue())["__typename"] == "OutcomeUnknown"


@pytest.mark.parametrize("text", ["Idempotency-Key Concurrency Conflict", "", "conflict"])
async def test_a_conflict_of_the_key_in_flight_is_unknown(text: str) -> None:
    """A 409 on a create that speaks of no card means that an earlier request is still running: its
    end is waited for until the call's own."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock, call_deadline=20) as stack:
        began = clock.time
        script(stack, *[answers(409, text)] * MANY)
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        assert 16 < clock.time - began <= 20
        script(stack)
        again = await stack.issue(idempotencyKey=key)
        assert again["__typename"] == "IssueVirtualCardSuccess"
    assert min(clock.slept) >= 1


async def test_retry_after_is_obeyed() -> None:
    """The provider's hint, in seconds or as a date, is waited for, and a random moment more."""
    clock = Clock()
    date = datetime.fromtimestamp(clock.time + 8, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with running(clock=clock) as stack:
        hints = [{"Retry-After": "5"}, {"Retry-After": date}, {"Retry-After": "soon"}]
        script(stack, *[answers(503, **hint) for hint in hints])
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    assert clock.slept == [5.2, pytest.approx(2.8 + 0.4), 0.8]


async def test_the_deadline_is_not_slept_away() -> None:
    """A hint that is longer than the time left ends the call at once."""
    clock = Clock()
    async with running(clock=clock) as stack:
        seen = script(stack, answers(429, **{"Retry-After": "600"}))
        result = await stack.issue()
    assert (result["code"], result["retryAfter"], len(seen)) == ("RATE_LIMITED", 600.0, 1)
    assert clock.slept == []


@pytest.mark.parametrize("late", [True, False])
async def test_a_call_ends_at_its_deadline(late: bool) -> None:
    """A call in flight at its deadline is unknown if it left, and unavailable if it did not."""
    never = asyncio.Event()
    async with running(call_deadline=60) as stack:
        passing = stack.wire.handle_async_request
        slow = "/cards" if late else "/auth/token"

        async def held(request: httpx.Request) -> httpx.Response:
            if slow in request.url.path:
                skip_time(60)
                await never.wait()
            return await passing(request)

        stack.wire.handle_async_request = held  # type: ignore[method-assign]
        result = await stack.issue()
    assert result["__typename"] == ("OutcomeUnknown" if late else "ProviderUnavailable")


async def test_fifty_first_requests_fetch_one_token() -> None:
    """Any number of callers that wait for a token share one fetch of it."""
    async with running() as stack:
        await asyncio.gather(*(stack.card(str(uuid.uuid4())) for _ in range(50)))
        assert len(stack.wire.sent("POST", "/auth/token")) == 1


async def test_an_expired_token_costs_one_renewal() -> None:
    """Tokens are renewed before they expire: 30 reads over 30 minutes lose none."""
    clock = Clock()
    async with running(options(token_lifetime=1200), clock) as stack:
        for _ in range(30):
            assert await stack.card(CARD_ID) is None
            clock.time += 60
        assert len(stack.wire.sent("POST", "/auth/token")) == 2


async def test_a_refused_token_costs_one_renewal_and_no_call() -> None:
    """Fifty calls that meet a token which the provider dropped share one renewal; all succeed."""
    async with running() as stack:
        await stack.card(CARD_ID)
        dropped = stack.wire.sent("GET")[0].headers["Authorization"]
        stack.wire.answer = lambda request: (
            httpx.Response(401) if request.headers.get("Authorization") == dropped else None
        )
        await asyncio.gather(*(stack.card(str(uuid.uuid4())) for _ in range(50)))
        assert len(stack.wire.sent("POST", "/auth/token")) == 2


@pytest.mark.parametrize(("lifetime", "step"), [(3600, 301), (1200, 60), (60, 2), (2, 0.1)])
async def test_tokens_are_renewed_before_they_expire(lifetime: int, step: float) -> None:
    """Over many lives of a token no call is refused for one that has expired."""
    clock = Clock()
    async with running(options(token_lifetime=lifetime), clock) as stack:
        began = clock.time
        while clock.time < began + 3.5 * lifetime:
            assert await stack.card(CARD_ID) is None
            clock.time += step
        assert len(stack.wire.sent("POST", "/auth/token")) >= 4
        assert [answer.status_code for _, answer in stack.wire.exchanges].count(401) == 0


async def test_a_token_of_seconds_is_still_shared() -> None:
    """A token that lives for two seconds is used for most of that time."""
    clock = Clock()
    async with running(options(token_lifetime=2), clock) as stack:
        for _ in range(10):
            await stack.card(CARD_ID)
            clock.time += 0.4
        assert len(stack.wire.sent("POST", "/auth/token")) <= 4


async def test_a_token_outlives_a_wrong_clock() -> None:
    """A gateway whose clock is an hour behind or ahead still uses its token for its life."""
    async with running(clock=Clock()) as stack:
        for shift in (-7200, 7200):
            date = datetime.fromtimestamp(1_800_000_000 + shift, UTC)
            body = {"token": "t", "expiresAt": int(date.timestamp()) + 3600, "tokenType": "Bearer"}
            headers = {"Date": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}
            stack.wire.answer = lambda request, b=body, h=headers: (  # type: ignore[misc]
                httpx.Response(200, json=b, headers=h)
                if request.url.path.endswith("/auth/token")
                else httpx.Response(404, headers=h)
            )
            before = len(stack.wire.sent("POST", "/auth/token"))
            for _ in range(5):
                await stack.card(CARD_ID)
            assert len(stack.wire.sent("POST", "/auth/token")) - before <= 1


TOKEN_TROUBLES: list[Any] = [
    answers(401),
    answers(400),
    answers(404),
    answers(500),
    answers(200, "not json"),
    answers(200, '{"token": "t", "expiresAt": 1, "tokenType": "MAC"}'),
    answers(200, '{"token": "t\\n", "expiresAt": 1, "tokenType": "Bearer"}'),
    fails(httpx.ReadTimeout),
]


@pytest.mark.parametrize("trouble", TOKEN_TROUBLES)
async def test_without_a_token_nothing_is_sent(trouble: Trouble) -> None:
    """No token, no call: a write is unavailable, never unknown, and a read is not null."""
    async with running(clock=Clock()) as stack:
        stack.wire.answer = lambda request: trouble()
        assert (await stack.issue())["__typename"] == "ProviderUnavailable"
        error = await stack.error("query($i: ID!) { card(id: $i) { id } }", {"i": CARD_ID})
        assert error["extensions"]["code"] == "PROVIDER_UNAVAILABLE"
        assert not stack.wire.sent("POST", "/accounts")


async def test_a_caller_that_leaves_does_not_take_the_token_away() -> None:
    """When the first of two waiting callers is cancelled, the other still gets the token."""
    gate = asyncio.Event()
    async with running() as stack:
        passing = stack.wire.handle_async_request

        async def held(request: httpx.Request) -> httpx.Response:
            await gate.wait()
            return await passing(request)

        stack.wire.handle_async_request = held  # type: ignore[method-assign]
        first = asyncio.create_task(stack.card(CARD_ID))
        second = asyncio.create_task(stack.card(CARD_ID))
        await settled()
        first.cancel()
        gate.set()
        assert await second is None
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize("status", [408, 421, 425, 499])
async def test_a_request_that_a_proxy_did_not_take_is_no_refusal(status: int) -> None:
    """These statuses say nothing of the call: a write is repeated, and unknown in the end."""
    async with running(clock=Clock()) as stack:
        seen = script(stack, *[answers(status)] * 4)
        result = await stack.issue()
        assert (result["__typename"], result["retryable"]) == ("OutcomeUnknown", True)
        assert len(seen) == 4
        script(stack, answers(status))
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"


def test_a_hint_in_the_far_future_is_a_year_at_most() -> None:
    """A date of the year 9999 waits no longer than a number of hundreds of digits."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now=now) == 365 * 24 * 3600
