"""Nothing leaked: marked values in every sensitive place, every path, and all output searched."""

import hmac
import io
import itertools
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from gateway.emulator import GUIDE_ACCOUNT
from gateway.events import OperationEnded, SubjectKeyMade
from gateway.telemetry import configure_logging
from tests.cards.test_cards import WIRE_CARD
from tests.cards.test_lists import ACCOUNT, TRANSACTIONS
from tests.marked_answers import CARDS, PAN, PAYMENTS, Trouble, cards, payments
from tests.moves import AUTHORISE, CARD_MOVES, SETTLEMENTS, document
from tests.pair import pair
from tests.stack import API_SECRET, Clock, Stack, options, running
from tests.tokens import IdentityProvider
from tests.traced import tracing_to
from tests.waiting import PATIENCE

NAME = "Canary Cardholder"
LINE, CITY, CODE, STATE = "CANARY-LINE", "CANARY-CITY", "CANARY-POST", "CANARY-STATE"
ADDRESS = {"firstLine": LINE, "city": CITY, "country": "GB", "postCode": CODE, "state": STATE}

# Selections that ask for nothing sensitive back: whatever of it is in an answer has leaked.
ISSUE = """mutation Issue($input: IssueVirtualCardInput!) { issueVirtualCard(input: $input) {
  __typename ... on IssueVirtualCardSuccess { card { id } } ... on Error { code message } } }"""
SIMULATE = """mutation S($input: SimulateCardIssueInput!) { simulateCardIssue(input: $input) {
  __typename ... on SimulateCardIssueSuccess { card { id } } ... on Error { code message } } }"""
LIST = """query List($id: ID!, $status: [CardStatus!]) {
  cards(accountId: $id, status: $status) { id account { status } transactions { id } } }"""
MONEY = {"amount": "20.00", "currency": "GBP"}
CARD = "query Card($id: ID!) { card(id: $id) { id status } }"


def issue_input(**changes: Any) -> dict[str, Any]:
    """Marked values in every field of an input."""
    return {"input": {"accountId": GUIDE_ACCOUNT, "billingAddress": ADDRESS} | changes}


REQUESTS: list[tuple[str, Any]] = [
    (ISSUE, issue_input()),
    (ISSUE, issue_input(idempotencyKey=str(uuid.uuid4()))),
    (ISSUE, issue_input(idempotencyKey=PAN)),
    (ISSUE, issue_input(accountId=PAN)),
    (ISSUE, issue_input(accountId={"pan": PAN})),
    (ISSUE, issue_input(surprise=PAN)),
    (ISSUE, issue_input(billingAddress=ADDRESS | {"country": PAN})),
    (ISSUE, issue_input(billingAddress=ADDRESS | {"country": 4111111111111111})),
    (ISSUE, issue_input(billingAddress=ADDRESS | {"city": PAN * 10})),
    (ISSUE, issue_input(billingAddress=ADDRESS | {"firstLine": f"{PAN}\n"})),
    (ISSUE, issue_input(billingAddress=PAN)),
    (ISSUE, {"input": PAN}),
    (SIMULATE, {"input": {"cardId": PAN}}),
    (SIMULATE, {"input": {"cardId": str(uuid.uuid4())}}),
    (CARD, {"id": PAN}),
    (CARD, {"id": str(uuid.uuid4())}),
    (CARD, {"id": [PAN]}),
    (CARD, PAN),
    (f'{{ card(id: "{PAN}") {{ id }} }}', None),
    (f"{{ card(id: {PAN}) {{ id }} }}", None),
    (f'{{ card(id: {{pan: "{PAN}"}}) {{ id }} }}', None),
    (f'{{ card(id: "1" {PAN}) {{ id }} }}', None),
    (f'{{ "{PAN}" }}', None),
    (f'query($id: ID = "{PAN}") {{ card(id: $id) {{ id }} }}', None),
    (f'query($id: ID = ["{PAN}"]) {{ card(id: $id) {{ id }} }}', None),
    (f"# {PAN}\n{{ card }}", None),
    *((document(move), {"input": {"cardId": PAN}}) for move in CARD_MOVES),
    *((document(move), {"input": {"cardId": str(uuid.uuid4())}}) for move in CARD_MOVES),
    *((document(move), {"input": {"authorisationId": PAN}}) for move in SETTLEMENTS),
    *(
        (document(AUTHORISE), {"input": {"cardId": str(uuid.uuid4()), **MONEY, **wrong}})
        for wrong in (
            *({}, {"amount": PAN}, {"amount": int(PAN)}, {"amount": [PAN]}, {"currency": PAN}),
            *({"capture": PAN}, {PAN: 1}),
        )
    ),
    (ACCOUNT, {"id": PAN}),
    (LIST, {"id": PAN}),
    (LIST, {"id": str(uuid.uuid4()), "status": [PAN]}),
    (f'{{ node(id: "{PAN}") {{ id }} }}', None),
    (TRANSACTIONS, {"id": str(uuid.uuid4())}),
]


