"""Why an exchange broke: told by a class of ours to the log and the operator, and by no value."""

import asyncio
import json
import traceback
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from gateway.answers import BODY_LIMIT
from gateway.emulator import create_emulator
from gateway.errors import GatewayError, OutcomeUnknown, ProviderProtocolError, ProviderUnavailable
from gateway.provider import Address, ProviderClient
from gateway.provider.transport import causes
from gateway.provider.transport.causes import Cause
from tests.certificates import CANARY, Authority
from tests.diagnosis.test_doctor import environment, tls
from tests.processes import started
from tests.provider_client import client_of, create_card
from tests.sockets import Connection, Script, message, serving
from tests.stack import CARD, ISSUE, issue_input, options, settings
from tests.tls import says, served, talking

BANNER = "canary-banner"
ADDRESS = Address(first_line="1 Test Avenue", city="London", country="GB", post_code="SW1 1AA")
URL = r"http://[\d.]+:\d+"


def read(client: ProviderClient) -> Awaitable[object]:
    """A call without effect."""
    return client.card(UUID(int=1))


def write(client: ProviderClient) -> Awaitable[object]:
    """A call that makes a card."""
    return create_card(client, UUID(int=3), ADDRESS)


async def cause_of(
    call: Callable[[ProviderClient], Awaitable[object]],
    url: str,
    transport: httpx.AsyncBaseTransport | None = None,
    **changes: Any,
) -> tuple[type[GatewayError], type[BaseException] | None]:
    """The error of a failed call, and the class of its cause."""
    given = {"max_attempts": 1, "shutdown_grace": 1} | changes
    client = client_of(settings(provider_url=url, **given), transport)
    try:
        await call(client)
    except GatewayError as error:
        return type(error), type(error.__cause__) if error.__cause__ else None
    finally:
        await client.aclose()
    raise AssertionError("the call did not fail")


def answers(data: bytes, then: Callable[[Connection], None] | None = None) -> Script:
    """Read the request and answer it; then perhaps end the connection."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        if then:
            then(connection)

    return script


async def hangs(connection: Connection) -> None:
    """Read the request and never answer."""
    await connection.request()
    await connection.gone()


close, reset = Connection.close, Connection.reset
half = message("200 OK", b"{}" * 20)[:-10]
SOON = {"read_timeout": 0.3}
LOST: dict[str, tuple[Script, type[Cause], dict[str, Any]]] = {
    "closed": (answers(b"", close), causes.ConnectionClosed, {}),
    "reset": (answers(b"", reset), causes.ConnectionReset, {}),
    "half a body": (answers(half, close), causes.ConnectionClosed, {}),
    "half a body, reset": (answers(half, reset), causes.ConnectionClosed, {}),
    "not HTTP": (answers(BANNER.encode() + b"\r\n\r\n"), causes.UnreadableAnswer, {}),
    "another protocol": (
        answers(message("101 Switching", b"", "Upgrade: x")),
        causes.UnreadableAnswer,
        {},
    ),
    "endless interim answers": (
        answers(message("103 Early Hints") * 20),
        causes.UnreadableAnswer,
        {},
    ),
    "silence": (hangs, causes.ReadTimedOut, SOON),
    "silence within the body": (answers(half), causes.ReadTimedOut, SOON),
    "deadline": (hangs, causes.DeadlinePassed, {"call_deadline": 0.3}),
}


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_answer_has_its_cause(
    lost: str, call: Callable[[ProviderClient], Awaitable[object]]
) -> None:
    """The error of a call whose answer is lost is raised from the class that says why."""
    script, cause, changes = LOST[lost]
    async with serving(script) as server:
        found = await cause_of(call, server.url, **changes)
    assert found == (ProviderUnavailable if call is read else OutcomeUnknown, cause)


FLAWED: dict[str, tuple[bytes, type[Cause]]] = {
    "not gzip": (message("200 OK", b"{}", "Content-Encoding: gzip"), causes.CodingBroken),
    "brotli": (message("200 OK", b"{}", "Content-Encoding: br"), causes.CodingNotAccepted),
    "too long": (message("200 OK", b" " * (BODY_LIMIT + 1)), causes.AnswerTooLarge),
}


@pytest.mark.parametrize("flaw", FLAWED)
async def test_an_unusable_answer_has_its_cause(flaw: str) -> None:
    """The error of a read whose answer is whole and unusable is raised from what is wrong."""
    answer, cause = FLAWED[flaw]
    async with serving(answers(answer)) as server:
        assert await cause_of(read, server.url) == (ProviderProtocolError, cause)


async def test_a_body_that_is_not_taken_has_its_cause() -> None:
    """A request that the provider does not read in time is told from an answer that is late."""
    over = asyncio.Event()

    async def never_reads(connection: Connection) -> None:
        await over.wait()
        connection.close()

    def write_much(client: ProviderClient) -> Awaitable[object]:
        long = Address(first_line="x" * 16_000_000, city="x", country="GB", post_code="x")
        return create_card(client, UUID(int=3), long)

    async with serving(never_reads) as server:
        found = await cause_of(write_much, server.url, write_timeout=0.1)
        over.set()
    assert found == (OutcomeUnknown, causes.WriteTimedOut)


async def test_a_call_without_a_token_has_the_cause_of_that() -> None:
    """Where no token can be fetched, the error of the call itself is raised from the cause."""
    url = "https://nonexistent.invalid/v1"
    assert await cause_of(write, url) == (ProviderUnavailable, causes.NameNotFound)


async def test_all_who_wait_for_a_token_get_one_cause() -> None:
    """One failed fetch is one error for many, and does not grow with their number."""
    client = client_of(settings(provider_url="https://nonexistent.invalid/v1", max_attempts=1))
    calls = [client.card(UUID(int=number)) for number in range(50)]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()
    assert {type(error.__cause__) for error in ended if isinstance(error, Exception)} == {
        causes.NameNotFound
    }
    for error in ended:
        assert isinstance(error, ProviderUnavailable)
        assert error.__cause__ is not None
        assert error.__cause__.__traceback__ is None
        assert len(list(traceback.walk_tb(error.__traceback__))) < len(calls)


PLUGGED: dict[str, tuple[Callable[[], Exception], type[Cause]]] = {
    "connect timeout": (lambda: httpx.ConnectTimeout(BANNER), causes.ConnectTimedOut),
    "read timeout": (lambda: httpx.ReadTimeout(BANNER), causes.ReadTimedOut),
    "write timeout": (lambda: httpx.WriteTimeout(BANNER), causes.WriteTimedOut),
    "protocol": (lambda: httpx.RemoteProtocolError(BANNER), causes.UnreadableAnswer),
    "other": (lambda: httpx.ConnectError(BANNER), causes.ConnectionFailed),
}


@pytest.mark.parametrize("case", PLUGGED)
async def test_a_plugged_transport_has_causes_too(case: str) -> None:
    """The errors of an httpx transport become the same classes."""
    make, cause = PLUGGED[case]

    def fails(_request: httpx.Request) -> httpx.Response:
        raise make()

    transport = httpx.MockTransport(fails)
    assert await cause_of(read, "http://a.localhost/v1", transport) == (ProviderUnavailable, cause)


async def test_a_plugged_transport_knows_refused_connections() -> None:
    """What stands behind an httpx error is found."""
    async with serving() as server:
        await server.stop()
        found = await cause_of(read, server.url, httpx.AsyncHTTPTransport())
    assert found == (ProviderUnavailable, causes.ConnectionRefused)


def call_lines(output: str) -> list[dict[str, Any]]:
    """The lines of the log on provider calls."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "provider_call"]


