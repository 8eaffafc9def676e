"""A provider on loopback that does to each request what a script says, over real sockets.

Plain sockets and not asyncio's streams: a stream reads ahead, and then nothing could be closed or
left lying *before a byte of it was read*. The kernel also tells the two apart: closing a connection
with unread bytes resets it.
"""

import asyncio
import contextlib
import json
import select
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from tests.waiting import waiting_for

TOKEN_PATH = "/v1/auth/token"
TOKEN_LIFE = 3600
_LINGER_0 = struct.pack("ii", 1, 0)
# On loopback the kernel connects at once, or it will not do so for a second.
_LOOPBACK_WAIT = 200  # milliseconds


class Way(Enum):
    """What becomes of the connection on which the access token was fetched."""

    KEPT = auto()
    CLOSED = auto()  # as announced by ``Connection: close``
    DROPPED = auto()  # closed without a word
    RESET = auto()


@dataclass(frozen=True)
class Received:
    """A request that was read to its end."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def message(status: str, body: bytes = b"", *headers: str, kind: str = "application/json") -> bytes:
    """A whole answer, with the length of its body where it may have one."""
    length = [] if status.startswith(("1", "204")) else [f"Content-Length: {len(body)}"]
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *length, *headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


class Connection:
    """One accepted connection: nothing is read from it but what a script asks for."""

    def __init__(self, sock: socket.socket, requests: list[Received]) -> None:
        self._sock = sock
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._readable = asyncio.Event()

    async def arrival(self) -> bytes:
        """Wait for bytes and look at them without taking them; empty when the connection ended."""
        if self._sock.fileno() >= 0:
            self._readable.clear()
            self._loop.add_reader(self._sock, self._readable.set)
            await self._readable.wait()
        if self._sock.fileno() < 0:
            return b""
        self._loop.remove_reader(self._sock)
        return self._sock.recv(65536, socket.MSG_PEEK)

    async def request(self) -> Received:
        """Read one request to its end."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += await self._some()
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        while len(body) < int(headers.get("content-length", 0)):
            body += await self._some()
        method, path, _ = line.split(" ")
        self._requests.append(Received(method, path, headers, body))
        return self._requests[-1]

    async def _some(self) -> bytes:
        data = await self._loop.sock_recv(self._sock, 65536)
        if not data:
            raise ConnectionAbortedError("the client left within a request")
        return data

    async def send(self, data: bytes) -> None:
        """Write all of it."""
        await self._loop.sock_sendall(self._sock, data)

    async def gone(self) -> None:
        """Say nothing until the client gives up."""
        while await self._loop.sock_recv(self._sock, 65536):
            pass

    def shutdown(self) -> None:
        """End both directions from outside a script; its own task then closes the socket."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it: cleanly if all was read, else the kernel resets it."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()
            self._readable.set()

    def reset(self) -> None:
        """Close it with RST and no FIN."""
        if self._sock.fileno() >= 0:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.close()


Script = Callable[[Connection], Awaitable[None]]


class Server:
    """Answers token requests properly; each other request meets the next script."""

    def __init__(self, scripts: tuple[Script, ...], way: Way, token: str) -> None:
        self.arrivals = 0
        """Requests of which a byte reached us, read or not; those for a token do not count."""
        self._scripts = deque(scripts)
        self._way = way
        self._token = token
        self._received: list[Received] = []
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._crowd: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Inherited by what is accepted: whoever sends and is not read soon has to wait.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())
        self._port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Received]:
        """The requests that were read to their end, without those for a token."""
        return [request for request in self._received if request.path != TOKEN_PATH]

    def end_idle(self) -> None:
        """Do to the connections, which must be idle, what the way demands."""
        for connection in self._connections:
            if self._way is Way.DROPPED:
                connection.close()
            elif self._way is Way.RESET:
                connection.reset()

    async def stop(self) -> None:
        """Stop listening, so that connecting is refused, and close all connections."""
        await _cancel(self._accepting)
        self._listener.close()
        for connection in self._connections:
            connection.shutdown()

    async def stop_answering(self) -> None:
        """Let new connections meet silence: Linux drops a SYN while the accept queue is full."""
        await _cancel(self._accepting)
        self._listener.listen(0)
        for _ in range(8):
            self._crowd.append(sock := socket.socket())
            if not _connects(sock, self._port):
                return
        raise AssertionError("the accept queue does not fill")

    async def finish(self) -> None:
        """Wait for all connections to end, as they do when their clients are closed."""
        async with waiting_for("the end of all connections"):
            await asyncio.gather(*self._connections.values())

    async def close(self) -> None:
        """Give the sockets back."""
        await _cancel(self._accepting, *self._connections.values())
        for sock in (self._listener, *self._crowd):
            sock.close()

    async def _accept(self) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            connection = Connection(sock, self._received)
            self._connections[connection] = asyncio.create_task(self._serve(connection))

    async def _serve(self, connection: Connection) -> None:
        try:
            while first := await connection.arrival():
                if first.startswith(f"POST {TOKEN_PATH} ".encode()):
                    await self._hand_out_token(connection)
                else:
                    self.arrivals += 1
                    # A request too many is hung up on; ``arrivals`` tells of it.
                    await (self._scripts.popleft() if self._scripts else _hang_up)(connection)
        except OSError:
            pass  # the client broke it off
        finally:
            connection.close()

    async def _hand_out_token(self, connection: Connection) -> None:
        await connection.request()
        until = int(time.time()) + TOKEN_LIFE
        token = {"token": self._token, "expiresAt": until, "tokenType": "Bearer"}
        close = ["Connection: close"] if self._way is Way.CLOSED else []
        await connection.send(message("200 OK", json.dumps(token).encode(), *close))
        if self._way is Way.CLOSED:
            connection.close()


async def _hang_up(connection: Connection) -> None:
    connection.close()


def _connects(sock: socket.socket, port: int) -> bool:
    """Whether the kernel connects the socket. It is asked directly: an event loop that comes late
    could take its own delay for silence."""
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", port))
    looking = select.poll()
    looking.register(sock, select.POLLOUT)
    return bool(looking.poll(_LOOPBACK_WAIT))


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(*scripts: Script, way: Way = Way.KEPT, token: str = "t") -> AsyncIterator[Server]:
    """Run a server; at the end it waits for its connections, so close the clients first."""
    server = Server(scripts, way, token)
    try:
        yield server
        await server.finish()
    finally:
        await server.close()
