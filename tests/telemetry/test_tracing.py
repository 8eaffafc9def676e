"""Spans: what they tell of a request, and how they are connected with those of others."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from gateway.callers import key_source
from tests.stack import CARD, Stack, running
from tests.tokens import IdentityProvider
from tests.traced import tracing_to

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
NOBODY = {"id": "123e4567-e89b-12d3-a456-426614174000"}


class Traced:
    """Tracing whose spans stay in memory."""

    def __init__(self, root: Sampler = ALWAYS_ON, *, propagates: bool = True) -> None:
        self._kept = InMemorySpanExporter()
        self.tracing = tracing_to(self._kept, root, propagates=propagates)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order of their ends."""
        return list(self._kept.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        [span] = [span for span in self.spans if span.name == name]
        return span


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Trace and span as they are written."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    """The id of the span in which this one began."""
    return f"{span.parent.span_id:016x}" if span.parent is not None else None


def sent_context(stack: Stack) -> list[str | None]:
    """The ``traceparent`` of each request for a card."""
    return [request.headers.get("traceparent") for request in stack.wire.sent("GET", "/cards/")]


async def test_a_request_is_a_tree_of_spans() -> None:
    """The call is a child of the operation, which is one of the request: the caller's child."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, traceparent=SAMPLED)
    request, operation = traced.named("POST /graphql"), traced.named("query")
    call, token = traced.named("GET /cards/{cardId}"), traced.named("POST /auth/token")
    assert {ids(span)[0] for span in traced.spans} == {TRACE}
    assert parent_of(request) == PARENT
    assert parent_of(operation) == ids(request)[1]
    assert parent_of(call) == ids(operation)[1]
    assert parent_of(token) == ids(call)[1]
    kinds = [span.kind for span in (request, operation, call, token)]
    assert kinds == [SpanKind.SERVER] * 2 + [SpanKind.CLIENT] * 2


async def test_spans_have_the_names_of_the_conventions() -> None:
    """Attributes are those of the conventions for HTTP and GraphQL, and no others."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY)
    assert traced.named("POST /graphql").attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/graphql",
        "network.protocol.version": "1.1",
        "server.address": "gateway",
        "url.path": "/graphql",
        "url.scheme": "http",
    }
    assert traced.named("query").attributes == {
        "graphql.operation.name": "Card",
        "graphql.operation.type": "query",
    }
    call = traced.named("GET /cards/{cardId}")
    assert call.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "url.template": "/cards/{cardId}",
        "server.address": "emulator.localhost",
        "server.port": 80,
        "error.type": "404",
    }
    assert call.status.status_code is StatusCode.ERROR
    assert traced.named("POST /auth/token").status.status_code is StatusCode.UNSET


async def test_attempts_are_events_of_their_call() -> None:
    """Each attempt is an event with its number, outcome, status and the class of what broke it."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        troubles: Iterator[Any] = iter([httpx.ReadError("canary"), httpx.Response(503)])

        def answer(request: httpx.Request) -> httpx.Response | None:
            trouble = next(troubles, None) if "/cards/" in request.url.path else None
            if isinstance(trouble, Exception):
                raise trouble
            return trouble

        stack.wire.answer = answer
        await stack.post(CARD, NOBODY)
        sent = sent_context(stack)
    call = traced.named("GET /cards/{cardId}")
    assert call.attributes is not None
    assert call.attributes["http.request.resend_count"] == 2
    told = [dict(event.attributes or {}) for event in call.events]
    assert [event.name for event in call.events] == ["attempt"] * 3
    assert told[0].pop("error.type")
    assert told == [
        {"attempt": 1, "outcome": "no_whole_answer"},
        {"attempt": 2, "outcome": "busy", "http.response.status_code": 503},
        {"attempt": 3, "outcome": "not_found", "http.response.status_code": 404},
    ]
    assert set(sent) == {f"00-{ids(call)[0]}-{ids(call)[1]}-{flags(call)}"}


def flags(span: ReadableSpan) -> str:
    """The flags as they are written."""
    assert span.context is not None
    return f"{span.context.trace_flags:02x}"


async def test_the_provider_gets_the_state_of_the_trace_and_no_baggage() -> None:
    """``tracestate`` goes on as it came, with the id of the call; baggage does not."""
    traced = Traced()
    given = {"traceparent": SAMPLED, "tracestate": "a=1,b@c=2", "baggage": "canary=1"}
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, **given)
        [sent] = stack.wire.sent("GET", "/cards/")
    assert sent.headers["traceparent"].split("-")[1:3] == [
        *ids(traced.named("GET /cards/{cardId}"))
    ]
    assert sent.headers["tracestate"] == "a=1,b@c=2"
    assert "baggage" not in sent.headers


