"""Traces of real processes, exported over OTLP to a collector of the tests."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.collector import Collector, attributes, collecting
from tests.end_to_end.test_canary import CITY, CODE, LINE, NAME, REQUESTS
from tests.examples import mostly_long
from tests.marked_answers import PAN
from tests.pair import Pair, pair
from tests.processes import run, started
from tests.stack import API_SECRET, CARD, ISSUE, environment, issue_input
from tests.waiting import PATIENCE

pytestmark = pytest.mark.process
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
ISSUED = "POST /accounts/{accountId}/cards"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets standard variables, without their prefix, for the processes that a test starts."""

    def put(**given: str) -> None:
        for name, text in given.items():
            monkeypatch.setenv(f"OTEL_{name}", text)

    put(BSP_SCHEDULE_DELAY="50")
    return put


@pytest.fixture
def collector(variables: Any) -> Iterator[Collector]:
    """A collector, to which the processes of the test export."""
    with collecting() as one:
        variables(EXPORTER_OTLP_ENDPOINT=one.url)
        yield one


async def post(both: Pair, query: str, variables: Any, **headers: str) -> httpx.Response:
    """Ask the gateway, over a connection of its own."""
    body = {"query": query, "variables": variables}
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        return await client.post(f"{both.url}/graphql", json=body, headers=headers)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_click_is_one_trace(
    tmp_path: Path, collector: Collector, variables: Any, workers: str
) -> None:
    """Request, operation and call are spans of the caller's trace, each within the one before; the
    line of the request has the ids of its span."""
    variables(EXPORTER_OTLP_HEADERS="x-team=cards", RESOURCE_ATTRIBUTES="deployment=test")
    async with pair(tmp_path, workers=workers) as both:
        await post(both, ISSUE, issue_input(), **SAMPLED)
        request, operation = collector.named("POST /graphql"), collector.named("mutation")
        call = collector.named(ISSUED)
        line = both.gateway.wait_for(r'"event":"operation".*"trace_id":"(\w+)","span_id":"(\w+)"')
    assert {span.trace_id.hex() for span in (request, operation, call)} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert (operation.parent_span_id, call.parent_span_id) == (request.span_id, operation.span_id)
    assert line.groups() == (TRACE, request.span_id.hex())
    [attempt] = call.events
    expected = {"attempt": 1, "outcome": "success", "http.response.status_code": 201}
    assert attributes(attempt) == expected
    named = attributes(collector.resources[0].resource)
    assert (named["service.name"], named["deployment"]) == ("card-gateway", "test")
    assert collector.paths == {"/v1/traces"}
    assert collector.headers[0]["x-team"] == "cards"


async def test_repeats_are_events_of_one_call(tmp_path: Path, collector: Collector) -> None:
    """A call that is sent again is one span, with an event for each attempt."""
    faults = {"status_chance": 1, "only_call": 1}
    async with pair(tmp_path, faults=faults) as both:
        await post(both, ISSUE, issue_input())
        call = collector.named(ISSUED)
    told = [attributes(event) for event in call.events]
    assert [(one["attempt"], one["outcome"]) for one in told] == [(1, "busy"), (2, "success")]
    assert attributes(call)["http.request.resend_count"] == 1


async def test_the_last_spans_are_sent_at_the_end(
    tmp_path: Path, collector: Collector, variables: Any
) -> None:
    """What waits for the next batch when the process is told to end is exported before it ends."""
    variables(BSP_SCHEDULE_DELAY="3600000", SERVICE_NAME="cards-eu")
    async with pair(tmp_path) as both:
        await post(both, ISSUE, issue_input())
        assert collector.spans == []
        assert both.gateway.stop() == 0
    assert {"POST /graphql", "mutation", ISSUED} <= {span.name for span in collector.spans}
    assert attributes(collector.resources[0].resource)["service.name"] == "cards-eu"


