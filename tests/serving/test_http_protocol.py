"""What one connection may ask the server to keep, byte by byte and over real sockets."""

import asyncio
import logging
import socket
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.serving.bounds import FIELDS, FRAMING, HEAD, PIPELINED, REQUEST_LINE, UNWANTED
from tests.serving.client import LONG, App, Client, running
from tests.waiting import until, waiting_for

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1024 * 1024


def head(
    *fields: bytes, method: bytes = b"GET", target: bytes = b"/a", end: bytes = b"\r\n\r\n"
) -> bytes:
    """The head of a request."""
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: h", *fields]) + end


OVERSIZED = {
    "one field": (431, head(b"X-A: " + b"a" * HEAD)),
    "one name": (431, head(b"A" * HEAD + b": a")),
    "a field without an end": (431, head(b"X-A: " + b"a" * 2 * MEGABYTE, end=b"")),
    "a name without an end": (431, head(b"A" * 2 * MEGABYTE, end=b"")),
    "blanks without an end": (431, head(b"X-A: " + b" " * 2 * MEGABYTE, end=b"")),
    "some large fields": (431, head(*[b"X-%d: " % n + b"a" * 4000 for n in range(9)])),
    "many fields": (431, head(*[b"X-%d: a" % n for n in range(FIELDS)])),
    "fields without an end": (431, head(*[b"A: a"] * MEGABYTE, end=b"")),
    "a target": (414, head(target=b"/" + b"a" * REQUEST_LINE)),
    "a query": (414, head(target=b"/?" + b"a" * REQUEST_LINE)),
    "a target without an end": (414, b"GET /" + b"a" * 2 * MEGABYTE),
    "line breaks without an end": (431, b"\r\n" * MEGABYTE),
}


@pytest.mark.parametrize("first", [b"", GET], ids=["first", "second"])
@pytest.mark.parametrize("what", OVERSIZED)
async def test_a_head_that_is_too_large_is_refused(what: str, first: bytes) -> None:
    """The head of a request has bounds; beyond them it is 431, or 414, and the connection ends."""
    status, data = OVERSIZED[what]
    app = App()
    async with running(app) as one, one.connected() as client:
        if first:
            await client.ask(first)
        sent = asyncio.create_task(client.send(data))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert answer.error["extensions"]["code"] == "BAD_REQUEST"
        assert answer.error["extensions"]["requestId"] == answer.headers["x-request-id"]
        assert await client.ended() == b""
        await sent
    assert len(app.begun) == bool(first)


ALLOWED = {
    "fields": head(*[b"X-%d: a" % n for n in range(FIELDS - 1)]),
    "bytes": head(b"X-A: " + b"a" * (HEAD - 100)),
    "target": head(target=b"/" + b"a" * (REQUEST_LINE - 1)),
}


