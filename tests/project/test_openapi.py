"""The provider's own description, applied to what the gateway sends and the emulator answers."""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.responses.exceptions import ResponseNotFound

from gateway.cards import OPERATIONS
from gateway.emulator import GUIDE_ACCOUNT, create_emulator
from gateway.emulator.accounts import AccountStatus
from gateway.emulator.app import OPERATIONS as EMULATED
from gateway.emulator.cards import CardStatus
from gateway.provider.endpoints import (
    DELETE_KEY,
    FETCH_TOKEN,
    READ_AUTHORISATION,
    REGISTER_KEY,
    Endpoint,
)
from tests import emulator_client as emulator
from tests.emulator_client import NEW_CARD, Client, Signing, connect, encoded_pem
from tests.moves import ACTIVATE, AUTHORISE, CAPTURE, DEACTIVATE, RELEASE, TERMINATE, ask
from tests.provider_client import client_of
from tests.stack import (
    ADDRESS,
    KEY_ID,
    SIGNING_KEY,
    Clock,
    Recorder,
    Stack,
    options,
    running,
    settings,
)

SERVER = "https://api.sandbox.offblocks.xyz"  # one of the description's two
DESCRIPTION = os.environ.get("TEST_OPENAPI", "")
pytestmark = pytest.mark.skipif(
    not DESCRIPTION, reason="TEST_OPENAPI does not name the provider's openapi.yaml"
)

Exchange = tuple[httpx.Request, httpx.Response]
# Sections 5 and 7: the description lists neither the statuses of idempotency nor, for the
# simulator, the one of a state that does not permit the call.
UNDOCUMENTED = {
    ("POST", "/accounts/{}/cards", 409),
    ("PATCH", "/simulator/cards/{}/issue", 409),
    ("PATCH", "/simulator/cards/{}/fail", 409),
} | {
    (method, re.sub(r"{\w+}", "{}", path.removeprefix("/v1")), 422)
    for path, methods in EMULATED.items()
    for method, handler in methods.items()
    if handler.keyed
}


class Sent:
    """An httpx request as openapi-core sees requests."""

    def __init__(self, request: httpx.Request) -> None:
        base = str(request.url.join("/")).rstrip("/")
        self.host_url = base.replace(f"http://{emulator.HOST}", SERVER)
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.content or None
        self.content_type = request.headers.get("Content-Type", "")
        self.parameters = RequestParameters(header=request.headers)


class Answered:
    """An httpx response as openapi-core sees responses."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.data = response.content
        self.content_type = response.headers.get("Content-Type", "")
        self.headers = response.headers


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    """The description, which itself is valid; a field that it does not name is an error here."""
    config = Config(additional_properties_default_policy="forbid")
    return OpenAPI.from_file_path(DESCRIPTION, config=config)


def told(error: BaseException | None) -> Iterator[str]:
    """An error with what caused it."""
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        yield from (f"  {e.message}" for e in getattr(error, "schema_errors", ()))
        error = error.__cause__


def operation(request: httpx.Request) -> tuple[str, str]:
    """Method and path, with placeholders for ids."""
    path = request.url.path.removeprefix("/v1")
    return request.method, re.sub(
        r"/(accounts|cards|authorisations|transactions)/[^/]+", r"/\1/{}", path
    )


def refuse_none(errors: Iterable[Exception]) -> None:
    """There are no errors."""
    assert [line for error in errors for line in told(error)] == []


# --- the gateway's requests ---


async def from_the_gateway() -> list[Exchange]:
    """Everything that the gateway ever sends, and what it gets."""
    clock = Clock()
    async with running(clock=clock, provider_url=f"{SERVER}/v1") as stack:
        full = ADDRESS | {"secondLine": "Flat G", "state": "London"}
        card_id = (await stack.issue(billingAddress=full))["card"]["id"]
        await stack.issue()
        await stack.issue(accountId=str(uuid4()))
        await stack.card(card_id)
        await stack.simulate(card_id)
        failing = (await stack.issue())["card"]["id"]
        await stack.simulate_failure(failing)
        clock.time += 5
        await stack.card(card_id)
        await stack.card(str(uuid4()))
        await _live(stack, card_id)
        text = "query($id: ID!) { account(id: $id) { cards { transactions { id } } } }"
        await stack.data(text, {"id": GUIDE_ACCOUNT})
    wire = Recorder(httpx.ASGITransport(app=create_emulator(options())))
    provider = client_of(settings(provider_url=f"{SERVER}/v1"), wire)
    await provider.register_signing_key(SIGNING_KEY.public_key())
    await provider.cards_of(UUID(GUIDE_ACCOUNT))
    await provider.delete_signing_key(KEY_ID)
    await provider.aclose()
    return stack.wire.exchanges + wire.exchanges


async def _live(stack: Stack, card_id: str) -> None:
    """Use each mutation of a card that is active."""
    money = {"cardId": card_id, "amount": "20.0", "currency": "EUR", "capture": False}
    for end in (CAPTURE, RELEASE):
        made = await ask(stack, AUTHORISE, **money)
        await ask(stack, end, authorisationId=made["authorisation"]["id"])
    for move in (DEACTIVATE, ACTIVATE, TERMINATE):
        await ask(stack, move, cardId=card_id)


async def test_everything_the_gateway_sends_and_gets_is_described(description: OpenAPI) -> None:
    """Each request of the gateway, and the emulator's answer to it, is as the provider says."""
    exchanges = await from_the_gateway()
    for request, response in exchanges:
        refuse_none(description.iter_request_errors(Sent(request)))
        refuse_none(description.iter_response_errors(Sent(request), Answered(response)))
    endpoints: list[Endpoint[Any]] = [FETCH_TOKEN, REGISTER_KEY, DELETE_KEY, READ_AUTHORISATION]
    endpoints += [one.endpoint for one in OPERATIONS]
    assert {operation(request) for request, _ in exchanges} == {
        (endpoint.method, re.sub(r"\{\w+\}", "{}", endpoint.path)) for endpoint in endpoints
    }


