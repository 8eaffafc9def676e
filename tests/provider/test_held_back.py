"""What the provider asks for outlives the call: hints, refused credentials, tokens that expire."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from gateway.events import RequestsHeldBack
from gateway.runtime import Runtime
from tests.examples import mostly_long
from tests.stack import CARD, Clock, Stack, options, running
from tests.waiting import settled, until

CARD_ID = "123e4567-e89b-12d3-a456-426614174000"
Answer = Callable[[httpx.Request], httpx.Response | None]


def busy(status: int, hint: str | None, **more: str) -> httpx.Response:
    """An answer with ``Retry-After``."""
    return httpx.Response(status, headers=more | ({"Retry-After": hint} if hint else {}))


def only(part: str, answer: Answer) -> Answer:
    """Answer requests whose path holds ``part``."""
    return lambda request: answer(request) if part in request.url.path else None


def sent(stack: Stack, part: str) -> int:
    """How many requests came whose path holds ``part``."""
    return sum(part in request.url.path for request, _ in stack.wire.exchanges)


async def read(stack: Stack) -> dict[str, Any]:
    """The extensions of a read's error; empty where there is none."""
    body = (await stack.post(CARD, {"id": str(uuid.uuid4())})).json()
    return dict(body["errors"][0]["extensions"]) if "errors" in body else {}


def http_date(seconds: float) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


NOW = 1_800_000_000.0
OF_A_LATE_CLOCK = http_date(NOW - 7200 + 90)
# A Retry-After of the API, and for how many seconds nothing more is sent to it.
HINTS = [
    ("60", {}, 60),
    ("300", {}, 300),
    ("3600", {}, 300),
    ("9" * 400, {}, 300),
    (http_date(NOW + 90), {}, 90),
    (OF_A_LATE_CLOCK, {"Date": http_date(NOW - 7200)}, 90),
    ("Fri, 31 Dec 9999 23:59:59 GMT", {}, 300),
    ("60", {"Date": "Fri, 31 Dec 9999 23:59:59 EST"}, 60),
    ("60", {"Date": "Fri, 31 Dec 9999 23:59:59 -2359"}, 60),
    (http_date(NOW - 90), {}, 0),
    ("0", {}, 0),
    ("-60", {}, 0),
    ("1e400", {}, 0),
    ("soon", {}, 0),
    (None, {}, 0),
]


@pytest.mark.parametrize(
    ("hint", "more", "seconds"), mostly_long(HINTS, "60", "9" * 400, OF_A_LATE_CLOCK, "0", "soon")
)
async def test_a_hint_of_the_api_outlives_the_call(
    hint: str | None, more: dict[str, str], seconds: int
) -> None:
    """No read asks again before the end of the hint, and one asks then for all others."""
    clock, told, code = Clock(NOW), list[Any](), "RATE_LIMITED"
    once: dict[str, Any] = {"max_attempts": 1, "call_deadline": 9, "breaker_failures": 99}
    async with running(clock=clock, sinks=[told.append], **once) as stack:
        stack.wire.answer = only("/cards/", lambda _: busy(429, hint, **more))
        assert (await read(stack))["code"] == code
        before = sent(stack, "/cards/")
        assert [(await read(stack))["code"] for _ in range(5)] == [code] * 5
        assert sent(stack, "/cards/") - before == (0 if seconds else 5)
        clock.time += max(seconds - 1, 0)
        await read(stack)
        assert sent(stack, "/cards/") - before == (0 if seconds else 6)
        clock.time += 1
        await read(stack)
        assert sent(stack, "/cards/") - before == (1 if seconds else 7)
    events = [event for event in told if isinstance(event, RequestsHeldBack)]
    assert [(event.of, event.seconds) for event in events[:1]] == [("api", seconds)][:seconds]
    assert len(events) <= 2


async def test_what_is_left_of_a_hint_is_told() -> None:
    """A click that is not sent had no effect, and is told when to come again; so is a read."""
    clock = Clock()
    async with running(clock=clock, call_deadline=9) as stack:
        stack.wire.answer = only("/cards/", lambda _: busy(429, "60"))
        await read(stack)
        clock.time += 20
        assert (await read(stack))["retryAfter"] == 40
        result = await stack.issue()
        assert (result["code"], result["retryAfter"]) == ("RATE_LIMITED", 40)
        assert "no effect" in result["message"]
        assert sent(stack, "/accounts") == 0


