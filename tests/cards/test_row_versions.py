"""Keys and bytes: those of plain texts never change, and a key keeps the rules it was taken by."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from gateway.cards.inputs import parse_address
from gateway.cards.operations.issue_virtual_card import CREATE_CARD
from gateway.cards.types import AddressInput, CountryCode
from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import MemoryEngine, provider_key
from gateway.provider import NewCard
from tests.stack import ADDRESS, ISSUE, Clock, Stack, in_process, issue_input, running

pytestmark = in_process

KEY = "123e4567-e89b-42d3-a456-426614174000"
# Made by the code of version 1: address, body, fingerprint.
GOLDEN = {
    "the guide's": (
        ADDRESS,
        b'{"type":"virtual","billingAddress":{"firstLine":"1 Test Avenue","city":"London",'
        b'"country":"GB","postCode":"SW1 1AA"}}',
        "de28e366849cbeccbddbe04015a53b868856603199d7107b6d3da3c5716f62ff",
    ),
    "every line, with blanks": (
        {
            "firstLine": " Flat G, 30  Old Street\n",
            "secondLine": "West End",
            "city": "New York",
            "state": "NY",
            "country": "US",
            "postCode": "10001",
        },
        b'{"type":"virtual","billingAddress":{"firstLine":"Flat G, 30  Old Street",'
        b'"secondLine":"West End","city":"New York","state":"NY","country":"US",'
        b'"postCode":"10001"}}',
        "2975c6cd659e7eca266d0c1b9044ed975e333ce4a9e8d6d51e2f987a7beacc40",
    ),
    "characters that JSON escapes": (
        {
            "firstLine": 'c/o "A\\B" <x@y> ~!#$%^&*()',
            "secondLine": None,
            "city": "X",
            "country": "DE",
            "postCode": "0",
        },
        b'{"type":"virtual","billingAddress":{"firstLine":"c/o \\"A\\\\B\\" <x@y> ~!#$%^&*()",'
        b'"city":"X","country":"DE","postCode":"0"}}',
        "23ee74b8cd05802636c06240dd2f9f34d1cf7a5bd67e51dc062d36b0c07a56c3",
    ),
}
PROVIDER_KEY = "84b7a3f1-a0be-528c-a2f4-9d86944a1c00"
PROVIDER_KEY_OF_HEADER = "372e63f8-6918-52ea-9b09-0e4abfab0da3"


@pytest.fixture
async def engine() -> MemoryEngine:
    """What the stack's ledger keeps its rows with."""
    return MemoryEngine(Clock())


@pytest.fixture
async def stack(engine: MemoryEngine) -> AsyncIterator[Stack]:
    """A gateway on that engine."""
    async with running(clock=Clock(), engine=engine) as made:
        yield made


@pytest.mark.parametrize(("address", "body", "fingerprint"), GOLDEN.values(), ids=GOLDEN)
async def test_keys_and_bytes_of_plain_texts_are_those_of_version_1(
    stack: Stack, engine: MemoryEngine, address: dict[str, Any], body: bytes, fingerprint: str
) -> None:
    """Body, provider's key and fingerprint of an address in ASCII are the same bytes for ever."""
    await stack.issue(idempotencyKey=KEY, billingAddress=address)
    headers = {"Idempotency-Key": KEY}
    await stack.post(ISSUE, issue_input(billingAddress=address), **headers)
    first, second = stack.wire.sent("POST", "/cards")
    assert first.content == second.content == body
    assert first.headers["Idempotency-Key"] == PROVIDER_KEY
    assert second.headers["Idempotency-Key"] == PROVIDER_KEY_OF_HEADER
    kept = "SELECT fingerprint FROM idempotency_key WHERE key = :key"
    [(kept_fingerprint,)] = await engine.execute(kept, {"key": uuid.UUID(PROVIDER_KEY).bytes})
    assert kept_fingerprint.hex() == fingerprint


# By version 1 these lines were sent as they are; by version 2 they are empty.
FILLER, BRAILLE = "\u3164", "\u2800"
OF_VERSION_1 = [
    ADDRESS,
    ADDRESS | {"secondLine": FILLER},
    ADDRESS | {"state": BRAILLE},
    ADDRESS | {"firstLine": FILLER},
    ADDRESS | {"postCode": BRAILLE},
]