@pytest.mark.parametrize("what", ALLOWED)
@pytest.mark.parametrize("pieces", [1, 50])
async def test_a_head_within_its_bounds_is_taken(what: str, pieces: int) -> None:
    """Up to the bounds a head is taken, in one piece or in many."""
    data = ALLOWED[what]
    step = -(-len(data) // pieces)
    async with running() as one, one.connected() as client:
        for _ in range(2):
            for start in range(0, len(data), step):
                await client.send(data[start : start + step])
            assert (await client.answer()).status == 200


FRAMED = {
    "an extension": b"1;" + b"e" * 2 * FRAMING + b"\r\na\r\n0\r\n\r\n",
    "an extension without an end": b"1;" + b"e" * MEGABYTE,
    "many extensions": b"1;eeeeeeeeeeeeeeeeeeeeee\r\na\r\n" * 4000,
    "a trailer field": b"1\r\na\r\n0\r\nX-A: " + b"a" * 2 * FRAMING + b"\r\n\r\n",
    "a trailer field without an end": b"1\r\na\r\n0\r\nX-A: " + b"a" * MEGABYTE,
    "many trailer fields": b"1\r\na\r\n0\r\n" + b"A: a\r\n" * (FIELDS + 10),
}


@pytest.mark.parametrize("what", FRAMED)
async def test_what_is_around_a_body_is_bounded(what: str) -> None:
    """Chunk extensions and trailer fields have bounds too."""
    async with running() as one, one.connected() as client:
        await client.send(CHUNKED)
        sent = asyncio.create_task(client.send(FRAMED[what]))
        answer = await client.answer()
        assert answer.status in (400, 431)
        assert await client.ended() == b""
        await sent


async def test_small_chunks_are_a_body_like_any() -> None:
    """A body in chunks of one byte is taken, with extensions, and its trailer fields are not."""
    body = b"1;e\r\na\r\n" * 20_000 + b"0\r\nAuthorization: Bearer t\r\n\r\n"
    async with running() as one, one.connected() as client:
        for _ in range(2):
            answer = await client.ask(CHUNKED + body)
            assert answer.body == b"POST /c 2 " + b"a" * 20_000


async def test_a_head_that_does_not_come_in_time_is_408() -> None:
    """Who begins a request has so long for its head, counted from its first byte."""
    async with running(bounds=replace(LONG, head=0.05)) as one, one.connected() as client:
        await client.ask(GET)
        answer = await client.ask(GET[:-2])
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert answer.error["extensions"]["retryable"] is True
        assert await client.ended() == b""


@pytest.mark.parametrize("pieces", [1, 2])
async def test_an_answer_may_take_longer_than_a_head(pieces: int) -> None:
    """The time for the next head does not run while a request is being answered."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def wait(_path: str) -> None:
        asked.set()
        await may_answer.wait()

    data = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
    async with (
        running(App(wait), bounds=replace(LONG, head=0.05)) as one,
        one.connected() as client,
        one.connected() as other,
    ):
        for start in range(0, len(data), len(data) // pieces):
            await client.send(data[start : start + len(data) // pieces])
        await asked.wait()
        assert (await other.ask(GET[:-2])).status == 408  # so that the time is over
        may_answer.set()
        assert (await client.answer()).body == b"POST /a 2 body"


async def test_the_time_for_a_head_begins_once() -> None:
    """A byte now and then does not prolong the time."""
    async with running(bounds=replace(LONG, head=0.2)) as one, one.connected() as client:
        await client.send(b"GET /a HTTP/1.1\r\n")
        ended = asyncio.create_task(client.ended())
        while not ended.done():
            await client.send(b"A: a\r\n")
            await asyncio.wait([ended], timeout=0.02)
        assert ended.result().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", GET], ids=["new", "answered"])
async def test_a_connection_without_a_request_ends_in_time(sent: bytes) -> None:
    """A connection waits so long for its next request, and for its first."""
    async with running(bounds=replace(LONG, keep_alive=0.05)) as one, one.connected() as client:
        if sent:
            await client.ask(sent)
        assert await client.ended() == b""


async def test_a_client_that_takes_nothing_is_not_waited_for() -> None:
    """An answer of which nothing is taken for long ends the connection."""
    async with running(bounds=replace(LONG, stalled=0.05)) as one, one.connected() as client:
        await client.send(head(target=b"/large"))
        await until("the end of the connection", lambda: not one.server.server_state.connections)
        assert len(await client.ended()) < 8_000_000


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "a blank in a name": head(b"X A: a"),
    "two lengths": head(b"Content-Length: 1", b"Content-Length: 2"),
    "a target that is none": head(target=b"http://["),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_not_http_is_told_so_in_json(what: str) -> None:
    """Bytes that are no request are 400 with an error body, and the connection ends."""
    async with running() as one, one.connected() as client:
        answer = await client.ask(MALFORMED[what])
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.error["extensions"]["code"] == "BAD_REQUEST"
        assert await client.ended() == b""


async def test_an_answer_is_never_that_of_another_request() -> None:
    """What is malformed after a good request is told after the answer to that one."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def wait(_path: str) -> None:
        asked.set()
        await may_answer.wait()

    async with running(App(wait)) as one, one.connected() as client:
        await client.send(GET)
        await asked.wait()
        await client.send(b"hello\r\n\r\n" + GET)
        may_answer.set()
        assert (await client.answer()).status == 200
        assert (await client.answer()).status == 400
        assert await client.ended() == b""


async def test_an_offer_of_another_protocol_is_passed_over() -> None:
    """A request that offers HTTP/2 or a websocket is answered with its body, and so is the next."""
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAA\r\n"
    post = b"POST /u HTTP/1.1\r\nHost: h\r\n" + fields + b"Content-Length: 4\r\n\r\nbody"
    websocket = head(b"Connection: upgrade", b"Upgrade: websocket")
    async with running() as one, one.connected() as client:
        assert (await client.ask(post)).body == b"POST /u 4 body"
        await client.send(post[:-2])
        await client.send(post[-2:] + GET + websocket + GET)
        assert [(await client.answer()).status for _ in range(4)] == [200] * 4


async def test_a_tunnel_is_refused() -> None:
    """CONNECT is no method of this server; the log tells of the refusal."""
    with capture_logs() as lines:
        async with running() as one, one.connected() as client:
            answer = await client.ask(b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n")
            assert (answer.status, answer.headers["allow"]) == (405, "get, post")
    assert ("http_request_refused", 405) in [(one["event"], one.get("status")) for one in lines]


async def test_requests_that_wait_are_bounded() -> None:
    """So many requests may wait for the one before; the next is refused after their answers."""
    may_answer = asyncio.Event()

    async def wait(_path: str) -> None:
        await may_answer.wait()

    async with running(App(wait)) as one, one.connected() as client:
        await client.send(GET * 1000)
        may_answer.set()
        statuses = [(await client.answer()).status for _ in range(PIPELINED + 2)]
        assert statuses == [200] * (PIPELINED + 1) + [400]
        assert await client.ended() == b""


async def test_who_sends_no_more_is_answered() -> None:
    """A client that has ended its direction only gets its answer."""
    async with running() as one, one.connected() as client:
        await client.send(GET)
        client.end_sending()
        assert (await client.answer()).status == 200
        assert await client.ended() == b""


async def test_an_early_answer_keeps_the_connection() -> None:
    """The rest of a body whose request was answered early is dropped, and the next is answered."""
    early = b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    async with running() as one, one.connected() as client:
        assert (await client.ask(early)).status == 200
        assert (await client.ask(b"a" * 100_000 + GET)).body == b"GET /a 1 "


@pytest.mark.parametrize("framing", [b"Content-Length: 9999999999", b"Transfer-Encoding: chunked"])
async def test_the_rest_of_an_answered_body_is_bounded(framing: bytes) -> None:
    """Of a body whose request was answered early so much is read and dropped, and no more."""
    early = b"POST /early HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n"
    async with running() as one, one.connected() as client:
        await client.ask(early)
        ended = asyncio.create_task(client.ended())
        for _ in range(10 * UNWANTED // 0xFFFF):
            await client.send(b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n")
        await ended


async def test_the_rest_of_an_answered_body_has_its_time() -> None:
    """A client that stops in the middle of such a body is not waited for."""
    early = b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\na"
    async with running(bounds=replace(LONG, head=0.05)) as one, one.connected() as client:
        await client.ask(early)
        assert await client.ended() == b""


async def test_the_last_answer_arrives_before_the_end_of_its_request() -> None:
    """A client that sends a body and is answered early gets that answer, also where the connection
    ends with it: what still comes is not reset."""
    early = (
        b"POST /early HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n"
    )
    async with running() as one, one.connected() as client:
        await client.send(early)
        await until("the answer", lambda: one.server.server_state.total_requests > 0)
        await client.send(bytes(900_000))
        assert (await client.answer()).status == 200
        assert await client.ended() == b""


async def test_what_comes_after_a_refusal_is_bounded() -> None:
    """Who goes on sending after the last answer is cut off after so many bytes."""
    async with running() as one, one.connected() as client:
        assert (await client.ask(b"hello\r\n\r\n")).status == 400
        for _ in range(64):
            await client.send(bytes(UNWANTED))
        assert not one.server.server_state.connections


async def test_a_client_that_has_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes while its last answer is written leaves no error in the log."""
    with socket.socket() as client:

        async def leave(_path: str) -> None:
            client.close()

        app, last = App(leave), (b"Connection: close", b"Content-Length: 9")
        async with running(app) as one:
            client.connect(("127.0.0.1", one.port))
            client.sendall(head(*last, method=b"HEAD", target=b"/early"))
            await until("the request", lambda: bool(app.begun))
            await until("the end", lambda: not one.server.server_state.connections)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_the_time_for_the_next_request_begins_after_the_rest_of_a_body() -> None:
    """A connection that has sent the rest of a body for nothing ends in time like any other."""
    early = b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    async with running(bounds=replace(LONG, keep_alive=0.05)) as one, one.connected() as client:
        await client.ask(early)
        await client.send(b"body")
        assert await client.ended() == b""


async def test_a_head_may_take_longer_than_the_next_request() -> None:
    """Once a request has begun the time for its head counts, and no longer that for its beginning,
    also where it began before the answer to another one."""
    bounds = replace(LONG, keep_alive=0.05)
    async with running(bounds=bounds) as one, one.connected() as client:
        await client.ask(GET + GET[:10])
        async with one.connected() as other:
            assert await other.ended() == b""  # so that the time is over
        assert (await client.ask(GET[10:])).status == 200


async def test_a_client_that_takes_not_all_of_a_last_answer_is_not_waited_for() -> None:
    """A connection that is to end after its answer ends although that answer is never taken."""
    async with running(App(), replace(LONG, stalled=0.05), send_buffer=4096) as one:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", one.port))
            client.sendall(head(b"Connection: close", target=b"/medium"))
            await until("the answer", lambda: one.server.server_state.total_requests > 0)
            await until("the end", lambda: not one.server.server_state.connections)


async def test_connections_that_wait_longest_give_way() -> None:
    """Where there are too many connections, new ones are served, and the oldest that wait end; the
    log says so once."""
    with capture_logs() as lines:
        await _crowd()
    [line] = [one for one in lines if one["event"] == "waiting_connections_closed"]
    assert line["log_level"] == "warning"


async def _crowd() -> None:
    async with running(bounds=replace(LONG, connections=16)) as one:
        async with one.connected() as oldest:
            clients = [await _connect(one.port) for _ in range(50)]
            assert await oldest.ended() == b""
            assert (await clients[-1].ask(GET)).status == 200
            async with waiting_for("the others that waited"):
                for client in clients[:34]:
                    assert await client.ended() == b""
            assert [(await client.ask(GET)).status for client in clients[35:]] == [200] * 15
        for client in clients:
            client.close()


async def _connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_a_request_in_progress_never_gives_way() -> None:
    """A connection whose request is being answered is not closed for another one."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def wait(path: str) -> None:
        asked.set()
        if path == "/slow":
            await may_answer.wait()

    async with (
        running(App(wait), bounds=replace(LONG, connections=16)) as one,
        one.connected() as slow,
    ):
        await slow.send(head(target=b"/slow"))
        await asked.wait()
        crowd = [await _connect(one.port) for _ in range(60)]
        assert (await crowd[-1].ask(GET)).status == 200
        may_answer.set()
        assert (await slow.answer()).status == 200
        for client in crowd:
            client.close()
