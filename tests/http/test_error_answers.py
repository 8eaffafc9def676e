"""Every error is answered in one shape, and in the media type that was negotiated."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import IdentityUnavailable, LimitedBy, NotFound, Overloaded, RateLimited
from gateway.http import error_body, error_response
from tests.stack import CARD, ISSUE, running
from tests.tokens import IdentityProvider

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
NOBODY = {"id": "123e4567-e89b-12d3-a456-426614174000"}
TYPENAME = {"query": "{ __typename }"}
UNKNOWN = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00" * 32}}}
OF_ANOTHER_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


@dataclass
class Refused:
    """A request, and the error that it is answered with."""

    status: int
    code: str
    method: str = "POST"
    path: str = "/graphql"
    content: bytes = json.dumps(TYPENAME).encode()
    headers: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    in_json: int | None = None
    """The status in the older media type, where it is another one."""


def asking(body: Any) -> bytes:
    """The body of a request."""
    return json.dumps(body).encode()


def manifest(tmp_path: Path) -> Path:
    """A manifest with one document."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"known": "query Known { __typename }"}))
    return path


REFUSED = {
    "no token": Refused(401, "NOT_AUTHENTICATED", settings={"auth": "jwt"}),
    "another site": Refused(403, "NOT_ALLOWED", "GET", headers=OF_ANOTHER_SITE),
    "no such path": Refused(404, "BAD_REQUEST", "GET", "/nowhere"),
    "a method": Refused(405, "BAD_REQUEST", "PUT"),
    "a method elsewhere": Refused(405, "BAD_REQUEST", "POST", "/healthz"),
    "too large": Refused(413, "BAD_REQUEST", content=b"x" * 100_001),
    "no JSON": Refused(415, "BAD_REQUEST", headers={"Content-Type": "text/plain"}),
    "a host": Refused(400, "BAD_REQUEST", headers={"Host": "evil.example"}),
    "malformed": Refused(400, "BAD_REQUEST", content=b"{"),
    "no document": Refused(400, "BAD_REQUEST", content=b"{}"),
    "syntax": Refused(400, "GRAPHQL_REQUEST_INVALID", content=asking({"query": "{"}), in_json=200),
    "a mutation by GET": Refused(
        405, "GRAPHQL_REQUEST_INVALID", "GET", "/graphql?query=mutation{__typename}"
    ),
    "an unknown hash": Refused(
        400,
        "PERSISTED_QUERY_NOT_FOUND",
        content=asking(UNKNOWN),
        settings={"documents_mode": "prefer"},
        in_json=200,
    ),
    "a hash without manifests": Refused(
        400, "PERSISTED_QUERY_NOT_SUPPORTED", content=asking(UNKNOWN), in_json=200
    ),
    "another convention": Refused(400, "BAD_REQUEST", content=asking({"doc_id": "1"})),
    "a batch": Refused(400, "BAD_REQUEST", content=asking([TYPENAME])),
    "gzip": Refused(415, "BAD_REQUEST", headers={"Content-Encoding": "gzip"}),
    "an unknown document": Refused(
        400, "DOCUMENT_NOT_TRUSTED", settings={"documents_mode": "only"}, in_json=200
    ),
}


async def answer(refused: Refused, accept: str, tmp_path: Path) -> httpx.Response:
    """What a gateway with the settings says."""
    changes = refused.settings
    if "auth" in changes:
        changes = IdentityProvider(tmp_path).settings()
    if "documents_mode" in changes:
        changes = changes | {"documents": manifest(tmp_path)}
    headers = {"Content-Type": JSON, "Accept": accept} | refused.headers
    async with running(**changes) as stack:
        return await stack.client.request(
            refused.method, refused.path, content=refused.content, headers=headers
        )


def check(response: httpx.Response, code: str, media_type: str) -> None:
    """The answer holds one whole error in this media type."""
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    [error] = response.json()["errors"]
    extensions = error["extensions"]
    assert (extensions["code"], extensions["retryable"]) == (code, False)
    assert extensions["requestId"] == response.headers["x-request-id"]


@pytest.mark.parametrize("name", REFUSED)
async def test_an_error_comes_in_the_new_media_type(tmp_path: Path, name: str) -> None:
    """Who asks for application/graphql-response+json can read every error as a GraphQL response."""
    refused = REFUSED[name]
    response = await answer(refused, GRAPHQL_JSON, tmp_path)
    assert response.status_code == refused.status
    check(response, refused.code, GRAPHQL_JSON)


@pytest.mark.parametrize("name", REFUSED)
async def test_an_error_comes_in_the_older_media_type(tmp_path: Path, name: str) -> None:
    """In application/json a well-formed request is 200, and other errors keep their status."""
    refused = REFUSED[name]
    response = await answer(refused, JSON, tmp_path)
    assert response.status_code == (refused.in_json or refused.status)
    check(response, refused.code, JSON)


