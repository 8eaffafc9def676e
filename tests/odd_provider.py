"""A provider whose answers are odd, and a ledger of the cards that it truly made.

Each request that arrives meets the next oddity of its plan: a create, that of its click, which its
address tells; a fetch of a token or a read, that of its kind. Beyond the plan the provider answers
as documented. Whatever is answered, a create makes at most one card under its idempotency key, and
the ledger says which: a test compares with it what the gateway says.

The provider may break off, delay and garble, but it does not lie in what no client could notice: a
create that made its card is not answered as refused, and none is answered with a card of the same
account that does not exist.
"""

import asyncio
import contextlib
import functools
import gzip
import json
import socket
import struct
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

CREATED_AT = "2024-01-12T15:12:26.923705379Z"
_LINGER_0 = struct.pack("ii", 1, 0)
_PIECE = 65536
_BLANKS = b" " * _PIECE
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
_AT_ONCE = 1000
MOST_INTERIM = 200_000
"""Interim answers that count as endless."""


@dataclass(frozen=True)
class Oddity:
    """What becomes of one request.

    ``commits``: whether a create makes its card, if its key has none yet. ``status`` 0 is the
    documented one. ``fields`` are whole header lines, ``<long>`` for a very long text; the usual
    field of the same name is left out then, and so are those in ``without``. ``body`` and
    ``timing`` are names of ``BODIES`` and ``TIMINGS``, and the body ``swapped`` is that of another
    card; ``changes`` replace members of the documented body. So many ``interim`` answers precede
    it, and so many MiB of blanks, ``padding``, follow it.
    """

    commits: bool = True
    status: int = 0
    fields: tuple[bytes, ...] = ()
    without: tuple[str, ...] = ()
    body: str = "right"
    changes: tuple[tuple[str, Any], ...] = ()
    timing: str = "at once"
    interim: int = 0
    padding: int = 0


@dataclass(frozen=True)
class Plan:
    """The oddities in the order of the requests; ``creates`` by the number of the click."""

    creates: Mapping[int, tuple[Oddity, ...]] = field(default_factory=dict)
    tokens: tuple[Oddity, ...] = ()
    reads: tuple[Oddity, ...] = ()


def changed(right: bytes, changes: tuple[tuple[str, Any], ...]) -> bytes:
    """The JSON with other members; one whose value is ``...`` is taken away.

    In a list each object has them; where there is no body there is nothing to change.
    """
    if not right:
        return right
    content = json.loads(right)
    for one in content if isinstance(content, list) else [content]:
        for name, value in changes:
            one.pop(name, None)
            if value is not ...:
                one[name] = value
    return json.dumps(content).encode()


def _latin(right: bytes) -> bytes:
    return right.replace(b"{", '{"name": "Zo\u00eb", '.encode("latin-1"), 1)


@functools.cache
def _bomb() -> bytes:
    """200 MiB of blanks in 200 KiB of gzip."""
    packer, blanks = zlib.compressobj(9, wbits=31), b" " * (1 << 20)
    return b"".join([*(packer.compress(blanks) for _ in range(200)), packer.flush()])