def fails(error: BaseException) -> Trouble:
    """An exception whose text is marked."""

    def trouble(request: httpx.Request) -> httpx.Response | None:
        if "/auth/" in request.url.path:
            return None
        raise error

    return trouble


def answers(status: int, body: str, **headers: str) -> Trouble:
    """An answer whose body is marked."""
    return lambda request: (
        None if "/auth/" in request.url.path else httpx.Response(status, text=body, headers=headers)
    )


SHOWN = """id status name network maskedPan expirationDate
  billingAddress { firstLine secondLine city state country postCode }"""
EVERYTHING = f"query Card($id: ID!) {{ card(id: $id) {{ {SHOWN} }} }}"
MARKED = f'{{"error": "{PAN} {LINE} {NAME}"}}'
TROUBLES: dict[str, Trouble] = {
    "none": lambda _request: None,
    "connect error": fails(httpx.ConnectError(PAN)),
    "read error": fails(httpx.ReadError(PAN)),
    "read timeout": fails(httpx.ReadTimeout(PAN)),
    "our own fault": fails(KeyError(PAN)),
    **{
        f"status {status}": answers(status, MARKED, **{"X-Marked": PAN})
        for status in (200, 201, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503)
    },
    "not json": answers(200, PAN),
    "not UTF-8": lambda request: (
        None
        if "/auth/" in request.url.path
        else httpx.Response(201, content=f'{{"name": "{PAN} \xe9"}}'.encode("latin-1"))
    ),
    "an unknown coding": answers(409, MARKED, **{"Content-Encoding": "br"}),
    "a wrong card": answers(201, f'{{"id": "{PAN}", "name": "{NAME}"}}'),
    "no token": lambda request: httpx.Response(401, text=MARKED),
    "a wrong token": lambda request: httpx.Response(200, json={"token": PAN}),
}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, at debug level, as `serve` writes it."""
    stream = io.StringIO()
    configure_logging("debug", readable=False, stream=stream)
    yield stream
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()


@pytest.fixture
async def stack(
    tmp_path: Path, log: io.StringIO, request: pytest.FixtureRequest
) -> AsyncIterator[Stack]:
    """A gateway whose callers have tokens, with everything logged and all spans beside it."""
    idp = IdentityProvider(tmp_path)
    tracing = tracing_to(ConsoleSpanExporter(out=log))
    given = idp.settings(suggestions=True)
    async with running(options(), Clock(), tracing=tracing, **given) as stack:
        stack.client.headers["Authorization"] = f"Bearer {idp.token(sub='alice')}"
        yield stack


def secrets_of(stack: Stack) -> set[str]:
    """Everything that was sent and must not be seen elsewhere."""
    found = {PAN, NAME, LINE, CITY, CODE, STATE, API_SECRET, "PRIVATE KEY"}
    found.add(stack.client.headers["Authorization"].removeprefix("Bearer "))
    for sent, _ in stack.wire.exchanges:
        for header in ("Authorization", "Signature", "Idempotency-Key"):
            found.add(sent.headers.get(header, "").removeprefix("Bearer "))
    return found - {""}


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_nothing_leaks(stack: Stack, log: io.StringIO, trouble: str) -> None:
    """Neither an answer nor a log line at debug level holds a marked value, whatever happens."""
    stack.wire.answer = TROUBLES[trouble]
    answered = []
    for query, variables in REQUESTS:
        headers = {"X-Request-Id": f"{PAN} x", "Idempotency-Key": PAN, "traceparent": PAN}
        headers |= {"tracestate": f"a={PAN}", "baggage": f"a={PAN}"}
        response = await stack.post(query, variables, **headers)
        answered.append(response.text + str(response.headers))
        await stack.client.get(
            "/graphql", params={"query": query, "variables": f'{{"id":"{PAN}"}}'}
        )
    for raw in (f'{{"query": "{PAN}', f'["{PAN}"]', f'{{"query": {PAN}}}', PAN):
        response = await stack.client.post(
            "/graphql", content=raw, headers={"Content-Type": "application/json"}
        )
        answered.append(response.text)
    await stack.client.post("/graphql", headers={"Authorization": f"Bearer {PAN}"}, content=PAN)
    await stack.client.get("/readyz")

    written = log.getvalue()
    assert '"event":"operation"' in written
    assert '"name": "POST /graphql"' in written
    for secret, text in itertools.product(secrets_of(stack), [written, *answered]):
        assert secret not in text, f"{secret} leaked in {text[:2000]}"


@pytest.mark.parametrize("field", CARDS)
async def test_no_card_number_of_the_provider_is_shown(
    stack: Stack, log: io.StringIO, field: str
) -> None:
    """A card number in any field of the provider's cards is in no answer and no log line."""
    stack.wire.answer = cards(**CARDS[field])
    issue = ISSUE.replace("card { id }", f"card {{ {SHOWN} }}")
    answered = [
        await stack.post(issue, {"input": {"accountId": GUIDE_ACCOUNT, "billingAddress": ADDRESS}}),
        await stack.post(EVERYTHING, {"id": str(uuid.uuid4())}),
    ]
    written = log.getvalue()
    assert '"event":"operation"' in written
    for text in [written, *(response.text for response in answered)]:
        assert PAN not in text.replace(" ", "")


