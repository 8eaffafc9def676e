"""Rates that several gateways count together, in a real Redis or Valkey server."""

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from valkey.asyncio import Valkey

from gateway.callers import RateLimits
from gateway.callers.pace import Pace
from gateway.callers.shared_limits import PAUSE, TIMEOUT, SharedLimits, StoreUnavailable
from gateway.errors import RateLimited
from gateway.events import to_nobody
from gateway.telemetry import LogSink
from tests.certificates import Authority
from tests.pair import URL
from tests.processes import Process, started
from tests.stack import (
    API_KEY,
    API_SECRET,
    CARD,
    ISSUE,
    KEY_ID,
    SIGNING_KEY,
    Clock,
    Stack,
    issue_input,
    running,
)
from tests.stores import Store, needs_server, store
from tests.tokens import IdentityProvider
from tests.waiting import settled, skip_time, waiting_for

LIMIT = 60  # seconds until a store is found again, on a busy machine
RATES = {"rate_limit_read": "2/minute", "rate_limit_issue": "2/minute"}
REQUIRED = RATES | {"rate_limit_store_required": True}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Store]:
    """A store that is empty."""
    with store(tmp_path) as server:
        yield server


@pytest.fixture
def idp(tmp_path: Path) -> IdentityProvider:
    """Who tells callers apart: only such callers have a rate."""
    return IdentityProvider(tmp_path)


async def issue(stack: Stack, idp: IdentityProvider, **claims: Any) -> Any:
    """The result of issuing a card for a caller, or the error where the document was refused."""
    headers = {"Authorization": f"Bearer {idp.token(**claims)}"}
    answer = (await stack.post(ISSUE, issue_input(), **headers)).json()
    if "data" not in answer:
        return answer["errors"][0]["extensions"]
    return answer["data"]["issueVirtualCard"]


async def read(stack: Stack, idp: IdentityProvider) -> Any:
    """The answer to a caller who asks for a card that is not there."""
    headers = {"Authorization": f"Bearer {idp.token()}"}
    return (await stack.post(CARD, {"id": str(uuid.uuid4())}, **headers)).json()


async def code_of(stack: Stack, idp: IdentityProvider) -> str:
    """The code that issuing fails with, or an empty text."""
    return str((await issue(stack, idp)).get("code", ""))