def ask(url: str, query: str, variables: Any) -> httpx.Response:
    """One GraphQL request over a socket."""
    body = {"query": query, "variables": variables}
    return httpx.post(f"{url}/graphql", json=body, trust_env=False, timeout=60)


def serve_settings(folder: Path, url: str, **more: str) -> dict[str, str]:
    """The settings of `gateway serve` on any free port, with all of the log."""
    given = {"GATEWAY_PORT": "0", "GATEWAY_AUTH": "none", "GATEWAY_LOG_LEVEL": "debug"}
    return environment(folder, url, **given, **more)


@pytest.mark.process
@pytest.mark.parametrize("what", ["certificate", "banner", "name"])
def test_the_log_has_the_cause_and_no_value(what: str, tmp_path: Path) -> None:
    """`gateway serve` logs the class of the cause; no text of a certificate, a server or the
    resolver is in a line or an answer, and clients are told what they always were."""
    ca = Authority(tmp_path)
    name = "canary-host.invalid"
    server, expected = {
        "certificate": (tls(ca.issue("canary-subject.example")), "CertificateForAnotherName"),
        "banner": (talking(says(f"SSH-2.0-{BANNER}\r\n".encode())), "NotTls"),
        "name": (talking(says(b"")), "NameNotFound"),
    }[what]
    with server as at:
        url = at if isinstance(at, str) else f"https://localhost:{at}/v1"
        url = f"https://{name}/v1" if what == "name" else url
        more = {"GATEWAY_PROVIDER_CA_FILE": str(ca.file), "GATEWAY_MAX_ATTEMPTS": "1"}
        with started("serve", **serve_settings(tmp_path, url, **more)) as serve:
            address = serve.wait_for(URL)[0]
            read = ask(address, CARD, {"id": str(uuid.uuid4())}).text
            issued = ask(address, ISSUE, issue_input()).text
            ready = httpx.get(f"{address}/readyz", trust_env=False, timeout=60).text
            assert serve.stop() == 0
    calls = call_lines(serve.output)
    assert {call["cause"] for call in calls} == {expected}
    assert {call["route"] for call in calls} >= {"/auth/token", "/cards/{cardId}"}
    for answer in (read, issued, ready):
        assert "The provider could not be reached; try again in a moment." in answer
        assert expected not in answer
    for value in (CANARY, BANNER, name):
        assert value not in serve.output + read + issued + ready


@pytest.mark.process
def test_a_card_is_issued_over_tls(tmp_path: Path) -> None:
    """`gateway serve` with GATEWAY_PROVIDER_CA_FILE issues a card at a provider with its own CA."""
    ca = Authority(tmp_path)
    with served(create_emulator(options()), ca.issue()) as port:
        more = {"GATEWAY_PROVIDER_CA_FILE": str(ca.file)}
        url = f"https://localhost:{port}/v1"
        with started("serve", **serve_settings(tmp_path, url, **more)) as serve:
            address = serve.wait_for(URL)[0]
            answer = ask(address, ISSUE, issue_input()).json()
            assert serve.stop() == 0
    assert answer["data"]["issueVirtualCard"]["card"]["status"] == "ISSUING"
    assert [call["cause"] for call in call_lines(serve.output)] == [None, None]
