"""A constant, fast provider: it answers as documented and costs far less than any gateway.

How it works: one raw protocol over httptools and uvloop. Cards are made from the id that was asked
for; unsigned calls are refused with 401 and counted. It checks that a signature is there, not that
it holds. Outside ``/v1``, ``GET /control`` shows the counters and ``PUT /control?latency_ms=50``
sets them back to zero.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import cast
from uuid import uuid4

import httptools
import msgspec
import uvloop

SIGNED = frozenset({b"authorization", b"signature", b"signature-input"})
KEYED = SIGNED | {b"content-digest", b"idempotency-key"}
ACCOUNT = "ae61c362-4136-49af-8e01-544457fe265b"

_CARD = (
    '{"id":"%s","accountId":"%s","type":"virtual","name":"%s","network":"visa",'
    '"maskedPan":"530518******9871","expirationDate":"10/2028","billingAddress":'
    '{"firstLine":"1 Test Avenue","city":"London","country":"GB","postCode":"SW1 1AA"},'
    '"status":"%s","createdAt":"%s","updatedAt":"%s"}'
)
_CREATED_AT = "2025-07-08T18:14:12.278Z"
LISTED = 50  # cards of each account
_TOKEN_LIFE = 3600  # seconds
_REASONS = {200: "OK", 201: "Created", 401: "Unauthorized", 404: "Not Found"}


def holder(card_id: str) -> str:
    """The name on a card: made from its id, so that a mixed-up answer cannot go unnoticed."""
    return f"Holder {card_id[:8]}"


class Counters(msgspec.Struct):
    """What happened since the last reset; token calls are in none of the others."""

    reads: int = 0
    creates: int = 0
    keys: int = 0
    """Distinct idempotency keys."""
    tokens: int = 0
    refused: int = 0
    most_in_flight: int = 0
    most_in_flight_per_card: int = 0


def listed(account_id: str) -> list[str]:
    """The ids of the cards of an account: made from its id."""
    return [f"{account_id[:24]}{number:012x}" for number in range(LISTED)]


def _listed(card_id: str, account_id: str) -> str:
    return _CARD % (card_id, account_id, holder(card_id), "active", _CREATED_AT, _CREATED_AT)


class Provider:
    """What all connections share."""

    def __init__(self, latency: float = 0) -> None:
        self.reset(latency)

    def reset(self, latency: float) -> None:
        """Count from zero; ``latency`` is in seconds."""
        self.latency = latency
        self.counters = Counters()
        self._keys: dict[bytes, str] = {}
        self._in_flight = 0
        self._per_card: Counter[str] = Counter()

    def began(self, card_id: str) -> None:
        """A signed call came in; ``card_id`` is empty where there is none yet."""
        counters, self._in_flight = self.counters, self._in_flight + 1
        counters.most_in_flight = max(counters.most_in_flight, self._in_flight)
        if card_id:
            self._per_card[card_id] = count = self._per_card[card_id] + 1
            counters.most_in_flight_per_card = max(counters.most_in_flight_per_card, count)

    def ended(self, card_id: str) -> None:
        """Its answer goes out."""
        self._in_flight -= 1
        if card_id:
            self._per_card[card_id] -= 1
            if self._per_card[card_id] <= 0:
                del self._per_card[card_id]

    def read(self, card_id: str) -> bytes:
        """The card of an id, always the same."""
        self.counters.reads += 1
        status, when = "active", _CREATED_AT
        return (_CARD % (card_id, ACCOUNT, holder(card_id), status, when, when)).encode()

    def list_cards(self, account_id: str) -> bytes:
        """The cards of an account, always the same."""
        self.counters.reads += 1
        return f"[{','.join(_listed(each, account_id) for each in listed(account_id))}]".encode()

    def create(self, account_id: str, key: bytes) -> bytes:
        """A new card, or that of an earlier call with the same key."""
        self.counters.creates += 1
        card_id = self._keys.get(key)
        if card_id is None:
            card_id = self._keys[key] = str(uuid4())
            self.counters.keys += 1
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return (_CARD % (card_id, account_id, holder(card_id), "issuing", now, now)).encode()

    def token(self) -> bytes:
        """An access token as documented."""
        self.counters.tokens += 1
        return msgspec.json.encode(
            {
                "token": uuid4().hex,
                "expiresAt": int(time.time()) + _TOKEN_LIFE,
                "tokenType": "Bearer",
            }
        )


class Connection(asyncio.Protocol):
    """One kept-alive connection: parses requests and answers them in their order."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._headers: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._path = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers[name.lower()] = value

    def on_message_complete(self) -> None:
        """Called by the parser: route the request."""
        match self._parser.get_method(), self._path.decode("ascii").split("/")[1:]:
            case b"GET", ["v1", "cards", card_id]:
                self._call(SIGNED, card_id, 200, lambda: self._provider.read(card_id))
            case b"GET", ["v1", "accounts", account_id, "cards"]:
                self._call(SIGNED, "", 200, lambda: self._provider.list_cards(account_id))
            case b"POST", ["v1", "accounts", account_id, "cards"]:
                key = self._headers.get(b"idempotency-key", b"")
                self._call(KEYED, "", 201, lambda: self._provider.create(account_id, key))
            case b"POST", ["v1", "auth", "token"]:
                self._answer(200, self._provider.token())
            case method, [control] if control.startswith("control"):
                self._control(method, control)
            case _:
                self._answer(404, b'{"error":"no such route"}')

    def _call(
        self, needed: frozenset[bytes], card_id: str, status: int, answer: Callable[[], bytes]
    ) -> None:
        provider = self._provider
        if not needed <= self._headers.keys():
            provider.counters.refused += 1
            self._answer(401, b'{"error":"not signed as documented"}')
            return
        provider.began(card_id)

        def finish() -> None:
            provider.ended(card_id)
            self._answer(status, answer())

        # Never at once: calls that arrive together are in flight together, even without latency.
        if provider.latency:
            self._loop.call_later(provider.latency, finish)
        else:
            self._loop.call_soon(finish)

    def _control(self, method: bytes, route: str) -> None:
        if method == b"PUT":
            self._provider.reset(float(route.partition("?latency_ms=")[2] or 0) / 1000)
        self._answer(200, msgspec.json.encode(self._provider.counters))

    def _answer(self, status: int, body: bytes) -> None:
        if self._transport is None:
            return  # whoever asked has gone
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Date: {_date(int(time.time()))}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


async def serve(port: int, latency: float) -> None:
    """Serve on loopback until the process ends; says where on stdout."""
    provider = Provider(latency)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.latency_ms / 1000))


if __name__ == "__main__":
    main()
