"""Well-formed requests, however they are cut, are answered byte by byte as uvicorn answers them."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from tests.serving.client import App, running
from tests.waiting import until, waiting_for

BYTES = st.binary(max_size=40) | st.builds(bytes, st.integers(0, 70_000))
TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
VALUES = st.text('abcXYZ 0123456789;=,/"\\\t\xe9', max_size=20)
TARGETS = ["/", "/a", "/a?b=c&d=%20", "/%c3%a9/%2f", "http://h/a?b", "/" + "a" * 3000, "//a", "/;a"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """The bytes of one request that keeps its connection."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]))
    fields = [f"X-{name}: {value}" for name, value in draw(st.lists(st.tuples(TOKENS, VALUES)))]
    if draw(st.booleans()):
        fields.append("Expect: 100-continue")
    framing, body = draw(st.just(([], b"")) | sized() | chunked())
    line = f"{method} {draw(st.sampled_from(TARGETS))} HTTP/1.1"
    head = "\r\n".join([line, "Host: h", *fields, *framing, "", ""]).encode("latin-1")
    return draw(st.sampled_from([b"", b"\r\n"])) + head + body


@st.composite
def sized(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """The field that frames a body, and the body."""
    body = draw(BYTES)
    return [f"Content-Length: {len(body)}"], body


@st.composite
def chunked(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """The same, in chunks with extensions; uvicorn would mix trailer fields with the header's."""
    chunks = [chunk for chunk in draw(st.lists(BYTES, max_size=5)) if chunk]
    extension = draw(st.sampled_from([b"", b";a=b"]))
    framed = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return ["Transfer-Encoding: chunked"], b"".join(framed) + b"0\r\n\r\n"


class Mirror(App):
    """Answers with all that it was given."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        told = ("method", "path", "raw_path", "query_string", "http_version", "headers")
        said = repr([*(scope[key] for key in told), body]).encode()
        start = {"type": "http.response.start", "status": 200}
        if len(body) % 2:  # else the answer is in chunks
            start["headers"] = [(b"content-length", b"%d" % len(said))]
        await send(start)
        await send({"type": "http.response.body", "body": said})


@asynccontextmanager
async def plain() -> AsyncIterator[int]:
    """The port of uvicorn's own server."""
    config = uvicorn.Config(
        Mirror(), http="httptools", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await until("the start of uvicorn", lambda: server.started)
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await task


async def _answers(port: int, data: bytes, cuts: list[int]) -> bytes:
    """All that comes back for some bytes that are sent in pieces, without the dates."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        writer.write(data[start:end])
        await asyncio.sleep(0)  # so that the server takes it alone
    async with waiting_for("the answers"):
        answers = await reader.read()
    writer.close()
    return re.sub(rb"\r\ndate: [^\r]*", b"", answers)


LAST = [
    b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"POST /last HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody",
    b"HEAD /last HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]


def test_well_formed_requests_are_answered_as_uvicorn_answers_them() -> None:
    """Pipelined, chunked and in pieces of any size: both servers send the same bytes."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> list[int]:
            return [
                await stack.enter_async_context(plain()),
                (await stack.enter_async_context(running(Mirror()))).port,
            ]

        ports = runner.run(start())

        @settings(max_examples=60, deadline=None)
        @given(st.lists(requests(), max_size=8), st.sampled_from(LAST), st.data())
        def same(first: list[bytes], last: bytes, drawn: st.DataObject) -> None:
            data = b"".join(first) + last
            cuts = sorted(drawn.draw(st.lists(st.integers(0, len(data)), max_size=30)))
            expected, answers = [runner.run(_answers(port, data, cuts)) for port in ports]
            assert answers == expected
            assert answers.count(b"HTTP/1.1 200 OK") == len(first) + 1

        try:
            same()
        finally:
            runner.run(stack.aclose())