async def test_a_click_waits_for_a_short_hint() -> None:
    """A hint that ends before the deadline of the call holds a click up, and fails none."""
    clock = Clock()
    async with running(clock=clock) as stack:
        stack.wire.answer = only("/v1/cards/", lambda _: busy(503, "600"))
        await read(stack)
        began, clock.time = clock.time, clock.time + 291
        stack.wire.answer = lambda _request: None
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        assert clock.time > began + 300


async def test_a_repeat_of_a_lost_click_is_held_back_and_stays_unknown() -> None:
    """A click whose first attempt was lost is not told to have had no effect by a hint."""
    async with running(clock=Clock(), call_deadline=9) as stack:
        answers = iter([busy(500, None), busy(429, "60")])
        stack.wire.answer = only("/accounts", lambda _: next(answers, None))
        key = str(uuid.uuid4())
        assert (await stack.issue(idempotencyKey=key))["code"] == "OUTCOME_UNKNOWN"
        assert (await stack.issue(idempotencyKey=key))["code"] == "OUTCOME_UNKNOWN"
        assert sent(stack, "/accounts") == 2


def lost(_request: httpx.Request) -> httpx.Response:
    """No answer."""
    raise httpx.ReadError("lost")


async def test_one_request_asks_whether_a_hint_is_over() -> None:
    """After the end of a hint one read goes out, and the others follow its answer; where it has
    none, the next read asks."""
    clock = Clock()
    async with running(clock=clock, max_attempts=1, call_deadline=9) as stack:
        stack.wire.answer = only("/cards/", lambda _: busy(429, "60"))
        await read(stack)
        clock.time += 60
        passing, gate, held = stack.wire.handle_async_request, asyncio.Event(), 0

        async def hold(request: httpx.Request) -> httpx.Response:
            nonlocal held
            held += 1
            await gate.wait()
            return await passing(request)

        stack.wire.handle_async_request = hold  # type: ignore[method-assign]
        stack.wire.answer = lost
        probe = asyncio.create_task(read(stack))
        await settled()
        assert [(await read(stack))["code"] for _ in range(5)] == ["RATE_LIMITED"] * 5
        assert held == 1
        gate.set()
        assert (await probe)["code"] == "PROVIDER_UNAVAILABLE"
        stack.wire.answer = lambda _request: None
        assert await read(stack) == {}
        assert await asyncio.gather(*(read(stack) for _ in range(5))) == [{}] * 5


async def test_repeats_after_a_hint_are_spread() -> None:
    """Clicks that got the same hint do not all come back in the same moment."""
    gate, waits, chance = asyncio.Event(), list[float](), iter([0.0, 0.25, 0.5, 0.75])

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await gate.wait()
        clock.time += seconds

    clock = Clock()
    runtime = Runtime(now=clock, clock=clock, sleep=sleep, random=lambda: next(chance, 0.0))
    async with running(clock=clock, runtime=runtime) as stack:
        stack.wire.answer = only("/accounts", lambda _: busy(429, "5"))
        clicks = [asyncio.create_task(stack.issue()) for _ in range(4)]
        await until("four waits", lambda: len(waits) == 4)
        stack.wire.answer = lambda _request: None
        gate.set()
        await asyncio.gather(*clicks)
    assert len(set(waits[:4])) == 4
    assert min(waits[:4]) >= 5


# How the login fails, and how many logins ten reads in one moment and six minutes of reads make.
LOGINS: list[tuple[str, Answer, int, int]] = [
    ("401", lambda _: busy(401, None), 1, 10),
    ("403", lambda _: busy(403, None), 1, 10),
    ("400", lambda _: busy(400, None), 1, 10),
    ("404", lambda _: busy(404, None), 1, 10),
    ("not JSON", lambda _: httpx.Response(200, text="<p>"), 1, 10),
    ("a hint", lambda _: busy(429, "3600"), 1, 3),
    ("a hint of 503", lambda _: busy(503, "3600"), 1, 3),
    ("500", lambda _: busy(500, None), 1, 13),
]


@pytest.mark.parametrize(
    ("what", "answer", "burst", "long"), mostly_long(LOGINS, "401", "not JSON", "a hint", "500")
)
async def test_a_login_that_fails_is_not_tried_by_every_read(
    what: str, answer: Answer, burst: int, long: int
) -> None:
    """Ten reads make one login, and readiness none; all are told the known error at once."""
    clock, told = Clock(), list[Any]()
    async with running(
        clock=clock, sinks=[told.append], max_attempts=1, call_deadline=9, breaker_failures=999
    ) as stack:
        stack.wire.answer = only("/auth/token", answer)
        for _ in range(10):
            assert (await read(stack))["code"] in {"PROVIDER_UNAVAILABLE", "RATE_LIMITED"}
        assert (await stack.client.get("/readyz")).status_code == 503
        assert sent(stack, "/auth/token") == burst, what
        for _ in range(12):
            clock.time += 30
            await read(stack)
        assert sent(stack, "/auth/token") <= long
        assert sum(isinstance(event, RequestsHeldBack) for event in told) == sent(stack, "/auth/")
        clock.time += 300
        stack.wire.answer = lambda _request: None
        assert await read(stack) == {}
        assert (await stack.client.get("/readyz")).status_code == 200