@pytest.mark.parametrize(
    "state", ["a", "a=1,a=2", "A=1", "a=1," * 33 + "b=1", f"a={'1' * 600}", "a=4111111111111111"]
)
async def test_an_unusable_state_is_left_out_alone(state: str) -> None:
    """A malformed ``tracestate``, or one with a card number, does not go on; the trace does."""
    async with running() as stack:
        await stack.post(CARD, NOBODY, traceparent=SAMPLED, tracestate=state)
        [sent] = stack.wire.sent("GET", "/cards/")
    assert (sent.headers["traceparent"], "tracestate" in sent.headers) == (SAMPLED, False)


@pytest.mark.parametrize(
    "malformed",
    [
        "canary",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-4111111111111111{'a' * 16}-{PARENT}-01",
        f"00-{TRACE}-4111111111111111-01",
    ],
)
async def test_a_malformed_context_begins_no_trace(malformed: str) -> None:
    """An unusable ``traceparent``, or one that has a card number, is as good as none."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, traceparent=malformed, tracestate="a=1")
        [sent] = stack.wire.sent("GET", "/cards/")
    assert parent_of(traced.named("POST /graphql")) is None
    assert "tracestate" not in sent.headers
    assert TRACE not in sent.headers["traceparent"]


async def test_a_trace_that_the_caller_does_not_sample_is_not_sampled() -> None:
    """No span is made, and the provider is told of the same trace that it is not sampled."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, traceparent=UNSAMPLED)
        [sent] = sent_context(stack)
    assert traced.spans == []
    assert sent is not None
    _, trace, span, flags_sent = sent.split("-")
    assert (trace, flags_sent) == (TRACE, "00")
    assert span != PARENT


async def test_a_sampler_decides_on_traces_that_begin_here() -> None:
    """A trace that begins here is not sampled by a sampler that samples none."""
    traced = Traced(ALWAYS_OFF)
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY)
        assert traced.spans == []
        await stack.post(CARD, NOBODY, traceparent=SAMPLED)
    assert len(traced.spans) == 3


async def test_without_propagation_nobody_is_told_of_a_trace() -> None:
    """A trace that does not propagate begins anew here, and the provider gets no header of it."""
    traced = Traced(propagates=False)
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, traceparent=SAMPLED, tracestate="a=1")
        [sent] = stack.wire.sent("GET", "/cards/")
    assert parent_of(traced.named("POST /graphql")) is None
    assert not {"traceparent", "tracestate"} & sent.headers.keys()


async def test_log_lines_have_the_ids_of_their_span(lines: Any) -> None:
    """A line has the trace and the innermost span in which it was written."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.post(CARD, NOBODY, traceparent=SAMPLED)
    told = {line["event"]: (line.get("trace_id"), line.get("span_id")) for line in lines()}
    assert told["operation"] == ids(traced.named("POST /graphql"))
    assert told["provider_call"] == ids(traced.named("GET /cards/{cardId}"))


async def test_the_lines_of_an_unsampled_trace_have_ids_too(lines: Any) -> None:
    """Logs can be followed where spans are not made: the ids are those that the provider gets."""
    async with running(tracing=Traced(ALWAYS_OFF).tracing) as stack:
        await stack.post(CARD, NOBODY)
        [sent] = sent_context(stack)
    assert sent is not None
    found = {(one["trace_id"], one["span_id"]) for one in lines() if one["event"] == "operation"}
    assert found == {tuple(sent.split("-")[1:3])}


async def test_without_tracing_lines_have_the_callers_trace(lines: Any) -> None:
    """Where no spans are made lines have the caller's trace, and no span: it would be theirs."""
    async with running() as stack:
        await stack.post(CARD, NOBODY, traceparent=SAMPLED)
        await stack.post(CARD, NOBODY)
    told = [line for line in lines() if line["event"] == "operation"]
    assert [line.get("trace_id") for line in told] == [TRACE, None]
    assert not any("span_id" in line for line in told)


