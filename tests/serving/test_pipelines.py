"""Requests behind one that is being answered: whatever comes of them, it gets its own answer."""

import asyncio
import signal
from dataclasses import replace
from itertools import product

import pytest
from starlette.types import Receive, Scope, Send

from tests.serving.client import LONG, Client, running
from tests.serving.test_end import DELAYED, GET, HALF, Gated
from tests.waiting import until, waiting_for

GATED = b"GET /gated HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"

BEHIND = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a target that is none": (b"GET http://[ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target that is no text": (b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a target that is too long": (b"GET /" + b"a" * 9000, 414),
    "too many fields": (b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 200, 431),
    "a tunnel": (b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", 405),
    "a chunk that is none": (CHUNKED + b"hello\r\n", 400),
    "an offer, and a chunk that is none": (
        CHUNKED.replace(b"Host", UPGRADE + b"Host") + b"hello\r\n",
        400,
    ),
    "many trailer fields": (CHUNKED + b"0\r\n" + b"A: a\r\n" * 200, 431),
}
INCOMPLETE = {"half a head": GET[:-2], "half a body": HALF, "half a chunk": CHUNKED + b"9\r\na"}


CLIENT_ENDS = [
    pytest.param(what, "the end of the client", marks=pytest.mark.long) for what in BEHIND
]


@pytest.mark.parametrize(
    ("what", "then"),
    [
        ("a tunnel", "the end of the client"),
        *product(BEHIND, ["nothing", "the end of the server"]),
        *(one for one in CLIENT_ENDS if one.values[0] != "a tunnel"),
    ],
)
async def test_what_is_refused_takes_no_answer_from_another(what: str, then: str) -> None:
    """The request before one that is refused is answered first, also when client or server end."""
    app, (data, status) = Gated(), BEHIND[what]
    async with running(app) as one, one.connected() as client:
        await client.send(GATED)
        await app.asked.wait()
        await client.send(data)
        await _taken(one.port)
        if then == "the end of the client":
            client.end_sending()
            await _taken(one.port)
        elif then == "the end of the server":
            one.server.handle_exit(signal.SIGTERM, None)
            await until("the end of accepting", one.refuses)
        app.may_answer.set()
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"GET /gated 1 ")
        if then != "the end of the server":
            assert (await client.answer()).status == status
        await client.ended()


async def _taken(port: int) -> None:
    """Whatever was sent before has been taken: another connection has been answered since."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    for _ in range(3):
        await client.ask(GET)
    client.close()


@pytest.mark.parametrize("then", ["the end of the client", "the end of the server"])
@pytest.mark.parametrize("what", INCOMPLETE)
async def test_what_never_becomes_whole_takes_no_answer_from_another(what: str, then: str) -> None:
    """A request is answered although the one behind it ends in the middle."""
    app = Gated()
    async with running(app) as one, one.connected() as client:
        await client.send(GATED)
        await app.asked.wait()
        await client.send(INCOMPLETE[what])
        await _taken(one.port)
        if then == "the end of the client":
            client.end_sending()
            await _taken(one.port)
        else:
            one.server.handle_exit(signal.SIGTERM, None)
            await until("the end of accepting", one.refuses)
        app.may_answer.set()
        assert (await client.answer()).body == b"GET /gated 1 "
        await client.ended()


async def test_no_request_is_begun_after_the_last_answer() -> None:
    """Where an answer ends the connection, what came behind its request is not carried out."""
    app = Gated()
    first = b"POST /gated HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    async with running(app, DELAYED) as one, one.connected() as client:
        await client.send(first + b"bo")
        await until("the request", lambda: app.begun == ["/gated"])
        await client.send(b"dy")
        await app.asked.wait()
        one.server.handle_exit(signal.SIGTERM, None)
        await until("the news of the end", lambda: app.shutdown.begun)
        await client.send(GET.replace(b"/a", b"/behind") + HALF)
        for _ in range(3):
            async with one.connected() as other:
                await other.ask(GET)
        app.may_answer.set()
        assert (await client.answer()).body == b"POST /gated 2 body"
        assert await client.ended() == b""
    assert "/behind" not in app.begun


async def test_the_application_learns_that_a_client_with_several_requests_has_gone() -> None:
    """A request in progress hears of the end of its connection although others wait behind it."""
    app = Listening()
    async with running(app) as one, one.connected() as client:
        await client.send(GATED)
        await app.asked.wait()
        await client.send(GET * 2)
        await _taken(one.port)
        app.may_answer.set()
        client.reset()
        async with waiting_for("the news of the end"):
            await app.gone.wait()


class Listening(Gated):
    """Waits for the end of a connection, too."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope.get("path") != "/gated":
            await super().__call__(scope, receive, send)
            return
        self.asked.set()
        await self.may_answer.wait()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


async def test_half_a_body_behind_a_request_gives_way() -> None:
    """A connection that waits for the rest of a body is closed for another one, also where a
    request before it was answered."""
    async with running(bounds=replace(LONG, connections=16)) as one, one.connected() as half:
        await half.send(GET + HALF)
        await half.answer()
        crowd = [Client(*await asyncio.open_connection("127.0.0.1", one.port)) for _ in range(16)]
        assert await half.ended() == b""
        for client in crowd:
            client.close()