async def test_no_marked_value_is_exported(tmp_path: Path, collector: Collector) -> None:
    """No span has a variable, a literal, a name, an address, a card number, a key or a token,
    whatever is sent and whatever fails."""
    faults = {"status_chance": 0.2, "drop_after_chance": 0.2, "half_answer_chance": 0.2, "seed": 1}
    others = {"tracestate": f"a={PAN}", "baggage": f"pan={PAN}", "X-Request-Id": PAN}
    async with pair(tmp_path, faults=faults) as both:
        for query, variables in REQUESTS:
            await post(both, query, variables, **others, **SAMPLED)
        named = CARD.replace("Card", f"Card{PAN}")
        await post(both, named, {"id": PAN}, **others, traceparent=f"00-{PAN * 2}-{PAN}-01")
        assert both.gateway.stop() == 0
    assert len(collector.spans) > len(REQUESTS)
    key = both.environment["GATEWAY_SIGNING_KEY_ID"]
    secrets = [PAN, NAME, LINE, CITY, CODE, API_SECRET, key, "canary", "Bearer"]
    secrets.append(both.environment["GATEWAY_PROVIDER_API_SECRET"])
    exported = b"".join(collector.bodies).lower()
    assert [secret for secret in secrets if secret.lower().encode() in exported] == []


@pytest.mark.long  # tests/telemetry/test_tracing.py has a short form
async def test_a_sampler_of_the_environment_decides(
    tmp_path: Path, collector: Collector, variables: Any
) -> None:
    """Where the sampler takes no trace that begins here, those of callers are exported alone."""
    variables(TRACES_SAMPLER="parentbased_traceidratio", TRACES_SAMPLER_ARG="0")
    async with pair(tmp_path) as both:
        await post(both, ISSUE, issue_input())
        await post(both, ISSUE, issue_input(), **SAMPLED)
        assert both.gateway.stop() == 0
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


@pytest.mark.parametrize("status", mostly_long([None, 404, 503], None))
async def test_a_collector_that_takes_nothing_holds_nobody_up(
    tmp_path: Path, variables: Any, status: int | None
) -> None:
    """Requests are answered, the process ends long before an export gives up, and what is wrong is
    at most one line."""
    with collecting(status) as collector:
        variables(EXPORTER_OTLP_ENDPOINT=collector.url, EXPORTER_OTLP_TIMEOUT="3600")
        async with pair(tmp_path) as both:
            for _ in range(5):
                answer = await post(both, ISSUE, issue_input())
                assert "IssueVirtualCardSuccess" in answer.text
            collector.wait_for("an export", lambda: bool(collector.bodies))
            began = time.monotonic()
            assert both.gateway.stop() == 0
            assert time.monotonic() - began < 25  # the SDK alone would wait for 30 s
    assert both.gateway.output.count("spans_not_exported") <= 1
    assert not re.search("Transient error|Failed to export", both.gateway.output)


async def test_a_collector_that_is_not_there_is_told_once(tmp_path: Path, variables: Any) -> None:
    """The log says once that spans are dropped, and once that they are exported again."""
    with collecting(404) as collector:
        variables(EXPORTER_OTLP_ENDPOINT=collector.url)
        async with pair(tmp_path) as both:
            for exports in (1, 2):
                await post(both, ISSUE, issue_input())
                collector.wait_for("an export", lambda: len(collector.bodies) >= exports)  # noqa: B023
            both.gateway.wait_for('"event":"spans_not_exported"')
            collector.status = 200
            await post(both, ISSUE, issue_input())
            both.gateway.wait_for('"event":"spans_exported"')
            assert both.gateway.stop() == 0
    assert both.gateway.output.count("spans_not_exported") == 1
    assert "Failed to export" not in both.gateway.output  # a line of the SDK for each batch


def test_the_trial_is_traced_too(collector: Collector) -> None:
    """`gateway dev` exports its spans as `gateway serve` does."""
    with started("dev", "--port", "0") as process:
        url = process.wait_for(r"http://\S+/graphql")[0]
        httpx.post(url, json={"query": "{ __typename }"}, trust_env=False)
        collector.named("query")


@pytest.mark.parametrize("workers", mostly_long(["1", "2"], "1"))
def test_what_cannot_be_done_is_said_at_the_start(variables: Any, workers: str) -> None:
    """A protocol that the gateway does not have ends it with one sentence."""
    variables(EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", EXPORTER_OTLP_PROTOCOL="grpc")
    given = environment(GATEWAY_AUTH="none", GATEWAY_PORT="0", GATEWAY_WORKERS=workers)
    code, output = run("serve", **given)
    assert code == 2
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf" in output