# --- the emulator's answers ---


AUTHORISATION = {"amount": "20.0", "currency": "EUR", "capture": True}
SIGNED: list[tuple[str, str, Any]] = [
    ("GET", "/v1/accounts", None),
    ("GET", "/v1/accounts/{}", None),
    ("POST", "/v1/accounts/{}/cards", NEW_CARD),
    ("GET", "/v1/accounts/{}/cards", None),
    ("GET", "/v1/accounts/{}/transactions", None),
    ("GET", "/v1/cards", None),
    ("GET", "/v1/cards/{}", None),
    ("PATCH", "/v1/cards/{}/deactivate", None),
    ("PATCH", "/v1/cards/{}/activate", None),
    ("POST", "/v1/simulator/cards/{}/authorisation", AUTHORISATION),
    ("DELETE", "/v1/cards/{}", None),
    ("GET", "/v1/cards/{}/transactions", None),
    ("GET", "/v1/authorisations/{}", None),
    ("GET", "/v1/transactions/{}", None),
    ("PATCH", "/v1/simulator/cards/{}/issue", None),
    ("PATCH", "/v1/simulator/cards/{}/fail", None),
    ("PATCH", "/v1/simulator/authorisations/{}/capture", None),
    ("PATCH", "/v1/simulator/authorisations/{}/release", None),
]


async def from_the_emulator() -> list[Exchange]:
    """Every operation of the emulator, called rightly and wrongly, and what it answers."""
    exchanges: list[Exchange] = []
    gate = asyncio.Event()

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        if response.request.url.path.startswith("/v1/"):  # control calls are none of the provider's
            exchanges.append((response.request, response))

    client = await connect(sleep=lambda _: gate.wait())
    client.http.event_hooks = {"response": [keep]}
    await call_auth(client)
    spent = uuid4()
    cards = [(await client.create(key)).json()["id"] for key in (spent, None, None)]
    for card_id, what in zip(cards, ("issue", "fail"), strict=False):
        await client.send("PATCH", f"/v1/simulator/cards/{card_id}/{what}")
    client.clock.time += 5  # one is active now, one has failed, and one is being issued
    ids = {"accounts": GUIDE_ACCOUNT, "cards": cards[0], **await pay(client, cards[0])}
    for status in get_args(CardStatus):
        await client.put("cards", cards[1], status)
        await client.card(cards[1])
    for status in (*get_args(AccountStatus), "active"):
        await client.put("accounts", GUIDE_ACCOUNT, status)
        await client.read("accounts")
    await call_signed(client, ids, spent)
    # The same key twice at once: the later call is refused, and the earlier one goes on.
    client.change(latency=1)
    tasks = [asyncio.create_task(client.create(key)) for key in [uuid4()] * 2]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    await asyncio.gather(*tasks)
    await client.http.aclose()
    return exchanges


