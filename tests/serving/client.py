"""A client that speaks HTTP/1.1 byte by byte, and a server to speak to."""

import asyncio
import contextlib
import json
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.runtime import Shutdown
from gateway.serving import Bounds, ListeningSocket, Server, listen
from gateway.telemetry import LogSink
from tests.waiting import PATIENCE, waiting_for

LONG = Bounds(head=PATIENCE, keep_alive=PATIENCE, stalled=PATIENCE, drain=PATIENCE, connections=100)
"""Nothing of it expires by itself: a test for which one has to sets that one."""


SIZES = {"/medium": 60_000, "/large": 8_000_000}
"""Bytes of the answers to some paths."""


@dataclass(frozen=True)
class Answer:
    """An answer with its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The one error in the body."""
        [error] = json.loads(self.body)["errors"]
        return error  # type: ignore[no-any-return]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; a connection that was closed meanwhile is no error."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """The next answer, to its end."""
        async with waiting_for("an answer"):
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").rstrip().split("\r\n")
            headers = dict(field.lower().split(": ", 1) for field in fields)
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(line[9:12]), headers, body)

    async def ask(self, data: bytes) -> Answer:
        """Send bytes and read the answer."""
        await self.send(data)
        return await self.answer()

    async def ended(self) -> bytes:
        """Wait until the server ends the connection; what it still sent."""
        async with waiting_for("the end of the connection"):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def end_sending(self) -> None:
        """Close our direction only."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Go without an end: the server's next read fails."""
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._writer.close()

    def close(self) -> None:
        """Give the socket back."""
        self._writer.close()


@dataclass
class Running:
    """A server in this process."""

    server: Server
    port: int
    task: "asyncio.Task[None]"
    shutdown: Shutdown

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """A connection for the length of a block."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            client.close()

    def refuses(self) -> bool:
        """Whether nobody listens any more."""
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) != 0


class App:
    """Reads each request to its end and answers with its method, path, field count and body."""

    def __init__(self, before: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._before = before
        self.begun: list[str] = []
        self.shutdown = Shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.begun.append(scope["path"])
        body = b""
        if scope["path"] != "/early":
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
                if not message["more_body"]:
                    break
        if self._before is not None:
            await self._before(scope["path"])
        said = f"{scope['method']} {scope['path']} {len(scope['headers'])} {body.decode()}".encode()
        if size := SIZES.get(scope["path"]):
            said = bytes(size)
        fields = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": said})

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["shutdown"] = self.shutdown
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


@contextlib.asynccontextmanager
async def running(
    app: ASGIApp | None = None, bounds: Bounds = LONG, *, send_buffer: int | None = None
) -> AsyncIterator[Running]:
    """Run a server for the length of a block; the kernel buffers ``send_buffer`` bytes for it."""
    application = app or App()
    listener = listen("127.0.0.1", 0)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    port = listener.getsockname()[1]
    source = _Announced(listener)
    server = Server(application, source, bounds, LogSink())
    task = asyncio.create_task(server.serve())
    try:
        async with waiting_for("the start of the server"):
            await source.up.wait()
        yield Running(server, port, task, getattr(application, "shutdown", Shutdown()))
    finally:
        server.handle_exit(signal.SIGINT, None)
        async with waiting_for("the end of the server"):
            await task


class _Announced(ListeningSocket):
    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener)
        self.up = asyncio.Event()

    def is_up(self) -> None:
        self.up.set()
