"""Metrics count what happened, under labels that nobody outside can choose."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway import events
from gateway.events import Event
from gateway.http.admin import admin_app
from gateway.telemetry.metrics import MetricsSink
from tests.stack import ADDRESS, CARD, Stack, options, running
from tests.waiting import waiting_for


class Awaited:
    """A sink that waits for one event."""

    def __init__(self, kind: type[Any], is_it: Callable[[Any], bool]) -> None:
        self._kind, self._is_it = kind, is_it
        self._came = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind) and self._is_it(event):
            self._came.set()

    async def wait(self) -> None:
        """Wait until it has come."""
        async with waiting_for(self._kind.__name__):
            await self._came.wait()


async def scrape(metrics: MetricsSink, accept: str = "text/plain") -> httpx.Response:
    """What the admin listener answers to Prometheus."""
    front = httpx.ASGITransport(app=admin_app(metrics.exposition))
    async with httpx.AsyncClient(transport=front, base_url="http://admin") as client:
        return await client.get("/metrics", headers={"Accept": accept})


async def samples(metrics: MetricsSink) -> list[Sample]:
    """All samples that are exported now."""
    text = (await scrape(metrics)).text
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


async def value(metrics: MetricsSink, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    found = [one.value for one in await samples(metrics) if one[:2] == (name, labels)]
    return found[0] if found else 0.0


async def test_a_click_is_counted_with_all_that_it_caused() -> None:
    """Request, call, attempt, claim and answer are counted once each, with their durations."""
    metrics = MetricsSink()
    async with running(metrics=metrics) as stack:
        await stack.issue()
    route = {"method": "POST", "route": "/accounts/{accountId}/cards"}
    field = {"field": "issueVirtualCard", "kind": "mutation"}
    for name, labels in {
        "gateway_requests_total": {**field, "status": "200"},
        "gateway_request_duration_seconds_count": field,
        "gateway_provider_calls_total": {**route, "outcome": "success"},
        "gateway_provider_call_duration_seconds_count": route,
        "gateway_provider_attempts_total": {**route, "outcome": "success", "cause": "none"},
        "gateway_ledger_claims_total": {"how": "new"},
        "gateway_ledger_answers_total": {"outcome": "done"},
        "gateway_ledger_store_duration_seconds_count": {"step": "claim"},
        "gateway_access_token_renewals_total": {},
    }.items():
        assert await value(metrics, name, **labels) == 1, name


async def test_a_failure_in_a_result_is_an_error_of_its_field() -> None:
    """An error that a result carries as data is counted by its code."""
    metrics = MetricsSink()
    async with running(metrics=metrics) as stack:
        await stack.issue(accountId="no account")
    labels = {"field": "issueVirtualCard", "code": "BAD_USER_INPUT"}
    assert await value(metrics, "gateway_request_errors_total", **labels) == 1


KEY = "123e4567-e89b-42d3-a456-426614174000"


async def repeats(stack: Stack) -> None:
    """Send a click twice."""
    await stack.issue(idempotencyKey=KEY)
    await stack.issue(idempotencyKey=KEY)


async def conflicts(stack: Stack) -> None:
    """Send a key with two inputs."""
    await stack.issue(idempotencyKey=KEY)
    await stack.issue(idempotencyKey=KEY, billingAddress=ADDRESS | {"city": "Leeds"})


async def joins(stack: Stack) -> None:
    """Send a click twice at once."""
    await asyncio.gather(*[stack.issue(idempotencyKey=KEY) for _ in range(2)])


async def is_refused(stack: Stack) -> None:
    """Send a click that the provider refuses."""
    stack.wire.answer = lambda request: (
        httpx.Response(400) if "/accounts/" in request.url.path else None
    )
    await stack.issue()


async def is_lost(stack: Stack) -> None:
    """Send a click that the provider does not answer."""
    stack.wire.answer = lambda request: (
        httpx.Response(500) if "/accounts/" in request.url.path else None
    )
    await stack.issue(idempotencyKey=KEY)


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (repeats, "replayed"),
        (conflicts, "conflict"),
        (joins, "coalesced"),
        (is_refused, "not_sent"),
        (is_lost, "indeterminate"),
    ],
)
async def test_what_a_key_is_told_is_counted(act: Callable[[Stack], Any], outcome: str) -> None:
    """Each way in which a request with a key can end has a count of its own."""
    metrics = MetricsSink()
    async with running(metrics=metrics, max_attempts=1) as stack:
        await act(stack)
    assert await value(metrics, "gateway_ledger_answers_total", outcome=outcome) == 1


async def test_the_oldest_unresolved_key_is_seen() -> None:
    """A key whose outcome is not known is counted, with its age, until it is resolved."""
    metrics = MetricsSink()
    counted = Awaited(events.LedgerCounted, lambda event: event.indeterminate == 1)
    async with running(metrics=metrics, sinks=[counted], max_attempts=1) as stack:
        await is_lost(stack)
        await counted.wait()
        assert await value(metrics, "gateway_ledger_unresolved", state="indeterminate") == 1
        assert await value(metrics, "gateway_ledger_oldest_unresolved_seconds") > 0


async def test_what_is_so_now_is_sampled() -> None:
    """Descriptors, memory, caches, token and clock of this process are there after a sample."""
    metrics = MetricsSink()
    sampled = Awaited(events.StateSampled, lambda event: event.token_age is not None)
    async with running(metrics=metrics, sinks=[sampled]) as stack:
        await stack.issue()
        await sampled.wait()
        assert (
            0 < await value(metrics, "process_open_fds") < await value(metrics, "process_max_fds")
        )
        assert await value(metrics, "process_resident_memory_bytes") > 2**20
        assert await value(metrics, "gateway_cache_bytes", cache="documents") > 0
        assert await value(metrics, "gateway_provider_calls_limit") > 0
        assert await value(metrics, "gateway_access_token_age_seconds") >= 0
        assert await value(metrics, "gateway_jwks_age_seconds") == -1


async def test_a_refused_document_names_the_limit() -> None:
    """Which limit a document passes is counted, and told to the client as well."""
    metrics = MetricsSink()
    async with running(metrics=metrics, max_document_tokens=10) as stack:
        error = await stack.error(CARD, {"id": KEY})
    assert error["extensions"]["limit"] == "tokens"
    labels = {"code": "DOCUMENT_TOO_LARGE", "limit": "tokens"}
    assert await value(metrics, "gateway_documents_refused_total", **labels) == 1


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_the_format_is_negotiated(accept: str) -> None:
    """The text format of Prometheus is the default, and OpenMetrics is there when asked for."""
    answer = await scrape(MetricsSink(), accept)
    assert answer.headers["content-type"].startswith(accept.partition(";")[0])
    assert answer.text.endswith("# EOF\n") == ("openmetrics" in accept)


async def test_no_label_is_chosen_by_a_caller() -> None:
    """Names of operations, aliases, unknown fields, values and ids are in no label."""
    metrics = MetricsSink()
    async with running(options(rich_cards=True), metrics=metrics) as stack:
        issued = await stack.issue(billingAddress=ADDRESS | {"city": "Canary"})
        await stack.post('query canary { canary: card(id: "canary") { id } }')
        await stack.post("{ canary }")
        await stack.post("query canary($canary: ID!) { card(id: $canary) { id } }", {"canary": 1})
        await stack.client.get("/canary")
        await stack.simulate(issued["card"]["id"])
    text = (await scrape(metrics)).text
    assert "canary" not in text.lower()
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)


def test_every_event_is_counted_or_is_said_not_to_be() -> None:
    """A new event has a metric, or a reason here why it has none."""
    none = {
        events.IdentityKeysExpired: "gateway_jwks_age_seconds is -1",
        events.SubjectKeyMade: "once, at the start",
        events.SignerChosen: "once, at the start",
        events.ClickSettled: "KeyAnswered has it, for each request",
        events.AuditHead: "gateway_audit_lines_total has the count",
        events.SpanExportChanged: "the collector has metrics of its own",
        events.ServerEnds: "the process ends",
        events.SupervisorGone: "the process ends",
    }
    counted = MetricsSink().counts
    assert {kind for kind in get_args(Event) if kind not in none} == counted