def fail_creates(request: httpx.Request) -> httpx.Response | None:
    """The answer of a provider that may have carried a call out."""
    is_create = request.method == "POST" and request.url.path.endswith("/cards")
    return httpx.Response(500) if is_create else None


async def left_by_version_1(stack: Stack, engine: MemoryEngine, address: dict[str, str]) -> bytes:
    """Let a click's answer be lost, and write its row as version 1 did; the bytes that it sent."""
    stack.wire.answer = fail_creates
    result = await stack.issue(idempotencyKey=KEY)
    assert result["__typename"] == "OutcomeUnknown"
    stack.wire.answer = lambda request: None
    given = AddressInput(
        first_line=address["firstLine"],
        second_line=address.get("secondLine"),
        city=address["city"],
        state=address.get("state"),
        country=CountryCode(address["country"]),
        post_code=address["postCode"],
    )
    body = msgspec.json.encode(NewCard(billing_address=parse_address(given, "input", 1)))
    call = CREATE_CARD.call(body=body, accountId=uuid.UUID(GUIDE_ACCOUNT))
    fingerprint = call.fingerprint(uuid.UUID(KEY).bytes)
    old = "UPDATE idempotency_key SET version = 1, fingerprint = :fingerprint RETURNING {now}"
    assert await engine.execute(old, {"fingerprint": fingerprint})
    return body


@pytest.mark.parametrize("address", OF_VERSION_1)
async def test_a_click_of_version_1_goes_on_with_its_bytes(
    stack: Stack, engine: MemoryEngine, address: dict[str, str]
) -> None:
    """It gets its one card, from the bytes that were sent before, and is told it ever after."""
    body = await left_by_version_1(stack, engine, address)
    issued = await stack.issue(idempotencyKey=KEY, billingAddress=address)
    request = stack.wire.sent("POST", "/cards")[-1]
    assert (request.content, request.headers["Idempotency-Key"]) == (body, PROVIDER_KEY)
    again = await stack.issue(idempotencyKey=KEY, billingAddress=address)
    assert (again["replayed"], again["card"]["id"]) == (True, issued["card"]["id"])
    assert len(stack.emulator.state.emulator.cards) == 1


async def test_another_input_under_a_key_of_version_1_is_a_conflict(
    stack: Stack, engine: MemoryEngine
) -> None:
    """Also one that version 1 refused: it cannot be the input that was sent."""
    await left_by_version_1(stack, engine, ADDRESS | {"secondLine": FILLER})
    before = len(stack.wire.exchanges)
    for changes in ({"secondLine": BRAILLE}, {"secondLine": "\u200b"}, {"city": "東京都　区"}, {}):
        result = await stack.issue(idempotencyKey=KEY, billingAddress=ADDRESS | changes)
        assert result["__typename"] == "IdempotencyConflict"
    assert len(stack.wire.exchanges) == before


@pytest.mark.parametrize("changes", [{}, {"firstLine": "1 Test\tAvenue"}, {"city": ""}])
async def test_an_input_of_a_newer_gateways_key_is_not_refused(
    stack: Stack, engine: MemoryEngine, changes: dict[str, str]
) -> None:
    """Newer rules may take what these refuse: whoever is told to correct the input would click
    again, and have two cards."""
    await left_by_version_1(stack, engine, ADDRESS)
    await engine.execute("UPDATE idempotency_key SET version = 3 RETURNING {now}", {})
    before = len(stack.wire.exchanges)
    result = await stack.issue(idempotencyKey=KEY, billingAddress=ADDRESS | changes)
    assert (result["__typename"], result["retryable"]) == ("OutcomeUnknown", True)
    assert len(stack.wire.exchanges) == before


def test_the_derivation_of_keys_is_kept() -> None:
    """A key of another field is another one, and the same for ever."""
    other = provider_key("anyone", "Mutation.simulateCardIssue", uuid.UUID(KEY))
    assert str(other) == "513e930f-4311-597c-bb44-1b9bc7a0c601"