def outages(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The events of the store in the log."""
    return [line["event"] for line in lines if line["event"].startswith("rate_limit_store_")]


@pytest.mark.process
@needs_server
@pytest.mark.parametrize("scheme", ["async+redis", "async+valkey"])
async def test_gateways_count_together(server: Store, idp: IdentityProvider, scheme: str) -> None:
    """What one gateway let through counts at the other, for this caller and no other."""
    url = server.url.replace("async+redis", scheme)
    settings = idp.settings(rate_limit_store=url, **RATES)
    async with running(**settings) as one, running(beside=one, **settings) as two:
        assert [await code_of(one, idp), await code_of(two, idp)] == ["", ""]
        for stack in (one, two):
            refused = await issue(stack, idp)
            assert (refused["code"], 0 < refused["retryAfter"] <= 60) == ("RATE_LIMITED", True)
        assert (await issue(two, idp, sub="bob"))["__typename"] == "IssueVirtualCardSuccess"


@pytest.mark.process
@needs_server
async def test_a_password_and_a_database_are_used(tmp_path: Path, idp: IdentityProvider) -> None:
    """A password with characters of URLs in it is decoded, and opens the store."""
    with store(tmp_path, "--requirepass", "p@ss/word#1") as server:
        host = f"127.0.0.1:{server.port}"
        url = f"async+redis://:p%40ss%2Fword%231@{host}/3"
        async with running(**idp.settings(rate_limit_store=url, **RATES)) as stack:
            assert [await code_of(stack, idp) for _ in range(3)] == ["", "", "RATE_LIMITED"]


@pytest.mark.process
@needs_server
@pytest.mark.parametrize(
    ("name", "trusted", "code"),
    [
        ("127.0.0.1", True, ""),
        ("other.example", True, "OVERLOADED"),
        ("127.0.0.1", False, "OVERLOADED"),
    ],
)
@pytest.mark.parametrize("scheme", ["async+rediss", "async+valkeys"])
async def test_tls_needs_a_trusted_certificate_of_the_host(
    tmp_path: Path,
    idp: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    name: str,
    trusted: bool,
    code: str,
) -> None:
    """With TLS a store is used when its certificate is trusted and names the host, else it is as
    one that is down."""
    authority = Authority(tmp_path)
    leaf = str(authority.issue(name))  # key and certificate
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    tls = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"]
    files = ["--tls-cert-file", leaf, "--tls-key-file", leaf]
    files += ["--tls-ca-cert-file", str(authority.file)]
    with store(tmp_path, *tls, *files) as server:
        url = f"{scheme}://127.0.0.1:{server.port}"
        async with running(**idp.settings(rate_limit_store=url, **REQUIRED)) as stack:
            assert await code_of(stack, idp) == code


async def burst(store_url: str, rate: str, *, reads: bool) -> tuple[int, float]:
    """How many requests are let in at once, and how long the next one has to wait."""
    names = ["field"] if reads else []
    limits = RateLimits({"field": rate}, reads=names, store=store_url, emit=to_nobody)
    try:
        for count in range(1000):
            try:
                await limits.count("alice", "field")
            except RateLimited as refused:
                return count, refused.retry_after or 0.0
    finally:
        await limits.aclose()
    raise AssertionError("a thousand requests were let in at once")


@pytest.mark.process
@needs_server
@pytest.mark.parametrize(
    ("rate", "reads", "expected"),
    [("60/hour", True, 50), ("60/hour", False, 10), ("3/hour", False, 3), ("1/year", True, 1)],
)
async def test_a_burst_is_the_same_in_memory_and_in_the_store(
    server: Store, rate: str, reads: bool, expected: int
) -> None:
    """As many are let in at once, and the next one waits for its share of the time."""
    in_memory = await burst("", rate, reads=reads)
    in_store = await burst(server.url, rate, reads=reads)
    assert (in_memory[0], in_store[0]) == (expected, expected)
    assert in_store[1] == pytest.approx(in_memory[1], abs=LIMIT)


@pytest.mark.process
@needs_server
async def test_counts_go_by_themselves(server: Store) -> None:
    """A count in the store expires when it says nothing more, and is not renewed by refusals."""
    limits, pace = SharedLimits(server.url, emit=to_nobody), Pace(interval=LIMIT, burst=2)
    waits = [await limits.hit(pace, "alice", "card") for _ in range(4)]
    async with Valkey(host="127.0.0.1", port=server.port) as client:
        keys = [key async for key in client.scan_iter("*alice*")]
        lives = [await client.pttl(key) for key in keys]
    await limits.aclose()
    assert waits[:2] == [0.0, 0.0]
    assert all(0 < wait <= LIMIT for wait in waits[2:])
    assert len(lives) == 1
    assert 0 < lives[0] <= 2 * LIMIT * 1000


@pytest.mark.process
@needs_server
async def test_the_store_does_not_hold_who_the_callers_are(server: Store) -> None:
    """Whoever reads the store finds counts, and no subject of a token."""
    limits = RateLimits({"field": "60/hour"}, reads=[], store=server.url, emit=to_nobody)
    await limits.count("alice@example.com", "field")
    async with Valkey(host="127.0.0.1", port=server.port) as client:
        keys = [key async for key in client.scan_iter("*:field:*")]
    await limits.aclose()
    assert len(keys) == 1
    assert b"alice" not in keys[0]


@pytest.mark.process
@needs_server
async def test_another_rate_is_another_count(server: Store) -> None:
    """A rate that was changed does not hold callers to what the old one counted."""
    limits = SharedLimits(server.url, emit=to_nobody)
    for pace in (Pace(86_400.0, 1), Pace(1.0, 1)):
        assert await limits.hit(pace, "alice", "card") == 0
        assert 0 < await limits.hit(pace, "alice", "card") <= pace.interval
    assert await limits.hit(Pace(1.0, 1), "\ud800 \n ☃", "card") == 0
    await limits.aclose()


@pytest.mark.process
@needs_server
async def test_without_its_store_a_gateway_counts_by_itself(
    server: Store, idp: IdentityProvider
) -> None:
    """While the store is down reads and mutations pass, counted by the gateway itself; once it is
    back they are counted there again. The log has a line for each."""
    with capture_logs() as lines:
        async with running(**idp.settings(rate_limit_store=server.url, **RATES)) as stack:
            assert await code_of(stack, idp) == ""
            server.stop()
            codes = [await code_of(stack, idp) for _ in range(3)]
            assert codes == ["", "", "RATE_LIMITED"]
            assert await reads_until_limited(stack, idp) == 2
            server.start()
            assert await code_once_not(stack, idp, "RATE_LIMITED") == ""
    assert outages(lines) == ["rate_limit_store_unavailable", "rate_limit_store_available"]


@pytest.mark.process
@needs_server
async def test_a_required_store_that_is_down_stops_all(
    server: Store, idp: IdentityProvider
) -> None:
    """With GATEWAY_RATE_LIMIT_STORE_REQUIRED reads and mutations are refused without the store,
    unsent and to be repeated; once it is back they are let in again."""
    with capture_logs() as lines:
        async with running(**idp.settings(rate_limit_store=server.url, **REQUIRED)) as stack:
            assert await code_of(stack, idp) == ""
            sent = len(stack.wire.exchanges)
            server.stop()
            refused = await issue(stack, idp)
            assert refused["__typename"] == "GatewayUnavailable"
            assert (refused["code"], refused["retryable"]) == ("OVERLOADED", True)
            [error] = (await read(stack, idp))["errors"]
            assert error["extensions"]["code"] == "OVERLOADED"
            assert error["extensions"]["retryable"] is True
            assert len(stack.wire.exchanges) == sent
            server.start()
            assert await code_once_not(stack, idp, "OVERLOADED") == ""
    assert outages(lines) == ["rate_limit_store_unavailable", "rate_limit_store_available"]


async def reads_until_limited(stack: Stack, idp: IdentityProvider) -> int:
    """How many reads are answered before one is refused by the rate."""
    for answered in range(10):
        body = await read(stack, idp)
        if "errors" in body:
            assert body["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
            return answered
    raise AssertionError("ten reads were answered, and two are allowed")


async def code_once_not(stack: Stack, idp: IdentityProvider, code: str) -> str:
    """The code of issuing, as soon as it is not the one of a store which is down."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        if (found := await code_of(stack, idp)) != code:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"the store is back, and after {LIMIT} s issuing still is {code}")


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"async+redis://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_store_that_never_answers_is_not_waited_for(idp: IdentityProvider) -> None:
    """A store that accepts and says nothing is as one that is down."""
    with silent() as url:
        async with running(**idp.settings(rate_limit_store=url, **RATES)) as stack:
            assert await code_of(stack, idp) == ""
            assert (await read(stack, idp)) == {"data": {"card": None}}


async def test_a_store_that_hangs_is_waited_for_once(idp: IdentityProvider) -> None:
    """Of requests at a store that hangs only those wait that came before it was known, all at the
    same time; later ones do not wait, nor for the question whether it is back."""
    clock, pace = Clock(0.0), Pace(1.0, 1)
    with silent() as url:
        limits = SharedLimits(url, clock=clock, emit=to_nobody)
        early = [asyncio.create_task(limits.hit(pace, "alice", "card")) for _ in range(100)]
        await settled()
        skip_time(TIMEOUT)
        for end in await asyncio.gather(*early, return_exceptions=True):
            assert isinstance(end, StoreUnavailable)
        for _ in range(3):
            clock.time += PAUSE
            for _ in range(100):
                ends_at_once(limits.hit(pace, "alice", "card"))
            await settled()
        await limits.aclose()


def ends_at_once(hit: Coroutine[Any, Any, float]) -> None:
    """Without waiting for anything, the request is told that there is no store."""
    with pytest.raises(StoreUnavailable):
        hit.send(None)


@contextlib.asynccontextmanager
async def other_protocol() -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server that is no store, and what it was asked."""
    asked: list[str] = []

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("connection")
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"async+redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_what_answers_but_is_no_store_is_unavailable(idp: IdentityProvider) -> None:
    """A server of another protocol is as a store that is down."""
    async with (
        other_protocol() as (url, _),
        running(**idp.settings(rate_limit_store=url, **REQUIRED)) as stack,
    ):
        assert await code_of(stack, idp) == "OVERLOADED"


async def test_an_outage_is_one_line_and_few_attempts() -> None:
    """A store that failed is left alone for the pause; however often it fails, the log has one
    line until it is back."""
    clock, pace = Clock(0.0), Pace(60.0, 1)
    with capture_logs() as lines:
        async with other_protocol() as (url, asked), waiting_for("an attempt after each pause"):
            limits = SharedLimits(url, clock=clock, emit=LogSink())
            for attempts in range(1, 4):
                while len(asked) < attempts:
                    with pytest.raises(StoreUnavailable):
                        await limits.hit(pace, "alice", "cards:issue")
                    await asyncio.sleep(0)
                for _ in range(5):
                    with pytest.raises(StoreUnavailable):
                        await limits.hit(pace, "alice", "cards:issue")
                    await settled()
                assert len(asked) == attempts
                clock.time += PAUSE
            await limits.aclose()
    assert outages(lines) == ["rate_limit_store_unavailable"]


@contextlib.contextmanager
def served(folder: Path, idp: IdentityProvider, url: str, **changes: str) -> Iterator[Process]:
    """`gateway serve` with this store."""
    given = idp.settings(rate_limit_store=url, **changes) | {
        "provider_url": "http://127.0.0.1:9/v1",
        "provider_api_key": API_KEY,
        "provider_api_secret": API_SECRET,
        "signing_key_id": KEY_ID,
        "signing_key": SIGNING_KEY.to_pem().decode(),
        "port": "0",
    }
    environment = {f"GATEWAY_{name.upper()}": str(value) for name, value in given.items()}
    with started("serve", cwd=str(folder), **environment) as serve:
        yield serve


FORMS = ["async+redis://{host}", "async+valkey://{host}/", "ASYNC+REDIS://default:p%40ss@{host}/3"]


@pytest.mark.process
@needs_server
@pytest.mark.parametrize("form", FORMS)
def test_serve_counts_in_its_store(tmp_path: Path, idp: IdentityProvider, form: str) -> None:
    """`gateway serve` uses a store of each documented form, with nothing else to install."""
    password = ["--requirepass", "p@ss"] if "p%40ss" in form else []
    with store(tmp_path, *password) as server:
        url = form.format(host=f"127.0.0.1:{server.port}")
        with served(tmp_path, idp, url, rate_limit_read="1/hour", max_attempts="1") as serve:
            address = serve.wait_for(URL)[0] + "/graphql"
            headers = {"Authorization": f"Bearer {idp.token()}"}
            body = {"query": f'{{ card(id: "{uuid.uuid4()}") {{ id }} }}'}
            answers = [httpx.post(address, json=body, headers=headers).json() for _ in range(2)]
            assert serve.stop() == 0
    codes = [answer["errors"][0]["extensions"]["code"] for answer in answers]
    assert codes == ["PROVIDER_UNAVAILABLE", "RATE_LIMITED"]
    assert "rate_limit_store_" not in serve.output


@pytest.mark.process
@needs_server
@pytest.mark.parametrize("reason", ["down", "password"])
def test_serve_says_at_its_start_that_the_store_is_unavailable(
    tmp_path: Path, idp: IdentityProvider, reason: str
) -> None:
    """`gateway serve` starts without its store, and logs that it is unavailable and why, once,
    without the URL."""
    with store(tmp_path, "--requirepass", "right") as server:
        if reason == "down":
            server.stop()
        url = f"async+redis://:canary@127.0.0.1:{server.port}"
        with served(tmp_path, idp, url) as serve:
            serve.wait_for(URL)
            line = json.loads(serve.wait_for(r".*rate_limit_store_unavailable.*")[0])
            assert serve.stop() == 0
    expected = {"down": "ConnectionError", "password": "AuthenticationError"}
    assert line["error"] == expected[reason]
    assert serve.output.count("rate_limit_store_") == 1
    assert "canary" not in serve.output
    assert str(server.port) not in line
