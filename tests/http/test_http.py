"""GraphQL over HTTP."""

import asyncio
import io
import json
import logging
import uuid
from typing import Any

import httpx
import pytest
import structlog

from gateway.callers import Caller
from gateway.http import Dependencies, GraphQLView
from gateway.telemetry import LogSink, RequestIdMiddleware, configure_logging
from tests.stack import CARD, ISSUE, Stack, issue_input, running, settings
from tests.waiting import settled, skip_time, waiting_for

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
NOBODY = {"id": "123e4567-e89b-12d3-a456-426614174000"}
UTF8 = "; charset=utf-8"


async def test_a_request_without_accept_gets_json(stack: Stack) -> None:
    """Without Accept the answer is application/json in UTF-8, and is not stored."""
    request = stack.client.build_request("POST", "/graphql", json={"query": "{__typename}"})
    del request.headers["accept"]
    response = await stack.client.send(request)
    assert response.headers["content-type"] == JSON + UTF8
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{JSON};q=0.5, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0, */*;q=0.1", JSON),
        ("text/html, application/json;q=nonsense, */*;q=0.1", JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8", GRAPHQL_JSON),
        # No q is q=1: among equals the one that is listed first counts.
        (f"{JSON};q=1, {GRAPHQL_JSON}", JSON),
        (f"{JSON}, {GRAPHQL_JSON};q=1", JSON),
        (f"{GRAPHQL_JSON};q=1.000, {JSON}", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=1.0", GRAPHQL_JSON),
        (f"{JSON};q=0.7, {GRAPHQL_JSON};q=0.7", JSON),
        (f"{JSON};q=0.7, {GRAPHQL_JSON};q=0.701", GRAPHQL_JSON),
        (f"text/html, {JSON};Q=1, {GRAPHQL_JSON}", JSON),
        # The most specific range decides on a type, and leaves the other one to the wildcard.
        (f"{JSON};q=0, */*", GRAPHQL_JSON),
        (f"*/*, {JSON};q=0.5", GRAPHQL_JSON),
        (f"application/*;q=0.2, */*, {GRAPHQL_JSON};q=0.1", JSON),
        (f"*/*;q=0.5, {GRAPHQL_JSON};q=0.5", JSON),
        # What is no quality does not count as one.
        (f"{JSON};q=nan, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
        (f"{JSON};q=inf, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{JSON};q=2, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
        (f"{JSON};q=-1, {GRAPHQL_JSON};q=0.1", GRAPHQL_JSON),
    ],
)
async def test_accept_decides(stack: Stack, accept: str, media_type: str) -> None:
    """The best acceptable media type is answered."""
    response = await stack.post("{__typename}", Accept=accept)
    assert response.headers["content-type"] == media_type + UTF8


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png", f"{JSON};q=0", f"{JSON};charset=x", "*/*;q=0"]
)
async def test_nothing_acceptable_is_406(stack: Stack, accept: str) -> None:
    """When nothing acceptable can be answered, the error says what can be."""
    response = await stack.post("{__typename}", Accept=accept)
    assert response.status_code == 406
    assert JSON in response.json()["errors"][0]["message"]


REQUEST_ERRORS = [
    {"query": "{"},
    {"query": "{nonsense}"},
    {"query": "query($id: ID!) { card(id: $id) { id } }"},
    {"query": "query A {__typename} query B {__typename}"},
    {"query": "query A {__typename}", "operationName": "B"},
    {"query": "{}"},
    {"query": "{card(id: 1) {}}"},
    {"query": "subscription { card }"},
]


@pytest.mark.parametrize("body", REQUEST_ERRORS)
async def test_a_request_error_is_400_and_has_no_data(stack: Stack, body: Any) -> None:
    """A document that cannot be executed is 400 in the new media type, 200 in the old one."""
    new = await stack.client.post("/graphql", json=body, headers={"Accept": GRAPHQL_JSON})
    old = await stack.client.post("/graphql", json=body, headers={"Accept": JSON})
    assert (new.status_code, old.status_code) == (400, 200)
    for response in (new, old):
        assert "data" not in response.json()
        for error in response.json()["errors"]:
            assert error["extensions"]["code"] == "GRAPHQL_REQUEST_INVALID"
            assert error["extensions"]["requestId"] == response.headers["x-request-id"]


BAD_BODIES: list[tuple[bytes, str, int]] = [
    (b"", JSON, 400),
    (b"null", JSON, 400),
    (b"1", JSON, 400),
    (b'"x"', JSON, 400),
    (b"[1]", JSON, 400),
    (b'[{"query":"{__typename}"}]', JSON, 400),
    (b"{", JSON, 400),
    (b'{"query":"\xff"}', JSON, 400),
    (b"[" * 9_000, JSON, 400),
    (b"[" * 100_000, JSON, 413),
    (b"{}", JSON, 400),
    (b'{"query":1}', JSON, 400),
    (b'{"query":" "}', JSON, 400),
    (b'{"query":"{__typename}","variables":[1]}', JSON, 400),
    (b'{"query":"{__typename}","extensions":1}', JSON, 400),
    (b'{"query":"{__typename}","operationName":0}', JSON, 400),
    (b'{"query":"{__typename}","variables":false}', JSON, 400),
    (b"x" * 100_001, JSON, 413),
    (b'{"query":"{__typename}"}', "text/plain", 415),
    (b'{"query":"{__typename}"}', "", 415),
    (b'{"query":"{__typename}"}', f"{JSON}; charset=utf-16", 415),
    (b"query=%7B__typename%7D", "application/x-www-form-urlencoded", 415),
]


@pytest.mark.parametrize(("body", "content_type", "status"), BAD_BODIES)
async def test_a_bad_body_is_a_clean_4xx(
    stack: Stack, body: bytes, content_type: str, status: int
) -> None:
    """What is not a GraphQL request is a 4xx with one JSON error that says what to change."""
    headers = {"Content-Type": content_type}
    response = await stack.client.post("/graphql", content=body, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == JSON + UTF8
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert error["extensions"]["requestId"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, GZip", "x"])
async def test_an_encoded_body_is_415(stack: Stack, coding: str) -> None:
    """A body with a coding is refused by name, whatever it holds; identity is none."""
    body = {"query": "{ __typename }"}
    answer = await stack.client.post("/graphql", json=body, headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json()["errors"][0]["message"]
    for none in ("identity", "", " Identity , identity"):
        plain = await stack.client.post("/graphql", json=body, headers={"Content-Encoding": none})
        assert plain.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("body", [[], [{"query": "{ __typename }"}], [[1]]])
async def test_a_batch_is_told_that_it_is_one(stack: Stack, body: Any) -> None:
    """A list of operations is refused with what to do instead."""
    response = await stack.client.post("/graphql", json=body)
    assert response.status_code == 400
    assert "Batches are not supported" in response.json()["errors"][0]["message"]


async def test_an_empty_operation_name_is_none(stack: Stack) -> None:
    """Clients without a name send an empty one; where there are several operations it is missed."""
    one = {"query": "query A { __typename }", "operationName": ""}
    assert (await stack.client.post("/graphql", json=one)).json() == {
        "data": {"__typename": "Query"}
    }
    two = {"query": "query A { __typename } query B { __typename }", "operationName": ""}
    [error] = (await stack.client.post("/graphql", json=two)).json()["errors"]
    assert "no single operation" in error["message"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_405(stack: Stack, method: str) -> None:
    """GraphQL is spoken by GET and POST only, and the answer says so."""
    response = await stack.client.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_a_query_by_get(stack: Stack) -> None:
    """A query can be sent by GET, with its variables as JSON."""
    parameters = {"query": CARD, "variables": '{"id": "' + NOBODY["id"] + '"}'}
    response = await stack.client.get("/graphql", params=parameters)
    assert response.json() == {"data": {"card": None}}


async def test_a_mutation_by_get_is_not_executed(stack: Stack) -> None:
    """A link cannot issue a card: mutations by GET are 405, and no call is made."""
    parameters = {"query": ISSUE, "variables": str(issue_input()).replace("'", '"')}
    response = await stack.client.get("/graphql", params=parameters)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert not stack.wire.exchanges


async def test_unreadable_variables_by_get_are_named(stack: Stack) -> None:
    """Variables in the query string that are not JSON are a 400 that names them."""
    response = await stack.client.get("/graphql?query={__typename}&variables={")
    assert response.status_code == 400
    assert "variables" in response.json()["errors"][0]["message"]


VALUES = [
    ("query($id: ID!) { card(id: $id) { id } }", {"id": {"pan": "4111111111111111"}}),
    (ISSUE, issue_input(accountId={"pan": "4111111111111111"})),
    (ISSUE, issue_input(surprise="4111111111111111")),
    (ISSUE, issue_input(billingAddress={"country": 4111111111111111})),
    ('{ card(id: {pan: "4111111111111111"}) { id } }', None),
    ("{ card(id: 4.111111111111111) { id } }", None),
    ('{ card(id: "1") "4111111111111111" }', None),
    ('query($id: ID = ["4111111111111111"]) { card(id: $id) { id } }', None),
]


@pytest.mark.parametrize(("query", "variables"), VALUES)
async def test_values_are_never_echoed(stack: Stack, query: str, variables: Any) -> None:
    """An error about a value, in variables or in the document, does not repeat the value."""
    response = await stack.post(query, variables)
    assert response.json()["errors"]
    assert "111111" not in response.text


async def test_the_request_id_is_taken_and_shown(stack: Stack) -> None:
    """A usable X-Request-Id is kept, an unusable one is replaced, and errors carry it."""
    kept = await stack.post("{", **{"X-Request-Id": "click-1"})
    assert kept.headers["x-request-id"] == "click-1"
    assert kept.json()["errors"][0]["extensions"]["requestId"] == "click-1"
    replaced = await stack.post("{", **{"X-Request-Id": "a b" * 100})
    assert len(replaced.headers["x-request-id"]) == 32


async def test_an_unexpected_error_is_masked() -> None:
    """A bug inside the gateway is told as INTERNAL, without its text."""

    def broken(_request: httpx.Request) -> httpx.Response:
        raise KeyError("canary")

    async with running() as stack:
        stack.wire.answer = broken
        response = await stack.post(CARD, NOBODY)
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert "canary" not in response.text


class BrokenAuthenticator:
    """An authenticator with a fault that nobody foresaw."""

    async def identify(self, authorization: str | None) -> Caller:
        """Fail, with the header in the text."""
        raise KeyError(authorization)


async def test_an_unexpected_error_beside_the_execution_is_masked_and_logged() -> None:
    """A fault of ours outside the execution is HTTP 500 without its text, and a line in the log
    under the same request id."""
    lines = io.StringIO()
    configure_logging("info", readable=False, stream=lines)
    nothing: Any = None
    dependencies = Dependencies(
        executor=nothing,
        authenticator=BrokenAuthenticator(),
        new_context=nothing,
        trusted=nothing,
        documents_mode="off",
        settings=settings(),
        emit=LogSink(),
    )
    app = RequestIdMiddleware(GraphQLView(dependencies))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        headers = {"X-Request-Id": "click-1", "Authorization": "canary"}
        response = await client.post("/graphql", json={"query": "{__typename}"}, headers=headers)
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()
    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]) == (
        500,
        {"code": "INTERNAL", "retryable": False, "requestId": "click-1"},
    )
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    told = [(one["event"], one["request_id"], one.get("error")) for one in logged]
    assert ("unexpected_error", "click-1", "KeyError") in told
    assert "canary" not in response.text + lines.getvalue()


@pytest.mark.parametrize("ids", [1, 2])
async def test_a_cancelled_read_is_told_as_a_failed_one(ids: int) -> None:
    """Who waits for a read that is cancelled is told that it may be repeated, and does not hang."""

    def cancelled(request: httpx.Request) -> None:
        if request.method == "GET":
            raise asyncio.CancelledError

    async with running() as stack:
        stack.wire.answer = cancelled
        query = " ".join(f'c{n}: card(id: "{uuid.uuid4()}") {{ id }}' for n in range(ids))
        async with waiting_for("the answer to a cancelled read"):
            body = (await stack.post("{" + query + "}")).json()
    assert body["data"] == {f"c{n}": None for n in range(ids)}
    told = [(one["extensions"]["code"], one["extensions"]["retryable"]) for one in body["errors"]]
    assert told == [("PROVIDER_UNAVAILABLE", True)] * ids


PARTIAL = '{ __typename card(id: "nonsense") { id } }'


@pytest.mark.parametrize(
    ("statuses", "accept", "query", "status"),
    [
        ("draft", GRAPHQL_JSON, PARTIAL, 294),
        ("draft", GRAPHQL_JSON, "{ __typename }", 200),
        ("draft", JSON, PARTIAL, 200),
        ("classic", GRAPHQL_JSON, PARTIAL, 200),
        ("classic", GRAPHQL_JSON, "{ __typename }", 200),
        ("classic", JSON, PARTIAL, 200),
        ("draft", GRAPHQL_JSON, "{ nonsense }", 422),
        ("classic", GRAPHQL_JSON, "{ nonsense }", 400),
    ],
)
async def test_partial_data_has_a_status_in_the_draft_only(
    statuses: str, accept: str, query: str, status: int
) -> None:
    """294 tells of data beside errors, where the draft's statuses are set and the media type is
    the new one; whole data is 200 everywhere."""
    async with running(http_statuses=statuses) as stack:
        response = await stack.post(query, Accept=accept)
    assert response.status_code == status
    assert ("data" in response.json()) == (status < 400)


async def test_health_and_readiness(stack: Stack) -> None:
    """/healthz says that the process lives; /readyz that the provider gives it a token."""
    assert (await stack.client.get("/healthz")).json() == {"status": "ok"}
    ready = await stack.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")


async def test_not_ready_without_a_token() -> None:
    """Without a token /readyz is 503 and says what the operator may do."""
    async with running(provider_api_secret="wrong") as stack:
        ready = await stack.client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert "doctor" in ready.json()["message"]


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/", "/graphql/", "//graphql", "/healthz/x"])
async def test_a_path_is_not_corrected(path: str) -> None:
    """A path that is nearly right is 404 and no redirect, so that a wrong probe is noticed."""
    async with running(graphiql=True) as stack:
        for method in ("GET", "POST"):
            response = await stack.client.request(method, f"http://gateway{path}")
            assert (response.status_code, "location" in response.headers) == (404, False)


async def test_a_path_that_is_not_there_is_json_too(stack: Stack) -> None:
    """Errors beside /graphql have a code and the request's id as well."""
    for method, path, status in (("GET", "/nowhere", 404), ("POST", "/healthz", 405)):
        response = await stack.client.request(method, path)
        [error] = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (status, "BAD_REQUEST")
        assert error["extensions"]["requestId"] == response.headers["x-request-id"]


async def test_reads_that_wait_do_not_start_after_the_deadline() -> None:
    """When an operation's time is over its reads in flight are given up and no others start."""
    release = asyncio.Event()
    async with running(query_deadline=60, max_card_reads=2) as stack:
        await stack.post(CARD, NOBODY)
        passing, started = stack.wire.handle_async_request, []

        async def slow(request: httpx.Request) -> httpx.Response:
            started.append(request)
            if len(started) == 2:
                skip_time(60)
            await release.wait()
            return await passing(request)

        stack.wire.handle_async_request = slow  # type: ignore[method-assign]
        query = " ".join(f'c{n}: card(id: "{uuid.uuid4()}") {{ id }}' for n in range(8))
        errors = (await stack.post("{" + query + "}")).json()["errors"]
        assert {error["extensions"]["code"] for error in errors} == {"DEADLINE_EXCEEDED"}
        release.set()
        await settled()  # those that would start late begin now
        assert len(started) == 2


async def test_a_click_outlives_the_deadline_of_its_operation() -> None:
    """A mutation that takes too long is OutcomeUnknown with its key; the next does not start."""
    gate = asyncio.Event()
    async with running(mutation_deadline=60) as stack:
        passing = stack.wire.handle_async_request

        async def slow(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/cards") and not gate.is_set():
                skip_time(60)
                await gate.wait()
            return await passing(request)

        stack.wire.handle_async_request = slow  # type: ignore[method-assign]
        fields = "__typename ... on Error { code } ... on OutcomeUnknown { idempotencyKey }"
        query = f"""mutation($input: IssueVirtualCardInput!) {{
          a: issueVirtualCard(input: $input) {{ {fields} }}
          b: issueVirtualCard(input: $input) {{ {fields} }} }}"""
        data = await stack.data(query, issue_input())
        assert (data["a"]["code"], data["b"]["code"]) == ("OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED")
        gate.set()
        again = await stack.issue(idempotencyKey=data["a"]["idempotencyKey"])
        assert again["replayed"] is True
        assert len(stack.emulator.state.emulator.cards) == 1


async def test_graphiql_is_shown_to_browsers_where_it_is_on() -> None:
    """A browser gets the page; programs, and everybody where it is off, get GraphQL."""
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with running(graphiql=True) as stack:
        page = await stack.client.get("/graphql", headers=browser)
        assert page.headers["content-type"].startswith("text/html")
        program = await stack.client.get("/graphql?query={__typename}")
        assert program.json() == {"data": {"__typename": "Query"}}
    async with running(graphiql=False) as stack:
        page = await stack.client.get("/graphql", headers=browser)
        assert page.headers["content-type"] == JSON + UTF8
        assert (await stack.client.get("/", headers=browser)).status_code == 404


async def test_a_path_with_a_line_break_is_another_path(stack: Stack) -> None:
    """Only ``/graphql`` itself is the endpoint: rules of proxies compare paths exactly."""
    for path in ("/graphql%0A", "/healthz%0A", "/graphql/", "//graphql", "/graphql%2F"):
        response = await stack.client.post(path, json={"query": "{ __typename }"})
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (
            404,
            "BAD_REQUEST",
        )