async def call_auth(client: Client) -> None:
    """Tokens and keys, rightly, without a body's fields, and without credentials."""
    await client.login()
    key_id, pem = str(uuid4()), SIGNING_KEY.public_key().to_pem()
    await client.auth("PUT", "signing", signingKeyId=key_id, signingKey=encoded_pem(pem))
    await client.auth("DELETE", "signing", signingKeyId=key_id)
    for method, name in (("POST", "token"), ("PUT", "signing"), ("DELETE", "signing")):
        await client.auth(method, name)
        wrong = {"apiKey": emulator.API_KEY, "apiSecret": "wrong"}
        await client.http.request(method, f"/v1/auth/{name}", json=wrong)


async def pay(client: Client, card_id: str) -> dict[str, str]:
    """The ids of an authorisation that is pending and of a transaction; every status was read."""
    ids = [(await client.authorise(card_id)).json()["id"] for _ in range(3)]
    for authorisation_id, what in zip(ids, ("capture", "release"), strict=False):
        await client.settle(authorisation_id, what)
    for _ in range(3):  # while it goes on, when it is done, and when the transaction is processed
        for authorisation_id in ids:
            await client.read(f"authorisations/{authorisation_id}")
        made = await client.read(f"cards/{card_id}/transactions")
        client.clock.time += client.emulator.options.capture_delay
    return {"authorisations": ids[2], "transactions": made[0]["id"]}


async def call_signed(client: Client, ids: Mapping[str, str], spent: UUID) -> None:
    """Each signed call, with known, unknown and malformed ids, with a fresh and a spent key,
    without a token, and with a signature that does not fit."""
    for method, path, body in SIGNED:
        known = next((ids[name] for name in ids if f"/{name}/{{}}" in path), "")
        for an_id in (known, uuid4(), "no-uuid"):
            for key in (uuid4(), spent):
                await client.send(method, path.format(an_id), body, key=key)
        await client.send(method, path.format(known), body, headers={"Authorization": None})
        await client.send(method, path.format(known), body, signing=Signing(path="/"))


async def test_everything_the_emulator_answers_is_described(description: OpenAPI) -> None:
    """Each answer of the emulator is as the provider says, except for the statuses of idempotency
    and state, which are known to be missing there."""
    exchanges = await from_the_emulator()
    undocumented = set()
    for request, response in exchanges:
        errors = list(description.iter_response_errors(Sent(request), Answered(response)))
        if any(isinstance(error, ResponseNotFound) for error in errors):
            undocumented.add((*operation(request), response.status_code))
        else:
            refuse_none(errors)
    assert undocumented == UNDOCUMENTED
    statuses = {response.status_code for _, response in exchanges}
    assert statuses == {200, 201, 202, 204, 400, 401, 404, 409, 422}
    assert {operation(request) for request, _ in exchanges} == {
        (method, re.sub(r"{\w+}", "{}", path.removeprefix("/v1")))
        for path, methods in EMULATED.items()
        for method in methods
    }


# --- the eyes of these tests ---


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"createdAt": "yesterday"},
        {"updatedAt": "2024-01-12"},
        {"status": "frozen"},
        {"type": None},
        {"billingAddress": {"city": "London"}},
        {"lastFourDigits": "9871"},
    ],
)
async def test_a_card_that_is_not_as_described_is_noticed(
    description: OpenAPI, change: dict[str, Any]
) -> None:
    """Formats, enums, required and unknown fields are all looked at."""
    client = await connect()
    answer = await client.create()
    changed = httpx.Response(201, json=answer.json() | change)
    refuse_none(description.iter_response_errors(Sent(answer.request), Answered(answer)))
    assert list(description.iter_response_errors(Sent(answer.request), Answered(changed)))


@pytest.mark.parametrize(
    "name", ["Authorization", "Signature", "Signature-Input", "Idempotency-Key", "Content-Digest"]
)
async def test_a_missing_header_is_noticed(description: OpenAPI, name: str) -> None:
    """The headers that the provider requires are looked for."""
    client = await connect()
    request = (await client.create()).request
    refuse_none(description.iter_request_errors(Sent(request)))
    del request.headers[name]
    assert list(description.iter_request_errors(Sent(request)))