def token(expires: float) -> httpx.Response:
    """An access token that says when it expires."""
    body = {"token": uuid.uuid4().hex, "expiresAt": int(expires), "tokenType": "Bearer"}
    return httpx.Response(200, json=body)


# When a token expires from now, and how many logins reads make within a minute.
TOKENS = [(3600.0, 1), (0.0, 2), (-1.0, 2), (-7200.0, 2), (1e9, 1)]


@pytest.mark.parametrize(("expires", "logins"), mostly_long(TOKENS, 0.0, -7200.0, 1e9))
async def test_a_token_is_used_although_it_seems_to_have_expired(
    expires: float, logins: int
) -> None:
    """A token that comes expired, or a clock that is far ahead, makes no login for each read."""
    clock = Clock()
    async with running(clock=clock) as stack:
        stack.wire.answer = lambda request: (
            token(clock.time + expires)
            if request.url.path.endswith("/token")
            else httpx.Response(404)
        )
        for _ in range(21):
            assert await read(stack) == {}
            clock.time += 3
        assert sent(stack, "/auth/token") <= logins


async def test_fresh_tokens_that_are_refused_are_not_renewed_by_every_read() -> None:
    """An API that refuses every token costs a login at first, and less and less often then."""
    clock = Clock()
    async with running(clock=clock) as stack:
        stack.wire.answer = only("/cards/", lambda _: httpx.Response(401))
        for _ in range(10):
            assert (await read(stack))["code"] == "PROVIDER_UNAVAILABLE"
        assert sent(stack, "/auth/token") == 2
        for _ in range(25):
            clock.time += 24
            await read(stack)
        assert sent(stack, "/auth/token") <= 12
        stack.wire.answer = lambda _request: None
        assert await read(stack) == {}


async def test_a_withdrawn_token_is_renewed_at_once() -> None:
    """A token that served for a while and is refused then is replaced without a failed read."""
    clock, withdrawn = Clock(), set[str]()
    async with running(clock=clock) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(401) if request.headers.get("Authorization") in withdrawn else None
        )
        for _ in range(5):
            assert await read(stack) == {}
            clock.time += 90
            withdrawn.add(stack.wire.sent("GET")[-1].headers["Authorization"])
        assert sent(stack, "/auth/token") == 5


async def test_refusals_of_long_ago_do_not_delay_the_renewal_of_a_withdrawn_token() -> None:
    """A token that has served since is replaced at once, however often others were refused."""
    clock = Clock()
    async with running(clock=clock) as stack:
        stack.wire.answer = only("/cards/", lambda _: httpx.Response(401))
        for _ in range(100):
            clock.time += 6
            await read(stack)
        stack.wire.answer = lambda _request: None
        assert await read(stack) == {}
        clock.time += 90
        assert await read(stack) == {}
        dropped = stack.wire.sent("GET")[-1].headers["Authorization"]
        stack.wire.answer = lambda request: (
            httpx.Response(401) if request.headers.get("Authorization") == dropped else None
        )
        assert await read(stack) == {}


async def test_a_withdrawn_token_is_renewed_where_a_call_has_one_attempt() -> None:
    """The read that meets the refusal fails, and the next one has another token."""
    async with running(clock=Clock(), max_attempts=1) as stack:
        assert await read(stack) == {}
        dropped = stack.wire.sent("GET")[0].headers["Authorization"]
        stack.wire.answer = lambda request: (
            httpx.Response(401) if request.headers.get("Authorization") == dropped else None
        )
        assert (await read(stack))["code"] == "PROVIDER_UNAVAILABLE"
        assert await read(stack) == {}


async def test_a_token_that_cannot_be_renewed_is_used_until_it_expires() -> None:
    """While logins fail before the old token has expired, no read does."""
    clock = Clock()
    async with running(options(token_lifetime=600), clock, max_attempts=1) as stack:
        assert await read(stack) == {}
        stack.wire.answer = only("/auth/token", lambda _: busy(500, None))
        for _ in range(29):
            clock.time += 20
            assert await read(stack) == {}
        clock.time += 21
        assert (await read(stack))["code"] == "PROVIDER_UNAVAILABLE"
