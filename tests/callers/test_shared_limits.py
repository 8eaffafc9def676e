"""Rates that several gateways count together, in a real Redis or Valkey server."""

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from structlog.testing import capture_logs

from gateway.callers.shared_limits import PAUSE, SharedLimits, StoreUnavailable
from gateway.telemetry import LogSink
from tests.certificates import Authority
from tests.pair import URL
from tests.processes import started
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

LIMIT = 60  # seconds until a store is found again, on a busy machine
RATES = {"rate_limit_read": "2/minute", "rate_limit_issue": "2/minute"}


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
    """The result of issuing a card for a caller."""
    headers = {"Authorization": f"Bearer {idp.token(**claims)}"}
    return (await stack.post(ISSUE, issue_input(), **headers)).json()["data"]["issueVirtualCard"]


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
        async with running(**idp.settings(rate_limit_store=url, **RATES)) as stack:
            assert await code_of(stack, idp) == code


@pytest.mark.process
@needs_server
async def test_a_store_that_is_down_stops_mutations_only(
    server: Store, idp: IdentityProvider
) -> None:
    """Without the store a mutation is refused, unsent and to be repeated; reads are counted by the
    gateway itself; once the store is back cards are issued again. The log has a line for each."""
    with capture_logs() as lines:
        async with running(**idp.settings(rate_limit_store=server.url, **RATES)) as stack:
            assert await code_of(stack, idp) == ""
            sent = len(stack.wire.sent("POST", "/cards"))
            server.stop()
            refused = await issue(stack, idp)
            assert refused["__typename"] == "GatewayUnavailable"
            assert (refused["code"], refused["retryable"]) == ("OVERLOADED", True)
            assert len(stack.wire.sent("POST", "/cards")) == sent
            assert await reads_until_limited(stack, idp) == 2
            server.start()
            assert await code_once_back(stack, idp) == ""
    assert outages(lines) == ["rate_limit_store_unavailable", "rate_limit_store_available"]


async def reads_until_limited(stack: Stack, idp: IdentityProvider) -> int:
    """How many reads are answered before one is refused by the rate."""
    for answered in range(10):
        body = await read(stack, idp)
        if "errors" in body:
            assert body["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
            return answered
    raise AssertionError("ten reads were answered, and two are allowed")


async def code_once_back(stack: Stack, idp: IdentityProvider) -> str:
    """The code of issuing, as soon as it is not that of a store which is down."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        if (code := await code_of(stack, idp)) != "OVERLOADED":
            return code
        await asyncio.sleep(0.05)
    raise AssertionError(f"the store is back, and after {LIMIT} s still nothing is issued")


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"async+redis://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_store_that_never_answers_is_not_waited_for(idp: IdentityProvider) -> None:
    """A store that accepts and says nothing is as one that is down."""
    with silent() as url:
        async with running(**idp.settings(rate_limit_store=url, **RATES)) as stack:
            assert await code_of(stack, idp) == "OVERLOADED"
            assert (await read(stack, idp)) == {"data": {"card": None}}


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
        running(**idp.settings(rate_limit_store=url, **RATES)) as stack,
    ):
        assert await code_of(stack, idp) == "OVERLOADED"


async def test_an_outage_is_one_line_and_few_attempts() -> None:
    """A store that failed is left alone for the pause; however often it fails, the log has one
    line until it is back."""
    clock, rule = Clock(0.0), parse("1/minute")
    with capture_logs() as lines:
        async with other_protocol() as (url, asked):
            limits = SharedLimits(url, clock=clock, emit=LogSink())
            for _ in range(3):
                before = len(asked)
                for _ in range(5):
                    with pytest.raises(StoreUnavailable):
                        await limits.hit(rule, "alice", "cards:issue")
                assert len(asked) == before + 1
                clock.time += PAUSE
            await limits.aclose()
    assert outages(lines) == ["rate_limit_store_unavailable"]


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
        given = idp.settings(rate_limit_store=url) | {
            "provider_url": "http://127.0.0.1:9/v1",
            "provider_api_key": API_KEY,
            "provider_api_secret": API_SECRET,
            "signing_key_id": KEY_ID,
            "signing_key": SIGNING_KEY.to_pem().decode(),
            "port": "0",
        }
        environment = {f"GATEWAY_{name.upper()}": str(value) for name, value in given.items()}
        with started("serve", cwd=str(tmp_path), **environment) as serve:
            serve.wait_for(URL)
            line = json.loads(serve.wait_for(r".*rate_limit_store_unavailable.*")[0])
            assert serve.stop() == 0
    expected = {"down": "ConnectionError", "password": "AuthenticationError"}
    assert line["error"] == expected[reason]
    assert serve.output.count("rate_limit_store_") == 1
    assert "canary" not in serve.output
    assert str(server.port) not in line