@pytest.mark.parametrize("field", ["none", *PAYMENTS])
async def test_no_card_number_in_what_was_paid_is_shown(
    stack: Stack, log: io.StringIO, field: str
) -> None:
    """A card number in any text of an account, an authorisation or a transaction is in no answer
    and no log line."""
    stack.wire.answer = payments(**PAYMENTS.get(field, {}))
    card_id = WIRE_CARD["id"]
    answered = [
        await stack.post(document(AUTHORISE), {"input": {"cardId": card_id, **MONEY}}),
        await stack.post(TRANSACTIONS, {"id": card_id}),
        await stack.post(ACCOUNT, {"id": WIRE_CARD["accountId"]}),
    ]
    for response in answered:
        assert PAN not in response.text.replace(" ", "")
        shown = [value for value in response.json()["data"].values() if value]
        assert field != "none" or (shown and "errors" not in response.json())
    assert '"event":"operation"' in log.getvalue()
    assert PAN not in log.getvalue().replace(" ", "")


SUBJECT = "canary.subject@example.com"


@pytest.mark.parametrize("raw", [False, True], ids=["by default", "raw by setting"])
async def test_no_line_names_a_caller(tmp_path: Path, log: io.StringIO, raw: bool) -> None:
    """Whatever a caller does, and whatever is wrong with the token, no line and no event holds the
    subject or a part of the token, unless a setting says that lines name subjects."""
    idp, told = IdentityProvider(tmp_path), list[Any]()
    changes: dict[str, Any] = {"rate_limits": {"issueVirtualCard": "1/hour"}} | (
        {"log_subjects": "raw"} if raw else {}
    )
    async with running(sinks=[told.append], **idp.settings(**changes)) as stack:
        tokens = [idp.token(sub=SUBJECT), idp.token(sub=SUBJECT, exp=1)]
        tokens += [
            idp.token(sub=SUBJECT, headers={"kid": SUBJECT * 3}),
            tokens[0][:-9] + "AAAAAAAAA",
        ]
        for token, (query, variables) in itertools.product(tokens, REQUESTS[:3] + REQUESTS[12:16]):
            await stack.post(query, variables, Authorization=f"Bearer {token}")
    written = log.getvalue() + repr(told)
    assert all(f'"event":"{name}"' in written for name in ("caller_refused", "rate_limit_exceeded"))
    assert (SUBJECT in written) == raw
    assert [part for token in tokens for part in token.split(".")[1:] if part in written] == []


async def test_one_key_gives_one_name(tmp_path: Path) -> None:
    """Gateways with the same key give a caller the same name, others do not, and a key that is made
    at random is said."""
    idp, names, made = IdentityProvider(tmp_path), [], []
    for key in ("shared", "shared", "", ""):
        told: list[Any] = []
        async with running(sinks=[told.append], **idp.settings(subject_key=key)) as stack:
            await stack.post("{ __typename }", Authorization=f"Bearer {idp.token()}")
        [ended] = [event for event in told if isinstance(event, OperationEnded)]
        names.append(ended.caller)
        made.append(sum(isinstance(event, SubjectKeyMade) for event in told))
    expected = hmac.digest(b"shared", b"alice", "sha256").hex()[:20]
    assert names[:2] == [expected, expected]
    assert len(set(names)) == 3
    assert made == [0, 0, 1, 1]


@pytest.mark.process
async def test_nothing_leaks_from_the_process(tmp_path: Path) -> None:
    """What a real `gateway serve` writes at debug level holds no marked value either."""
    faults = {"status_chance": 0.2, "drop_after_chance": 0.2, "half_answer_chance": 0.2, "seed": 1}
    async with pair(tmp_path, faults=faults, log_level="debug") as one:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            for query, variables in REQUESTS:
                body = {"query": query, "variables": variables}
                await client.post(f"{one.url}/graphql", json=body)
        assert one.gateway.stop() == 0
    secrets = [PAN, LINE, CITY, CODE, one.environment["GATEWAY_PROVIDER_API_SECRET"]]
    assert '"event":"provider_call"' in one.gateway.output
    assert [secret for secret in secrets if secret in one.gateway.output] == []
