"""The whole product in one process: the gateway over ASGI, in front of the strict emulator."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.app import create_app, document_limits
from gateway.config import DocumentSettings, Settings
from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator
from gateway.events import Sink
from gateway.ledger import Engine
from gateway.runtime import Runtime
from gateway.signing import PrivateKey
from gateway.telemetry import NO_TRACING, Tracing
from tests.loopback import on_loopback
from tests.waiting import PATIENCE

API_KEY = "d04953b7-5878-4fd0-8970-0a5f77fbce59"
API_SECRET = "canary-secret-64ec977db2e5"
KEY_ID = "86b59965-6cf1-4633-9148-92848330fd1b"
SIGNING_KEY = PrivateKey.generate()

ISSUE = """
mutation Issue($input: IssueVirtualCardInput!) {
  issueVirtualCard(input: $input) {
    __typename
    ... on IssueVirtualCardSuccess {
      idempotencyKey replayed
      card { id accountId type status name network maskedPan expirationDate createdAt updatedAt
             billingAddress { firstLine secondLine city state country postCode } }
    }
    ... on Error { code message retryable requestId }
    ... on InvalidInput { field }
    ... on OutcomeUnknown { idempotencyKey retrySafeUntil retrySafeSeconds
                            candidates { id accountId } }
    ... on RateLimited { idempotencyKey limitedBy retryAfter }
    ... on GatewayUnavailable { idempotencyKey }
    ... on ProviderUnavailable { idempotencyKey retryAfter }
  }
}
"""
SIMULATE = """
mutation Simulate($input: SimulateCardIssueInput!) {
  simulateCardIssue(input: $input) {
    __typename
    ... on SimulateCardIssueSuccess { idempotencyKey replayed card { id status } }
    ... on Error { code message retryable requestId }
    ... on InvalidInput { field }
    ... on OutcomeUnknown { idempotencyKey retrySafeUntil retrySafeSeconds }
  }
}
"""
_SELECTION = ISSUE.partition("issueVirtualCard(input: $input)")[2]
OUTCOME = f"""
query Outcome($key: UUID!, $path: String) {{
  issueOutcome(idempotencyKey: $key, path: $path){_SELECTION}"""
SIMULATE_FAILURE = SIMULATE.replace("Issue", "IssueFailure")
# Longer than anything takes on a busy machine: a test for which one has to expire sets that one.
LIMITS = dict.fromkeys(
    (
        "connect_timeout",
        "read_timeout",
        "write_timeout",
        "pool_timeout",
        "call_deadline",
        "query_deadline",
        "mutation_deadline",
    ),
    PATIENCE,
)

DOCUMENT_LIMITS = document_limits(DocumentSettings.of())
"""What a document may have where nothing is set."""

CARD = "query Card($id: ID!) { card(id: $id) { id status maskedPan network name expirationDate } }"

ADDRESS = {
    "firstLine": "1 Test Avenue",
    "city": "London",
    "country": "GB",
    "postCode": "SW1 1AA",
}


def issue_input(**changes: Any) -> dict[str, Any]:
    """The guide's input, with changes."""
    return {"input": {"accountId": GUIDE_ACCOUNT, "billingAddress": ADDRESS} | changes}


def environment(**changes: str) -> dict[str, str]:
    """The variables that `gateway serve` needs, with changes; nothing answers for the provider."""
    return {
        "GATEWAY_PROVIDER_URL": "http://127.0.0.1:9/v1",
        "GATEWAY_PROVIDER_API_KEY": API_KEY,
        "GATEWAY_PROVIDER_API_SECRET": API_SECRET,
        "GATEWAY_SIGNING_KEY_ID": KEY_ID,
        "GATEWAY_SIGNING_KEY": SIGNING_KEY.to_pem().decode(),
    } | changes


def settings(**changes: Any) -> Settings:
    """Settings for the emulator, with changes; nothing is read from anywhere."""
    given = {
        "provider_url": "http://emulator.localhost/v1",
        "provider_api_key": API_KEY,
        "provider_api_secret": API_SECRET,
        "signing_key_id": KEY_ID,
        "signing_key": SIGNING_KEY.to_pem().decode(),
        "auth": "none",
        "allowed_hosts": ("gateway",),
        "introspection": True,
        **LIMITS,
    }
    return Settings.of(**(given | changes))


def options(**changes: Any) -> EmulatorOptions:
    """Options of an emulator that knows our credentials and key, with changes."""
    given: dict[str, Any] = {
        "api_key": API_KEY,
        "api_secret": API_SECRET,
        "signing_keys": {KEY_ID: SIGNING_KEY.public_key().to_pem()},
    }
    return EmulatorOptions(**(given | changes))


@dataclass
class Clock:
    """A clock that the test moves."""

    time: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Waiting is only moving the clock."""
        self.slept.append(seconds)
        self.time += seconds

    def runtime(self) -> Runtime:
        """This clock as the gateway's time, without any chance in it."""
        return Runtime(now=self, clock=self, sleep=self.sleep, random=lambda: 1.0)


class Recorder(httpx.AsyncBaseTransport):
    """A transport that keeps what passes, and lets the test answer in the provider's place."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.exchanges: list[tuple[httpx.Request, httpx.Response]] = []
        self.answer: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on, unless ``answer`` has one."""
        response = self.answer(request) or await self._inner.handle_async_request(request)
        await response.aread()
        self.exchanges.append((request, response))
        return response

    def sent(self, method: str, part: str = "") -> list[httpx.Request]:
        """The requests with this method whose path holds ``part``."""
        return [
            request
            for request, _ in self.exchanges
            if request.method == method and part in request.url.path
        ]


class RecorderApp:
    """The recorder as an ASGI application, for what comes over the network.

    Where the recorder breaks a call off, an answer begins and the connection is closed.
    """

    def __init__(self, wire: Recorder) -> None:
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and write the answer as it is."""
        asked = Request(scope, receive)
        url, body = str(asked.url), await asked.body()
        request = httpx.Request(asked.method, url, headers=asked.headers.raw, content=body)
        try:
            response = await self._wire.handle_async_request(request)
        except httpx.TransportError:
            await send({"type": "http.response.start", "status": 200})
            return
        start = {"status": response.status_code, "headers": response.headers.raw}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": response.content})


@dataclass
class Stack:
    """A gateway, the emulator behind it, and a client in front of it."""

    client: httpx.AsyncClient
    emulator: Starlette
    wire: Recorder
    app: Starlette
    given: dict[str, Any]

    async def reload(self, **changes: Any) -> None:
        """Bring settings into effect with these changes, as SIGHUP does."""
        await self.app.state.reloading.reload(lambda: settings(**(self.given | changes)))

    async def post(self, query: str, variables: Any = None, **headers: str) -> httpx.Response:
        """Send one GraphQL request as a frontend does."""
        body = {"query": query, "variables": variables}
        return await self.client.post("/graphql", json=body, headers=headers)

    async def data(self, query: str, variables: Any = None) -> Any:
        """The data of a request that has no errors."""
        body = (await self.post(query, variables)).json()
        assert "errors" not in body, body
        return body["data"]

    async def error(self, query: str, variables: Any = None) -> Any:
        """The one error of a request."""
        [error] = (await self.post(query, variables)).json()["errors"]
        return error

    async def issue(self, **changes: Any) -> Any:
        """The result of issuing the guide's card."""
        return (await self.data(ISSUE, issue_input(**changes)))["issueVirtualCard"]

    async def outcome(self, key: str, path: str | None = None) -> Any:
        """What became of a click."""
        return (await self.data(OUTCOME, {"key": key, "path": path}))["issueOutcome"]

    async def simulate(self, card_id: str, **changes: Any) -> Any:
        """The result of simulating the issue of a card."""
        variables = {"input": {"cardId": card_id} | changes}
        return (await self.data(SIMULATE, variables))["simulateCardIssue"]

    async def simulate_failure(self, card_id: str, **changes: Any) -> Any:
        """The result of simulating that a card cannot be issued."""
        variables = {"input": {"cardId": card_id} | changes}
        return (await self.data(SIMULATE_FAILURE, variables))["simulateCardIssueFailure"]

    async def card(self, card_id: str) -> Any:
        """A card, or None."""
        return (await self.data(CARD, {"id": card_id}))["card"]


NETWORK = False  # whether a stack uses the network where its test does not say
in_process = pytest.mark.parametrize("transport", [False], ids=["in process"], indirect=True)
"""For tests of what no network can do, where the fixture ``transport`` would try both."""


@contextlib.asynccontextmanager
async def running(
    emulator_options: EmulatorOptions | None = None,
    clock: Clock | None = None,
    beside: Stack | None = None,
    runtime: Runtime | None = None,
    network: bool | None = None,
    sinks: Iterable[Sink] = (),
    metrics: Sink | None = None,
    tracing: Tracing = NO_TRACING,
    engine: Engine | None = None,
    **changes: Any,
) -> AsyncIterator[Stack]:
    """Run a stack; ``changes`` go to the gateway's settings, ``clock`` to both sides.

    With ``beside`` the new gateway stands in front of that stack's emulator, and with ``network``
    it sends its calls as in production: with the network's transport, over a socket. ``sinks`` and
    ``metrics`` get its events, ``tracing`` makes its spans, and ``engine`` stands in for that of
    its ledger.
    """
    chosen = emulator_options or options()
    emulator = create_emulator(chosen, now=clock) if clock else create_emulator(chosen)
    emulator = beside.emulator if beside else emulator
    wire = Recorder(httpx.ASGITransport(app=emulator))
    async with _reached(wire, NETWORK if network is None else network) as (transport, url):
        given = {**url, **changes}
        app = create_app(
            settings(**given),
            transport=transport,
            engine=engine,
            sinks=sinks,
            metrics=metrics,
            tracing=tracing,
            runtime=runtime or (clock.runtime() if clock else None),
        )
        front = httpx.ASGITransport(app=app)
        client = httpx.AsyncClient(transport=front, base_url="http://gateway")
        async with app.router.lifespan_context(app), client:
            yield Stack(client, emulator, wire, app, given)


@contextlib.asynccontextmanager
async def _reached(
    wire: Recorder, network: bool
) -> AsyncIterator[tuple[httpx.AsyncBaseTransport | None, dict[str, str]]]:
    """How a gateway reaches the emulator: a transport of its own, or the settings' URL."""
    if not network:
        yield wire, {}
        return
    async with on_loopback(RecorderApp(wire)) as port:
        yield None, {"provider_url": f"http://127.0.0.1:{port}/v1"}
