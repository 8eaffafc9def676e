"""What real sockets do to a call, and the row of the table of repeats in which that lands.

How a read and a write end names the row. The server counts what reached it: one attempt is one
request, whatever a transport would like to send again on its own.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import msgspec
import pytest

from gateway.errors import (
    GatewayError,
    OutcomeUnknown,
    Overloaded,
    ProviderProtocolError,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from gateway.ledger import CallResult
from gateway.provider import Address, Card, ProviderClient
from gateway.provider.transport import (
    ExchangeFailed,
    NetworkTransport,
    Origin,
    Request,
    Timeouts,
    transport_to,
)
from gateway.runtime import Runtime
from tests.provider_client import client_of, create_card
from tests.sockets import (
    TOKEN_LIFE,
    Connection,
    Received,
    Script,
    Server,
    Way,
    message,
    serving,
)
from tests.stack import SIGNING_KEY, Clock, settings
from tests.waiting import settled, skip_time, waiting_for

pytestmark = pytest.mark.process

Make = Callable[[], httpx.AsyncBaseTransport | None]
# Whatever is tried here must hold with every transport that the gateway can be given.
TRANSPORTS: dict[str, Make] = {"network": lambda: None, "httpx": httpx.AsyncHTTPTransport}

CARD_ID, OTHER_ID, ACCOUNT_ID = UUID(int=1), UUID(int=2), UUID(int=3)
ADDRESS = Address(first_line="1 Test Avenue", city="London", country="GB", post_code="SW1 1AA")

Do = Callable[[ProviderClient], Awaitable[Card | CallResult[Card] | None]]


@pytest.fixture(params=TRANSPORTS)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes the transport under test."""
    return TRANSPORTS[str(request.param)]


async def read(client: ProviderClient) -> Card | None:
    """A call without effect."""
    return await client.card(CARD_ID)


async def write(client: ProviderClient) -> CallResult[Card]:
    """A call that makes a card."""
    return await create_card(client, ACCOUNT_ID, ADDRESS)


KINDS: dict[str, Do] = {"read": read, "write": write}


@pytest.fixture(params=KINDS)
def do(request: pytest.FixtureRequest) -> Do:
    """A read, then a write."""
    return KINDS[str(request.param)]


class Row(NamedTuple):
    """How a read and a write end: the type of the error, or of the value."""

    read: type
    write: type

    def of(self, do: Do) -> type:
        """The end of this call."""
        return self.read if do is read else self.write


NEVER_CONNECTED = Row(ProviderUnavailable, ProviderUnavailable)
NO_WHOLE_ANSWER = Row(ProviderUnavailable, OutcomeUnknown)
NOT_AS_DOCUMENTED = Row(ProviderProtocolError, OutcomeUnknown)
POOL_EXHAUSTED = Row(Overloaded, Overloaded)
REFUSED = Row(Refused, Refused)
TOO_MANY = Row(RateLimited, RateLimited)
SUCCESS = Row(Card, CallResult)


async def end(call: Awaitable[object]) -> type:
    """The type of a call's value or error."""
    try:
        async with waiting_for("the end of the call"):
            return type(await call)
    except GatewayError as error:
        return type(error)


@dataclass
class Bench:
    """A client and the server that it calls."""

    client: ProviderClient
    server: Server
    clock: Clock

    async def prepare(self) -> None:
        """Have a new access token, so that the next request is the call itself."""
        self.clock.time += TOKEN_LIFE
        await self.client.check_token()
        self.server.end_idle()

    async def ends(self) -> Row:
        """How a read and then a write end, each right after a new token."""
        found = []
        for do in (read, write):
            await self.prepare()
            found.append(await end(do(self.client)))
        return Row(*found)