BODIES: dict[str, Callable[[bytes], bytes]] = {
    "right": lambda right: right,
    "empty": lambda _: b"",
    "error": lambda _: b'{"error": "something is wrong"}',
    "key error": lambda _: b'{"error": "a request with this idempotency key is in flight"}',
    "text": lambda _: b"invalid required signature",
    "html": lambda _: b"<html><body>Bad gateway</body></html>",
    "null": lambda _: b"null",
    "number": lambda _: b"1e999",
    "in a list": lambda right: b"[" + right + b"]",
    "in an object": lambda right: b'{"card": ' + right + b"}",
    "latin-1": _latin,
    "utf-16": lambda right: right.decode().encode("utf-16"),
    "byte order mark": lambda right: b"\xef\xbb\xbf" + right,
    "surrogate": lambda right: right.replace(b"{", b'{"name": "\\ud800", ', 1),
    "truncated": lambda right: right[: len(right) // 2],
    "twice": lambda right: right + right,
    "deep": lambda _: b"[" * 200_000,
    "deep member": lambda right: right[:-1] + b', "x": ' + b'{"x":' * 50_000 + b"0" + b"}" * 50_001,
    "gzip": gzip.compress,
    "cut gzip": lambda right: gzip.compress(right)[:-9],
    "padded": lambda right: right + b" " * 300_000,
    "bomb": lambda _: _bomb(),
}
TIMINGS = (
    *("at once", "late", "drip", "hang", "hang after the head"),
    *("close before", "reset before", "close after", "reset after", "half", "half and reset"),
)
BEFORE = {"close before", "reset before"}
"""Of these nothing is done."""


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class OddProvider:
    """One provider on a socket.

    ``made`` maps idempotency keys to cards, ``keys`` the numbers of clicks to idempotency keys.
    """

    def __init__(self, plan: Plan) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.keys: defaultdict[int, set[str]] = defaultdict(set)
        self.url = ""
        self._creates = {click: iter(oddities) for click, oddities in plan.creates.items()}
        self._tokens, self._reads = iter(plan.tokens), iter(plan.reads)
        self._connections: set[asyncio.Task[Any]] = set()

    def card_of(self, click: int) -> str | None:
        """The id of the card that the click made; fails where there are two."""
        cards = [self.made[key]["id"] for key in self.keys[click] if key in self.made]
        assert len(cards) <= 1, f"click {click} made two cards"
        return cards[0] if cards else None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve from the running event loop."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := await _read(reader):
                if not await self._answer(request, reader, writer):
                    break
        except (OSError, asyncio.CancelledError):
            pass  # the client broke it off, or the test is over
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Do to the request what its oddity says; whether the connection goes on."""
        click = self._click_of(request)
        oddity = next(self._plan_of(request, click), None) or Oddity()
        if oddity.timing in BEFORE:
            return _end(writer, reset="reset" in oddity.timing)
        status, right = self._perform(request, click, commits=oddity.commits)
        if oddity.timing in {"close after", "reset after"}:
            return _end(writer, reset="reset" in oddity.timing)
        if oddity.timing == "hang":
            return await _hang(reader)
        head, body = self._message(oddity, status, right)
        return await _send(oddity, head, body, reader, writer)

    def _click_of(self, request: Received) -> int | None:
        """The click that a create is for: the number that its address begins with."""
        if request.method != "POST" or request.path.endswith("/auth/token"):
            return None
        return int(json.loads(request.body)["billingAddress"]["firstLine"].split()[0])

    def _plan_of(self, request: Received, click: int | None) -> Iterator[Oddity]:
        if request.path.endswith("/auth/token"):
            return self._tokens
        if click is not None:
            return self._creates.get(click, iter(()))
        return self._reads

    def _perform(self, request: Received, click: int | None, *, commits: bool) -> tuple[int, bytes]:
        """Carry it out; the documented status and body."""
        if request.path.endswith("/auth/token"):
            expires = int(time.time()) + 3600
            return 200, _json({"token": "t", "expiresAt": expires, "tokenType": "Bearer"})
        if click is not None:
            return self._create(request, click, commits=commits)
        return self._show(request)

    def _show(self, request: Received) -> tuple[int, bytes]:
        parts = request.path.split("/")
        if parts[-1] == "cards":
            return 200, _json([one for one in self.made.values() if one["accountId"] == parts[-2]])
        card = next((one for one in self.made.values() if one["id"] == parts[-1]), None)
        return (200, _json(card)) if card else (404, _json({"error": "card not found"}))

    def _create(self, request: Received, click: int, *, commits: bool) -> tuple[int, bytes]:
        key = request.headers["idempotency-key"]
        self.keys[click].add(key)
        if commits and key not in self.made:
            self.made[key] = _new_card(request)
        if key not in self.made:
            return 503, _json({"error": "not now"})
        return 201, _json(self.made[key])

    def _message(self, oddity: Oddity, status: int, right: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer."""
        if oddity.body == "swapped":
            body = self._swapped(right)
        else:
            body = BODIES[oddity.body](changed(right, oddity.changes) if oddity.changes else right)
        usual = {
            "content-type": b"Content-Type: application/json",
            "date": time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode(),
            "content-length": b"Content-Length: %d" % (len(body) + (oddity.padding << 20)),
        }
        given = {line.partition(b":")[0].decode("latin-1").lower() for line in oddity.fields}
        left_out = given | set(oddity.without)
        lines = [line for name, line in usual.items() if name not in left_out]
        lines += [line.replace(b"<long>", b"a" * 100_000) for line in oddity.fields]
        first = b"HTTP/1.1 %d X" % (oddity.status or status)
        return b"\r\n".join([first, *lines, b"", b""]), body

    def _swapped(self, right: bytes) -> bytes:
        """Another card that was made, of the same account if there is one."""
        if not right:
            return right
        own = json.loads(right)
        others = [card for card in self.made.values() if card["id"] != own.get("id")]
        others.sort(key=lambda card: card["accountId"] != own.get("accountId"))
        return _json(others[0]) if others else right


def _new_card(request: Received) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "accountId": request.path.split("/")[-2],
        "type": "virtual",
        "billingAddress": json.loads(request.body)["billingAddress"],
        "status": "issuing",
        "createdAt": CREATED_AT,
        "updatedAt": CREATED_AT,
    }


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    """The next request, None where the connection ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, OSError):
        return None
    method, path, _ = line.split(" ")
    return Received(method, path, headers, body)


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> bool:
    sock: socket.socket = writer.get_extra_info("socket")
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        writer.transport.abort()
    return False


async def _hang(reader: asyncio.StreamReader) -> bool:
    """Say nothing until the client gives up."""
    while await reader.read(_PIECE):
        pass
    return False


async def _send(
    oddity: Oddity,
    head: bytes,
    body: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    for start in range(0, oddity.interim, _AT_ONCE):
        writer.write(_INTERIM * min(oddity.interim - start, _AT_ONCE))
        await writer.drain()
    match oddity.timing:
        case "hang after the head":
            writer.write(head)
            return await _hang(reader)
        case "half" | "half and reset":
            whole = head + body
            writer.write(whole[: len(whole) - max(len(body) // 2, 1)])
            await writer.drain()
            return _end(writer, reset="reset" in oddity.timing)
        case "drip":
            return await _drip(head + body, reader, writer)
        case "late":
            await asyncio.sleep(0.05)
    writer.write(head)
    for start in range(0, len(body), _PIECE):
        writer.write(body[start : start + _PIECE])
        await writer.drain()
    for _ in range(oddity.padding * ((1 << 20) // _PIECE)):
        writer.write(_BLANKS)
        await writer.drain()
    return True


async def _drip(data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """A byte at a time, for longer than anybody waits."""
    for start in range(len(data)):
        if reader.at_eof():
            break
        writer.write(data[start : start + 1])
        await writer.drain()
        await asyncio.sleep(0.02)
    return True