async def test_nothing_acceptable_is_told_in_json(tmp_path: Path) -> None:
    """An error for a client that accepts nothing of ours is application/json."""
    for path, status in (("/graphql", 406), ("/nowhere", 404)):
        refused = Refused(status, "BAD_REQUEST", "POST", path)
        response = await answer(refused, "image/png", tmp_path)
        assert response.status_code == status
        check(response, "BAD_REQUEST", JSON)


async def test_several_accept_headers_are_one_list() -> None:
    """RFC 9110, section 5.2: the fields of one name are read together."""
    async with running() as stack:
        headers = [("Accept", "image/png"), ("Accept", GRAPHQL_JSON)]
        response = await stack.client.post("/graphql", json={"query": "{"}, headers=headers)
    assert response.headers["content-type"].startswith(GRAPHQL_JSON)


async def test_callers_that_cannot_be_told_apart_now_are_asked_to_wait(tmp_path: Path) -> None:
    """Without the identity provider's keys the answer is 503 with a delay in whole seconds."""
    idp = IdentityProvider(tmp_path)
    token = idp.token()
    async with running(**idp.settings()) as stack:
        idp.file.unlink()
        headers = {"Authorization": f"Bearer {token}", "Accept": GRAPHQL_JSON}
        response = await stack.post("{ __typename }", **headers)
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")
    assert response.headers["content-type"].startswith(GRAPHQL_JSON)
    assert response.json()["errors"][0]["extensions"]["retryable"] is True


LATER = RateLimited("Later.", by=LimitedBy.GATEWAY, retry_after=0.2)


@pytest.mark.parametrize(
    ("error", "status", "delay"),
    [
        (LATER, 429, "1"),
        (RateLimited("Later.", by=LimitedBy.GATEWAY, retry_after=2.01), 429, "3"),
        (RateLimited("Later.", by=LimitedBy.PROVIDER), 429, None),
        (Overloaded("Busy."), 503, "1"),
        (IdentityUnavailable("No keys."), 503, "10"),
        (NotFound("There is no such card."), 500, None),
    ],
)
def test_a_known_delay_is_sent(error: Any, status: int, delay: str | None) -> None:
    """Retry-After holds whole seconds, rounded up, where the delay is known; no type hides it."""
    for media_type in (JSON, GRAPHQL_JSON):
        response = error_response(error, media_type)
        assert (response.status_code, response.headers.get("retry-after")) == (status, delay)


async def test_a_delay_of_an_executed_document_is_sent(tmp_path: Path) -> None:
    """Where a field is over its rate limit the header has the delay of the error, rounded up."""
    idp = IdentityProvider(tmp_path)
    async with running(**idp.settings(rate_limits={"card": "1/minute"})) as stack:
        stack.client.headers["Authorization"] = f"Bearer {idp.token()}"
        first = await stack.post(CARD, NOBODY)
        second = await stack.post(CARD, NOBODY)
    assert "retry-after" not in first.headers
    [error] = second.json()["errors"]
    delay = error["extensions"]["retryAfter"]
    assert delay <= int(second.headers["retry-after"]) < delay + 1


def test_a_body_needs_no_request() -> None:
    """What cannot be read as a request is answered with the same body."""
    [error] = json.loads(error_body(LATER))["errors"]
    assert error["message"] == "Later."
    assert error["extensions"] == {
        "code": "RATE_LIMITED",
        "retryable": True,
        "limitedBy": "GATEWAY",
        "retryAfter": 0.2,
        "requestId": "-",
    }


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{", None),
        ("{ nonsense }", None),
        ("subscription { card }", None),
        (ISSUE, {"input": 1}),
        (CARD, {"id": "nonsense"}),
        ("query A { __typename } query B { __typename }", None),
    ],
)
async def test_errors_of_a_document_say_whether_to_try_again(query: str, variables: Any) -> None:
    """Request errors and execution errors have the code, the advice and the request's id."""
    async with running() as stack:
        response = await stack.post(query, variables)
    for error in response.json()["errors"]:
        assert error["extensions"]["retryable"] is False
        assert error["extensions"]["requestId"] == response.headers["x-request-id"]
        assert error["extensions"]["code"]


async def test_what_is_not_ready_says_so_as_every_error() -> None:
    """/readyz has the error in the shape of all others, beside its own facts."""
    async with running(provider_api_secret="wrong") as stack:
        response = await stack.client.get("/readyz")
    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]) == (
        503,
        {
            "code": "PROVIDER_UNAVAILABLE",
            "retryable": True,
            "requestId": response.headers["x-request-id"],
        },
    )


async def test_a_fault_outside_of_graphql_is_masked() -> None:
    """A fault of ours is 500 in the shape of all errors, without its text, and is told."""
    told: list[Any] = []

    def broken(_request: httpx.Request) -> httpx.Response:
        raise KeyError("canary")

    async with running(sinks=[told.append]) as stack:
        stack.wire.answer = broken
        response = await stack.client.get("/readyz", headers={"Accept": GRAPHQL_JSON})
    assert response.status_code == 500
    check(response, "INTERNAL", GRAPHQL_JSON)
    assert "canary" not in response.text
    assert "KeyError" in [getattr(event, "error", None) for event in told]