@contextlib.asynccontextmanager
async def calling(
    url: str, make: Make, runtime: Runtime, **changes: Any
) -> AsyncIterator[ProviderClient]:
    """A client of which one attempt is seen alone."""
    chosen = settings(provider_url=url, **({"max_attempts": 1, "shutdown_grace": 1} | changes))
    client = client_of(chosen, make(), runtime)
    try:
        yield client
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def bench(
    make: Make, *scripts: Script, way: Way = Way.KEPT, **changes: Any
) -> AsyncIterator[Bench]:
    """A server with these scripts, and a client that has its access token already."""
    clock = Clock()
    runtime = Runtime(clock=clock, random=lambda: 0.0)
    async with (
        serving(*scripts, way=way) as server,
        calling(server.url, make, runtime, **changes) as client,
    ):
        ready = Bench(client, server, clock)
        await ready.prepare()
        yield ready


# What the server answers ...


def card(request: Received) -> bytes:
    """A card: the one that was asked for, or a new one."""
    card_id = request.path.rpartition("/")[2] if request.method == "GET" else CARD_ID
    fields = {"id": str(card_id), "accountId": str(ACCOUNT_ID), "type": "virtual"}
    times = {"createdAt": "2099-01-01T00:00:00Z", "updatedAt": "2099-01-01T00:00:00Z"}
    return json.dumps(fields | times | {"status": "active"}).encode()


def success(request: Received) -> str:
    """The documented status."""
    return "200 OK" if request.method == "GET" else "201 Created"


def whole(request: Received) -> bytes:
    """The documented answer."""
    return message(success(request), card(request))


Answer = Callable[[Received], bytes]


def raw(data: bytes) -> Answer:
    """These bytes."""
    return lambda _request: data


def body(data: bytes, *headers: str) -> Answer:
    """This body with the documented status."""
    return lambda request: message(success(request), data, *headers)


def headed(*headers: str) -> Answer:
    """The documented answer with more headers."""
    return lambda request: message(success(request), card(request), *headers)


def after(data: bytes) -> Answer:
    """These bytes, then the documented answer."""
    return lambda request: data + whole(request)


def before(data: bytes) -> Answer:
    """The documented answer, then these bytes."""
    return lambda request: whole(request) + data


def swapped(request: Received) -> bytes:
    """The status that is documented for the other kind of call."""
    status = "201 Created" if request.method == "GET" else "200 OK"
    return message(status, card(request))


def cut(request: Received) -> bytes:
    """An answer that ends amid its body."""
    return whole(request)[:-20]


def cut_without_length(request: Received) -> bytes:
    """An answer of HTTP/1.0, which ends where the connection does, amid its body."""
    return f"HTTP/1.0 {success(request)}\r\n\r\n".encode() + card(request)[:-20]


def cut_chunks(request: Received) -> bytes:
    """An answer in chunks that ends after half a chunk."""
    head = f"HTTP/1.1 {success(request)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"ff\r\n" + card(request)[:20]


def cut_after_chunk(request: Received) -> bytes:
    """All of the body in one chunk, and no last chunk."""
    head = f"HTTP/1.1 {success(request)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n" % len(card(request)) + card(request) + b"\r\n"


# ... and does.


def answers(answer: Answer, then: Callable[[Connection], None] | None = None) -> Script:
    """Read the request, answer it; then let the connection be, or end it."""

    async def script(connection: Connection) -> None:
        await connection.send(answer(await connection.request()))
        if then:
            then(connection)

    return script


def reads(then: Callable[[Connection], None]) -> Script:
    """Read the request, answer nothing, and end the connection."""
    return answers(raw(b""), then)


async def unread(connection: Connection) -> None:
    """Close the connection, on which a request lies, without reading a byte of it."""
    connection.close()


# Limits that have to expire are so long that they do so only when the time is moved.
LIMIT = 60.0


async def hang(connection: Connection) -> None:
    """Read the request and never answer."""
    await connection.request()
    await settled()  # the client waits for the answer now
    skip_time(LIMIT)
    await connection.gone()


async def hang_in_body(connection: Connection) -> None:
    """Answer half and never the rest."""
    await connection.send(cut(await connection.request()))
    await settled()  # the client waits for the rest now
    skip_time(LIMIT)
    await connection.gone()


