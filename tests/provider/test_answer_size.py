"""Answers without an end, over real sockets: how much is read of them, and how the call ends."""

import asyncio
import contextlib
import gzip
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from gateway.answers import BODY_LIMIT, BodyTooLarge, CodingNotAccepted, EndlessAnswer
from gateway.callers import KeySet, key_source
from gateway.callers.published_keys import KeysUnusable
from gateway.errors import (
    GatewayError,
    IdentityUnavailable,
    OutcomeUnknown,
    ProviderProtocolError,
    ProviderUnavailable,
)
from gateway.events import to_nobody
from gateway.provider import ProviderClient
from tests.provider.test_causes import read, write
from tests.provider_client import client_of
from tests.sockets import Connection, Script, message, serving
from tests.stack import settings
from tests.waiting import skip_time, waiting_for

pytestmark = pytest.mark.process

LIMIT = 60.0
PLENTY = 400 * BODY_LIMIT
# What the kernel takes from a sender whose peer does not read, and what is read meanwhile.
BUFFERED = 16 * BODY_LIMIT
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b" " * 200_000_000)


class Flood:
    """Answers a request with a head and then one piece for as long as somebody takes it."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head = head
        self._piece = piece * (65536 // len(piece))
        self.sent = 0
        self.cut_off = False

    async def __call__(self, connection: Connection) -> None:
        """The script."""
        await connection.request()
        try:
            await connection.send(self._head)
            while self.sent < PLENTY:
                await connection.send(self._piece)
                self.sent += len(self._piece)
        except OSError:
            self.cut_off = True
            raise


FLOODS: dict[str, tuple[bytes, bytes]] = {
    "a length": (JSON + b"Content-Length: %d\r\n\r\n" % PLENTY, b" "),
    "chunks": (JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"40\r\n" + b" " * 64 + b"\r\n"),
    "until it closes": (JSON + b"Connection: close\r\n\r\n", b" "),
    "chunk extensions": (JSON + b"Transfer-Encoding: chunked\r\n\r\n2;", b"a"),
    "empty lines": (b"", b"\r\n"),
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "103": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"),
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "one field": (b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
}
ENDLESS_HEAD = {"empty lines", "100", "102", "103", "fields", "one field"}


async def end(
    call: Callable[[ProviderClient], Awaitable[object]], url: str, **changes: Any
) -> type:
    """How a call of one attempt ends."""
    client = client_of(settings(provider_url=url, max_attempts=1, shutdown_grace=1, **changes))
    try:
        async with waiting_for("the end of the call"):
            return type(await call(client))
    except GatewayError as error:
        return type(error)
    finally:
        await client.aclose()


@pytest.mark.parametrize("flood", FLOODS)
async def test_an_endless_answer_is_cut_off(flood: str) -> None:
    """Of 400 MB a small part is read, and a read ends with what fits."""
    endless = Flood(*FLOODS[flood])
    async with serving(endless) as server:
        found = await end(read, server.url)
    assert found is (ProviderUnavailable if flood in ENDLESS_HEAD else ProviderProtocolError)
    assert endless.cut_off
    assert endless.sent < BUFFERED


@pytest.mark.parametrize("flood", ["a length", "103"])
async def test_an_endless_answer_to_a_create_leaves_it_unknown(flood: str) -> None:
    """The card may have been made: nobody is told that nothing happened."""
    endless = Flood(*FLOODS[flood])
    endless._head = endless._head.replace(b"200 OK", b"201 Created")
    async with serving(endless) as server:
        assert await end(write, server.url) is OutcomeUnknown
    assert endless.cut_off


def answers(data: bytes) -> Script:
    """Read the request and answer with these bytes."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)

    return script


async def test_a_bomb_costs_no_more_than_the_bound() -> None:
    """200 MB in 0.2 MB of gzip are not inflated beyond the bound, whatever was asked for."""
    bomb = message("200 OK", BOMB, "Content-Encoding: gzip")
    async with serving(answers(bomb)) as server:
        tracemalloc.start()
        try:
            assert await end(read, server.url) is ProviderProtocolError
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * BODY_LIMIT


@pytest.mark.parametrize(
    ("status", "expected"),
    [("503 Busy", ProviderUnavailable), ("200 OK", ProviderProtocolError)],
)
async def test_a_status_holds_whatever_the_body_is(status: str, expected: type) -> None:
    """An error page in a coding that nobody reads here is still the error that its status says."""
    page = message(status, b"page", "Content-Encoding: br", kind="text/html")
    async with serving(answers(page)) as server:
        assert await end(read, server.url) is expected


async def drip(connection: Connection) -> None:
    """Answer so slowly that no single wait is long and the whole takes for ever."""
    await connection.request()
    await connection.send(JSON + b"Content-Length: 100000\r\n\r\n")
    while True:
        await connection.send(b" ")
        skip_time(1.0)
        await asyncio.sleep(0.01)


async def test_a_slow_access_token_ends_at_the_deadline() -> None:
    """A token that comes byte by byte does not hold a call longer than its deadline."""
    over = asyncio.Event()

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(JSON + b"Content-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            skip_time(1.0)
            await asyncio.sleep(0.01)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(dripping, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    began = asyncio.get_running_loop().time()
    assert await end(read, url, call_deadline=LIMIT) is ProviderUnavailable
    assert asyncio.get_running_loop().time() - began < LIMIT + 10
    server.close()
    async with waiting_for("the end of the connection"):
        await over.wait()


KEYS: dict[str, tuple[Script, type[BaseException]]] = {
    "too long": (answers(message("200 OK", b" " * (BODY_LIMIT + 1))), BodyTooLarge),
    "a bomb": (answers(message("200 OK", BOMB, "Content-Encoding: gzip")), BodyTooLarge),
    "brotli": (answers(message("200 OK", b"{}", "Content-Encoding: br")), CodingNotAccepted),
    "103": (Flood(*FLOODS["103"]), EndlessAnswer),
    "fields": (Flood(*FLOODS["fields"]), aiohttp.ClientResponseError),
}


@pytest.mark.parametrize("case", KEYS)
async def test_a_jwks_is_read_within_the_same_bounds(case: str) -> None:
    """What the identity provider answers is bounded as what the provider answers is."""
    script, expected = KEYS[case]
    async with serving(script) as server:
        with pytest.raises(expected):
            await key_source(f"{server.url}/jwks")()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "206 Partial"])
async def test_a_jwks_is_the_body_of_a_200(status: str) -> None:
    """The body of a redirect, or a part of a set, gives no keys."""
    head = f"HTTP/1.1 {status}\r\nLocation: /\r\nContent-Length: 12\r\n\r\n"
    async with serving(answers(head.encode() + b'{"keys": []}')) as server:
        with pytest.raises(KeysUnusable):
            await key_source(f"{server.url}/jwks")()


async def test_a_compressed_jwks_is_read() -> None:
    """A proxy before the identity provider may compress it, though identity is asked for."""
    keys = gzip.compress(b'{"keys": []}')
    async with serving(answers(message("200 OK", keys, "Content-Encoding: gzip"))) as server:
        assert await key_source(f"{server.url}/jwks")() == b'{"keys": []}'
    [request] = server.requests
    assert request.headers["accept-encoding"] == "identity"


async def test_a_slow_jwks_ends_in_its_time() -> None:
    """A JWKS that comes byte by byte is given up after the time for the whole of it."""
    async with serving(drip) as server:
        keys = KeySet(key_source(f"{server.url}/jwks"), clock=lambda: 100.0, emit=to_nobody)
        async with waiting_for("the end of the fetch"):
            with pytest.raises(IdentityUnavailable):
                await keys.check()