async def test_lines_of_the_ledger_belong_to_the_request_that_began_them(lines: Any) -> None:
    """What the ledger does in tasks of its own is told within the trace of the request."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.issue()
    told = [line for line in lines() if line["event"] in {"key_claimed", "click_settled"}]
    assert len(told) == 2
    assert {line["trace_id"] for line in told} == {ids(traced.named("POST /graphql"))[0]}


async def test_errors_are_told_by_their_codes() -> None:
    """An operation with an error has its code; a request that could not be read has none."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.issue(accountId=str(uuid.uuid4()))
        await stack.post("{ nothing }")
        await stack.client.post("/graphql", content="{", headers={"Content-Type": "text/plain"})
    operations = [(one.name, one.attributes) for one in traced.spans if "op" in one.name.lower()]
    told = [(name, (found or {}).get("error.type")) for name, found in operations]
    assert told == [("GraphQL Operation", "GRAPHQL_REQUEST_INVALID")]
    mutation = traced.named("mutation").attributes or {}
    assert mutation["error.type"] == "NOT_FOUND"
    last = traced.spans[-1]
    assert (last.name, last.status.status_code) == ("POST /graphql", StatusCode.UNSET)
    assert (last.attributes or {})["http.response.status_code"] == 415


async def test_a_failure_of_the_gateway_is_an_error_of_the_request(tmp_path: Path) -> None:
    """A status from 500 on makes the span of a request an error; one below does not."""
    traced, idp = Traced(), IdentityProvider(tmp_path)
    token = idp.token()
    idp.file.write_text("not json")
    async with running(tracing=traced.tracing, **idp.settings()) as stack:
        await stack.post(CARD, NOBODY)
        await stack.post(CARD, NOBODY, Authorization=f"Bearer {token}")
    refused, failed = traced.spans
    assert (refused.attributes or {}).get("error.type") is None
    assert (failed.attributes or {})["error.type"] == "503"
    codes = [span.status.status_code for span in (refused, failed)]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR]


async def test_a_method_that_is_none_is_not_quoted() -> None:
    """A client may invent methods: they are told as the conventions say."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:
        await stack.client.request("CANARY", "/graphql")
    [span] = traced.spans
    assert span.name == "HTTP /graphql"
    assert (span.attributes or {})["http.request.method"] == "_OTHER"


async def test_the_keys_of_callers_are_fetched_in_a_span() -> None:
    """A fetch of the identity provider's keys is a span without its path, also if it fails."""
    traced = Traced()
    fetch = key_source("http://127.0.0.1:9/canary", traced.tracing)
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch()
    assert dict(traced.named("GET").attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": 9,
        "error.type": "ClientConnectorError",
    }


async def test_no_text_of_an_exception_is_in_a_span() -> None:
    """What was not foreseen is told by its class."""
    traced = Traced()
    async with running(tracing=traced.tracing) as stack:

        def fail(request: httpx.Request) -> httpx.Response | None:
            if "/cards/" in request.url.path:
                raise KeyError("canary")
            return None

        stack.wire.answer = fail
        await stack.post(CARD, NOBODY)
    call = traced.named("GET /cards/{cardId}")
    assert (call.attributes or {})["error.type"] == "KeyError"
    assert not [event for span in traced.spans for event in span.events if "exc" in event.name]
    assert "canary" not in "".join(span.to_json() for span in traced.spans)