async def drip(connection: Connection) -> None:
    """Answer so slowly that no single wait is long and the whole takes for ever."""
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await connection.send(b" ")
        skip_time(LIMIT / 10)
        await asyncio.sleep(0.01)


close, reset = Connection.close, Connection.reset
READ_LIMIT: dict[str, Any] = {"read_timeout": LIMIT}
CALL_LIMIT: dict[str, Any] = {"call_deadline": LIMIT}


@dataclass(frozen=True)
class Case:
    """What the server does to the one request of a call, and where that lands."""

    name: str
    script: Script
    row: Row
    way: Way = Way.KEPT
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name if self.way is Way.KEPT else f"{self.name}, {self.way.name.lower()}"


def each(*cases: Case) -> list[Any]:
    """The cases as parameters."""
    return [pytest.param(case, id=str(case)) for case in cases]


BROKEN = [
    *[
        Case(name, script, NO_WHOLE_ANSWER, way)
        for way in (Way.KEPT, Way.CLOSED)
        for name, script in {
            "closed unread": unread,
            "reset after reading": reads(reset),
            "closed after reading": reads(close),
        }.items()
    ],
    Case("half a status line", answers(raw(b"HTTP/1.1 2"), close), NO_WHOLE_ANSWER),
    Case("half a head", answers(raw(b"HTTP/1.1 200 OK\r\nDate: "), close), NO_WHOLE_ANSWER),
    Case("interim answer only", answers(raw(message("103 Hints")), close), NO_WHOLE_ANSWER),
    Case("half a body", answers(cut, close), NO_WHOLE_ANSWER),
    Case("half a body, reset", answers(cut, reset), NO_WHOLE_ANSWER),
    Case("half a chunk", answers(cut_chunks, close), NO_WHOLE_ANSWER),
    Case("no last chunk", answers(cut_after_chunk, close), NO_WHOLE_ANSWER),
    Case("half a body without length", answers(cut_without_length, close), NOT_AS_DOCUMENTED),
    Case("garbage", answers(raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")), NO_WHOLE_ANSWER),
    Case("endless head", answers(raw(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000)), NO_WHOLE_ANSWER),
    Case("two lengths", answers(headed("Content-Length: 1")), NO_WHOLE_ANSWER),
    Case("read timeout", hang, NO_WHOLE_ANSWER, changes=READ_LIMIT),
    Case("read timeout in the body", hang_in_body, NO_WHOLE_ANSWER, changes=READ_LIMIT),
    Case("deadline", hang, NO_WHOLE_ANSWER, changes=CALL_LIMIT),
    Case("deadline amid drops", drip, NO_WHOLE_ANSWER, changes=CALL_LIMIT),
    Case(
        "101", answers(raw(message("101 Switching Protocols", b"", "Upgrade: x"))), NO_WHOLE_ANSWER
    ),
]

MOVED = "Location: /v1/elsewhere"
WHOLE = [
    *[
        Case(status, answers(raw(message(status, b"", MOVED))), NOT_AS_DOCUMENTED)
        for status in ("302 Found", "307 Temporary Redirect")
    ],
    Case("302 to nowhere", answers(raw(message("302 Found"))), NOT_AS_DOCUMENTED),
    Case(
        "302 to a broken URL",
        answers(raw(message("302 Found", b"", "Location: http://[::1"))),
        NOT_AS_DOCUMENTED,
    ),
    Case(
        "302 to another scheme",
        answers(raw(message("302 Found", b"", "Location: mailto:a@b.example"))),
        NOT_AS_DOCUMENTED,
    ),
    Case("204", answers(raw(message("204 No Content"))), NOT_AS_DOCUMENTED),
    Case("200 for 201 and back", answers(swapped), Row(ProviderProtocolError, CallResult)),
    Case("broken gzip", answers(headed("Content-Encoding: gzip")), NOT_AS_DOCUMENTED),
    Case("empty body", answers(body(b"")), NOT_AS_DOCUMENTED),
    Case("not JSON", answers(body(b"<html>")), NOT_AS_DOCUMENTED),
    Case("not UTF-8", answers(body(b'{"id": "\xff"}')), NOT_AS_DOCUMENTED),
    Case("null", answers(body(b"null")), NOT_AS_DOCUMENTED),
    Case("an object without fields", answers(body(b"{}")), NOT_AS_DOCUMENTED),
    Case("100 first", answers(after(b"HTTP/1.1 100 Continue\r\n\r\n")), SUCCESS),
    Case("103 first", answers(after(b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n" * 3)), SUCCESS),
    Case("answered and closed", answers(whole, close), SUCCESS),
    # A connection that ended while it was idle. httpx looks before it sends, finds the end, and
    # connects again: nothing is lost. Where the end comes after that look, the request is on its
    # way, and it is "closed unread".
    *[Case("answered", answers(whole), SUCCESS, way) for way in Way],
    Case(
        "unreadable Date",
        answers(headed("Date: Mon, 01 Jan 99999999999999999999 00:00:00 GMT")),
        SUCCESS,
    ),
    Case(
        "unreadable Retry-After",
        answers(raw(message("429 Slow", b"", "Retry-After: 1 Jan 99999999999999999999 00:00:00"))),
        TOO_MANY,
    ),
    Case(
        "unreadable charset",
        answers(raw(message("409 Conflict", b"it has a card", kind="text/plain; charset=hex"))),
        REFUSED,
    ),
]


@pytest.mark.parametrize("case", each(*BROKEN, *WHOLE))
async def test_what_becomes_of_a_request_lands_in_its_row(case: Case, make: Make) -> None:
    """Whatever the provider does to the one request that reaches it, the call ends in its row."""
    async with bench(make, case.script, case.script, way=case.way, **case.changes) as it:
        assert await it.ends() == case.row
    assert it.server.arrivals == 2


async def test_a_request_that_the_provider_does_not_take_is_open(make: Make) -> None:
    """A write that stalls amid its body, of which a part has left, is unknown."""
    over = asyncio.Event()

    async def never_read(connection: Connection) -> None:
        skip_time(LIMIT)
        await over.wait()
        connection.close()

    async with bench(make, never_read, write_timeout=LIMIT) as it:
        # Far more than the kernel takes from a sender whose peer does not read.
        long = msgspec.structs.replace(ADDRESS, first_line="x" * 16_000_000)
        call = create_card(it.client, ACCOUNT_ID, long)
        assert await end(call) is OutcomeUnknown
        over.set()
    assert (it.server.arrivals, it.server.requests) == (1, [])


# What never reaches the provider.


@pytest.mark.parametrize("way", [Way.KEPT, Way.CLOSED])
async def test_a_refused_connection_sends_nothing(way: Way, do: Do, make: Make) -> None:
    """Where nobody listens any more, a write provably never left."""
    async with bench(make, way=way) as it:
        await it.server.stop()
        assert await end(do(it.client)) is NEVER_CONNECTED.of(do)
    assert it.server.arrivals == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels answer when the queue is full")
async def test_a_silent_address_sends_nothing(do: Do, make: Make) -> None:
    """Where connecting takes too long, a write provably never left."""
    async with bench(make, way=Way.CLOSED, connect_timeout=LIMIT) as it:
        await it.server.stop_answering()
        call = asyncio.create_task(end(do(it.client)))
        await settled()
        skip_time(LIMIT)
        assert await call is NEVER_CONNECTED.of(do)
    assert it.server.arrivals == 0


async def test_a_name_that_does_not_resolve_sends_nothing(do: Do, make: Make) -> None:
    """Where the provider's name is not found, there is not even a token: nothing was sent."""
    # A label is at most 63 characters long (RFC 1035, 2.3.4): no resolver is asked for this one.
    async with calling(f"http://{'a' * 64}.localhost/v1", make, Runtime()) as client:
        assert await end(do(client)) is NEVER_CONNECTED.of(do)


@pytest.mark.parametrize("token", ["", "t "])
async def test_a_token_that_fits_no_header_sends_nothing(token: str, do: Do, make: Make) -> None:
    """With an access token that cannot be sent, nothing is: a write provably never left."""
    async with (
        serving(answers(whole), token=token) as server,
        calling(server.url, make, Runtime()) as client,
    ):
        assert await end(do(client)) is NEVER_CONNECTED.of(do)
    assert server.arrivals == 0


class Gate:
    """Holds a request until it is opened, then answers it."""

    def __init__(self, answer: Answer) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._answer = answer

    async def __call__(self, connection: Connection) -> None:
        """The script."""
        request = await connection.request()
        self.reached.set()
        await self.open.wait()
        await connection.send(self._answer(request))


FULL: dict[str, Any] = {"max_connections": 1, "pool_timeout": LIMIT}


async def test_a_full_gateway_sends_nothing(do: Do, make: Make) -> None:
    """A call that finds no place beside the calls in flight is overloaded and never left."""
    gate = Gate(whole)
    async with bench(make, gate, **FULL) as it:
        first = asyncio.create_task(it.client.card(OTHER_ID))
        await gate.reached.wait()
        second = asyncio.create_task(end(do(it.client)))
        await settled()
        skip_time(LIMIT)
        assert await second is POOL_EXHAUSTED.of(do)
        gate.open.set()
        assert await end(first) is Card
    assert it.server.arrivals == 1


async def test_a_full_pool_sends_nothing(do: Do, make: Make) -> None:
    """A call that has a place and gets no connection is overloaded and never left."""
    gate = Gate(raw(message("204 No Content")))  # registering a key takes no place among the calls
    async with bench(make, gate, **FULL) as it:
        first = asyncio.create_task(it.client.register_signing_key(SIGNING_KEY.public_key()))
        await gate.reached.wait()
        second = asyncio.create_task(end(do(it.client)))
        await settled()
        skip_time(LIMIT)
        assert await second is POOL_EXHAUSTED.of(do)
        gate.open.set()
        assert await end(first) is NoneType
    assert it.server.arrivals == 1


# What follows.


def twice(request: Received) -> bytes:
    """The documented answer, and another that nobody asked for."""
    stray = card(request).replace(b"00000000", b"99999999")
    return whole(request) + message(success(request), stray)


LEFT: dict[str, Answer] = {
    "an answer too many": twice,
    "a 204 with a body": raw(message("204 No Content") + b"stray"),
    "more than its length": before(b"stray"),
}


@pytest.mark.parametrize("leaves", LEFT.values(), ids=LEFT)
async def test_no_call_gets_what_another_left(leaves: Answer, do: Do, make: Make) -> None:
    """A call gets its own answer or none, whatever the one before it left on the connection."""
    async with bench(make, answers(leaves), answers(whole)) as it:
        await end(do(it.client))
        with contextlib.suppress(ProviderUnavailable, ProviderProtocolError, OutcomeUnknown):
            found = await do(it.client)
            card = found.value if isinstance(found, CallResult) else found
            assert card is not None
            assert card.id == CARD_ID


async def test_no_call_gets_what_came_unasked(do: Do) -> None:
    """An answer that comes while a connection is idle is nobody's: the next call opens another."""
    answered, chattered = asyncio.Event(), asyncio.Event()

    async def chatters(connection: Connection) -> None:
        request = await connection.request()
        await connection.send(whole(request))
        await answered.wait()
        await connection.send(twice(request))
        chattered.set()

    async with bench(TRANSPORTS["network"], chatters, answers(whole)) as it:
        await do(it.client)
        answered.set()
        await chattered.wait()
        assert await end(do(it.client)) is SUCCESS.of(do)
    assert it.server.arrivals == 2


async def test_nothing_of_an_answer_goes_on_to_the_next_request(do: Do, make: Make) -> None:
    """A cookie that the provider sets is not sent back: it may be another caller's."""
    cookie = answers(headed("Set-Cookie: session=1; Path=/"))
    async with bench(make, cookie, cookie) as it:
        for _ in range(2):
            await do(it.client)
    assert not any("cookie" in request.headers for request in it.server.requests)


async def test_no_proxy_is_taken_from_the_environment(
    do: Do, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed requests and tokens go to the provider, whatever HTTP_PROXY says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with bench(make, answers(whole)) as it:
        assert await end(do(it.client)) is SUCCESS.of(do)


@pytest.mark.parametrize("target", ["/v1/%7Ea", "/v1/a/%2e%2e/b", "/v1/it's(a)*;b=c", "/v1/%e2%82"])
async def test_the_signed_path_is_the_one_sent(target: str, make: Make) -> None:
    """The path goes onto the wire byte for byte, whatever a client library would make of it."""
    async with serving(answers(raw(message("404 Not Found")))) as server:
        wire = transport_to(server.url, through=make())
        await wire.exchange(
            Request("GET", target, {}), Timeouts(connect=LIMIT, read=LIMIT, write=LIMIT)
        )
        await wire.aclose()
    assert [request.path for request in server.requests] == [target]


LOST: dict[str, Script] = {
    "closed unread": unread,
    "closed after reading": reads(close),
    "reset after reading": reads(reset),
    "half a body": answers(cut, close),
    "garbage": answers(raw(b"garbage\r\n\r\n")),
    "never answered": hang,
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_a_lost_answer_is_asked_for_again(lost: Script, make: Make) -> None:
    """After a lost answer the call is sent once more, and its caller sees the success only."""
    scripts = (lost, answers(whole)) * 2
    changes: dict[str, Any] = READ_LIMIT if lost is hang else {}
    async with bench(make, *scripts, max_attempts=3, **changes) as it:
        assert await it.ends() == SUCCESS
    assert it.server.arrivals == 4


async def test_a_repeat_differs_in_its_signature_only(do: Do, make: Make) -> None:
    """Both requests of a repeated call have one key and the same bytes, each its own signature."""
    async with bench(make, reads(close), answers(whole), max_attempts=3) as it:
        await do(it.client)
    first, second = it.server.requests
    assert first.headers["signature"] != second.headers["signature"]
    assert without_signature(first) == without_signature(second)
    assert ("idempotency-key" in first.headers) is (do is write)


def without_signature(request: Received) -> Received:
    """All of a request that a repeat must not change."""
    kept = {name: v for name, v in request.headers.items() if not name.startswith("signature")}
    return replace(request, headers=kept)


async def test_attempts_are_counted(do: Do, make: Make) -> None:
    """When every answer is lost, the provider sees one key as often as there are attempts."""
    async with bench(make, *[reads(close)] * 5, max_attempts=3) as it:
        assert await end(do(it.client)) is NO_WHOLE_ANSWER.of(do)
    assert it.server.arrivals == 3
    assert len({request.headers.get("idempotency-key") for request in it.server.requests}) == 1


async def test_a_refused_repeat_settles_nothing(do: Do, make: Make) -> None:
    """A lost answer stays open when the provider is gone before it can be asked for again."""

    async def last(connection: Connection) -> None:
        await connection.request()
        await it.server.stop()

    async with bench(make, last, max_attempts=3) as it:
        assert await end(do(it.client)) is NO_WHOLE_ANSWER.of(do)
    assert it.server.arrivals == 1


async def test_a_server_that_speaks_first_is_not_connected_to_again_and_again() -> None:
    """A new connection with something to read before any request is given up: nothing was sent."""
    connections = 0

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"220 mail.example ready\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
            assert await reader.read() == b""  # until the client leaves
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    network = NetworkTransport(Origin("http", f"127.0.0.1:{port}", ""))
    request = Request("GET", "/", {})
    with pytest.raises(ExchangeFailed):
        await network.exchange(request, Timeouts(connect=60, read=60, write=60))
    await network.aclose()
    server.close()
    await server.wait_closed()
    assert connections == 1
