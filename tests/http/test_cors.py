"""Pages of other web origins: what they may send and read, and what they are told."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from gateway.events import PreflightRefused
from gateway.telemetry import configure_logging
from tests.stack import Stack, running
from tests.tokens import IdentityProvider

SHOP = "https://shop.example"
ALLOWED: dict[str, Any] = {"cors_origins": (SHOP,)}

OF_FRONTENDS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "x-request-id",
    "apollographql-client-name",
    "apollographql-client-version",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "graphql-client-name",
    "graphql-client-version",
    "x-requested-with",
    "sentry-trace",
    "baggage",
    "traceparent",
    "tracestate",
]


async def preflight(stack: Stack, *names: str, **headers: str) -> httpx.Response:
    """What a browser asks before it sends a POST with these headers."""
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(names),
    }
    return await stack.client.options("/graphql", headers=asked | headers)


@pytest.mark.parametrize(
    "names", [OF_FRONTENDS, [], ["baggage", "", " "], *([name] for name in OF_FRONTENDS)]
)
async def test_what_frontends_send_is_allowed(names: list[str]) -> None:
    """Headers that the clients of GraphQL and of tracing add by themselves may be sent."""
    async with running(**ALLOWED) as stack:
        response = await preflight(stack, *names)
    assert response.status_code == 200
    allowed = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {name for name in names if name.strip()} <= set(allowed)
    assert int(response.headers["access-control-max-age"]) > 600
    assert "origin" in response.headers["vary"].lower()


async def test_more_headers_are_allowed_by_setting() -> None:
    """GATEWAY_CORS_HEADERS adds names, in whatever case."""
    async with running(**ALLOWED, cors_headers=("X-Tenant",)) as stack:
        assert (await preflight(stack, "x-tenant", "baggage")).status_code == 200
        assert (await preflight(stack, "x-other")).status_code == 403


REFUSED = [
    ("x-tenant", "x-tenant"),
    ("X-Tenant", "X-Tenant"),
    ("x-" + "a" * 500, "x-" + "a" * 62),
    ("x tenant", "…"),
    ("<script>", "…"),
    ("x-4111111111111111", "…"),
]


@pytest.mark.parametrize(("name", "shown"), REFUSED)
async def test_a_refused_preflight_names_the_header(name: str, shown: str) -> None:
    """Its answer is a JSON error that names the header that is not allowed, and so does the log:
    64 characters of a name, and nothing of what is no name."""
    told: list[Any] = []
    async with running(sinks=[told.append], **ALLOWED) as stack:
        response = await preflight(stack, "content-type", name)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]) == (
        403,
        {
            "code": "NOT_ALLOWED",
            "retryable": False,
            "requestId": response.headers["x-request-id"],
        },
    )
    assert error["message"].endswith(f" the header {shown}.")
    refused = [event for event in told if isinstance(event, PreflightRefused)]
    assert refused == [PreflightRefused(reason="header", header=shown)]


async def test_the_log_has_a_line_for_a_refused_preflight() -> None:
    """Who operates the gateway finds the header's name under the request's id."""
    lines = io.StringIO()
    async with running(**ALLOWED) as stack:
        configure_logging("warning", readable=False, stream=lines)
        response = await preflight(stack, "x-tenant", **{"X-Request-Id": "click-1"})
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()
    assert response.status_code == 403
    [line] = [json.loads(line) for line in lines.getvalue().splitlines()]
    facts = {name: line[name] for name in ("event", "reason", "header", "request_id")}
    assert facts == {
        "event": "preflight_refused",
        "reason": "header",
        "header": "x-tenant",
        "request_id": "click-1",
    }


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Origin": "https://evil.example"}, "origin"),
        ({"Access-Control-Request-Method": "DELETE"}, "method"),
    ],
)
async def test_other_refusals_say_what_is_refused(headers: dict[str, str], reason: str) -> None:
    """An origin or a method that is not allowed is told as such."""
    told: list[Any] = []
    async with running(sinks=[told.append], **ALLOWED) as stack:
        response = await preflight(stack, "content-type", **headers)
    assert response.status_code == 403
    assert response.json()["errors"][0]["extensions"]["code"] == "NOT_ALLOWED"
    allowed = response.headers.get("access-control-allow-origin")
    assert allowed == (SHOP if reason == "method" else None)
    assert PreflightRefused(reason=reason) in told


async def test_only_named_origins_ask_from_public_networks() -> None:
    """A page of the internet reaches a gateway of an intranet where its origin is named."""
    asked = {"Access-Control-Request-Private-Network": "true"}
    async with running(**ALLOWED) as stack:
        response = await preflight(stack, **asked)
    assert response.headers["access-control-allow-private-network"] == "true"
    async with running(cors_origins=("*",)) as stack:
        response = await preflight(stack, **asked)
    assert response.status_code == 403
    assert "public network" in response.json()["errors"][0]["message"]


async def test_pages_can_read_errors(tmp_path: Path) -> None:
    """Every error has the headers by which a browser lets its page read it."""
    async with running(**ALLOWED, **IdentityProvider(tmp_path).settings()) as stack:

        def broken(_request: httpx.Request) -> httpx.Response:
            raise KeyError

        stack.wire.answer = broken
        for method, path, status in (
            ("POST", "/graphql", 401),
            ("GET", "/nowhere", 404),
            ("PUT", "/graphql", 405),
            ("GET", "/readyz", 500),
        ):
            response = await stack.client.request(method, path, headers={"Origin": SHOP})
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == SHOP
            assert "Origin" in response.headers["vary"]
            exposed = response.headers["access-control-expose-headers"].split(", ")
            assert exposed == ["Retry-After", "WWW-Authenticate", "X-Request-Id"]
