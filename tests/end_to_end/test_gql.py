"""gql, a client in Python, unmodified from PyPI: over aiohttp and over httpx."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport import AsyncTransport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from tenacity import retry, retry_if_not_exception_type, stop_after_attempt

from tests.clients.frontend import DOCUMENTS, Click, Site, click
from tests.processes import ROOT

SCHEMA = (ROOT / "schema.graphql").read_text()
TEXT = "\n".join(Path(file).read_text() for file in DOCUMENTS)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TRANSPORTS = {"aiohttp": AIOHTTPTransport, "httpx": HTTPXAsyncTransport}

pytestmark = [pytest.mark.process, pytest.mark.parametrize("name", sorted(TRANSPORTS))]


@contextlib.asynccontextmanager
async def failing(url: str, *faults: str) -> AsyncIterator[str]:
    """The URL of what passes one request per connection on; the first ones meet a fault each."""
    left, target = list(faults), httpx.URL(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: *(\d+)", head)
        body = await reader.readexactly(int(length))
        fault = left.pop(0) if left else ""
        if fault == "busy":
            writer.write(BUSY)
        elif fault != "cut":
            answer = await passed_on(target, head + body)
            writer.write(b"" if fault == "lost" else answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())


async def passed_on(target: httpx.URL, request: bytes) -> bytes:
    """The whole answer to a request, after which its connection is closed."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    rest = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", request)
    writer.write(rest.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def client_of(gateway: Site, name: str, token: str, url: str = "") -> Client:
    """A client that validates what it sends against the schema's file."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{url or gateway.pair.url}/graphql"
    transport: AsyncTransport = TRANSPORTS[name](url=address, headers=headers)
    return Client(transport=transport, schema=SCHEMA)


def asked(operation: str, variables: dict[str, Any]) -> GraphQLRequest:
    """One operation of a document that has them all."""
    return GraphQLRequest(gql(TEXT), variable_values=variables, operation_name=operation)


async def issue(client: Client, ours: Click) -> dict[str, Any]:
    """The result of a click."""
    async with client as session:
        result = (await session.execute(asked("Issue", ours.input())))["issueVirtualCard"]
    assert isinstance(result, dict)
    return result


async def test_a_card_is_issued_and_shown(gateway: Site, name: str) -> None:
    """gql's own validation takes the documents; the card is read over one session."""
    async with client_of(gateway, name, gateway.identity.token()) as session:
        issued = await session.execute(asked("Issue", click().input()))
        card = issued["issueVirtualCard"]["card"]
        shown = await session.execute(asked("Card", {"id": card["id"]}))
    assert shown["card"] == card | {"billingAddress": {"city": "London"}}


async def test_a_refused_token_is_an_error_with_a_code(gateway: Site, name: str) -> None:
    """Whoever sees NOT_AUTHENTICATED signs in and sends the click again: there is one card."""
    ours = click()
    with pytest.raises(TransportQueryError) as refused:
        await issue(client_of(gateway, name, gateway.expired()), ours)
    [error] = refused.value.errors or []
    assert error["extensions"]["code"] == "NOT_AUTHENTICATED"
    signed_in = client_of(gateway, name, gateway.identity.token())
    assert [(await issue(signed_in, ours))["replayed"] for _ in range(2)] == [False, True]
    assert gateway.cards(ours) == 1


async def test_a_request_that_failed_on_its_way_makes_one_card(gateway: Site, name: str) -> None:
    """A balancer's 503, a lost request and a lost answer are repeated with the same key."""
    ours = click()
    repeat = retry(
        retry=retry_if_not_exception_type(TransportQueryError), stop=stop_after_attempt(4)
    )
    async with (
        failing(gateway.pair.url, "busy", "cut", "lost") as url,
        client_of(gateway, name, gateway.identity.token(), url) as session,
    ):
        result = await repeat(session.execute)(asked("Issue", ours.input()))
    assert result["issueVirtualCard"]["replayed"] is True
    assert gateway.cards(ours) == 1


async def test_variables_that_do_not_fit_are_an_error_with_a_code(gateway: Site, name: str) -> None:
    """A request error is told as one of GraphQL, whatever the status of its answer."""
    async with client_of(gateway, name, gateway.identity.token()) as session:
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(asked("Card", {}))
    [error] = refused.value.errors or []
    assert error["extensions"]["code"] == "GRAPHQL_REQUEST_INVALID"
