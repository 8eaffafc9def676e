"""Each fact is emitted once, to every sink, and holds nothing of a card."""

import asyncio
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import structlog

from gateway import events
from gateway.events import Event
from gateway.telemetry import LogSink, configure_logging
from tests.stack import ADDRESS, CARD, Clock, options, running
from tests.tokens import IdentityProvider

ALL: tuple[type[Any], ...] = get_args(Event)


class Kept:
    """A sink that keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def test_a_click_is_told_once_by_each_who_knows_of_it() -> None:
    """The operation, its provider call, the access token and the key's end are one event each."""
    kept = Kept()
    async with running(sinks=[kept]) as stack:
        await stack.issue()
    [ended] = kept.of(events.OperationEnded)
    assert (ended.status, ended.operation, ended.kind) == (200, "Issue", "mutation")
    assert (ended.fields, ended.errors, ended.caller) == (("issueVirtualCard",), (), "anyone")
    routes = [call.route for call in kept.of(events.ProviderCallEnded)]
    assert routes == ["/auth/token", "/accounts/{accountId}/cards"]
    [token] = kept.of(events.TokenRenewed)
    assert token.lifetime > 0
    [click] = kept.of(events.ClickSettled)
    assert (click.state, click.resumed) == ("done", False)
    assert len(kept.of(events.AttemptEnded)) == 2
    assert [claim.how for claim in kept.of(events.KeyClaimed)] == ["new"]
    assert [told.outcome for told in kept.of(events.KeyAnswered)] == ["done"]
    assert [switch.mode for switch in kept.of(events.MutationsSwitched)] == ["on"]
    assert [chosen.signer for chosen in kept.of(events.SignerChosen)] in (["aws-lc"], ["openssl"])
    assert len(kept.events) == 11


@pytest.mark.parametrize(
    ("status", "states"),
    [(400, [(None, False)] * 2), (500, [("indeterminate", False), ("indeterminate", True)])],
)
async def test_the_end_of_a_key_says_what_became_of_it(status: int, states: Any) -> None:
    """A refused call is forgotten; a lost one is indeterminate, and its retry is resumed."""
    kept, key = Kept(), "123e4567-e89b-42d3-a456-426614174000"
    async with running(clock=Clock(), sinks=[kept]) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(status) if "/accounts/" in request.url.path else None
        )
        for _ in range(2):
            await stack.issue(idempotencyKey=key)
    assert [(each.state, each.resumed) for each in kept.of(events.ClickSettled)] == states


async def test_a_caller_that_is_refused_and_one_that_is_limited_are_told(tmp_path: Path) -> None:
    """Who is not let in, and whose rate limit is exceeded, is one event each."""
    kept, identity = Kept(), IdentityProvider(tmp_path)
    rates = {"rate_limits": {"card": "1/hour"}}
    async with running(sinks=[kept], **identity.settings(**rates)) as stack:
        await stack.post(CARD, {"id": "x"})
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        for _ in range(2):
            await stack.post(CARD, {"id": "123e4567-e89b-12d3-a456-426614174000"})
    [refused] = kept.of(events.CallerRefused)
    assert (refused.code, refused.reason) == ("NOT_AUTHENTICATED", "no token")
    assert (refused.key_id, refused.peer) == (None, "127.0.0.1")
    [limited] = kept.of(events.RateLimitHit)
    assert (limited.field, limited.retry_after > 0) == ("card", True)
    assert limited.caller == kept.of(events.OperationEnded)[-1].caller != "alice"


@pytest.mark.parametrize(
    ("document", "code"),
    [("{", "GRAPHQL_REQUEST_INVALID"), ("{a" * 20 + "}" * 20, "DOCUMENT_TOO_LARGE")],
)
async def test_a_document_that_is_refused_is_told(document: str, code: str) -> None:
    """A document that was not executed is one event, with the codes that were answered."""
    kept = Kept()
    async with running(sinks=[kept]) as stack:
        await stack.post(document)
    assert [refused.codes for refused in kept.of(events.DocumentRefused)] == [(code,)]


async def test_the_breaker_tells_when_it_opens_and_closes() -> None:
    """Failures in a row open it once, and the read that succeeds closes it once."""
    kept, clock, card = Kept(), Clock(), {"id": "123e4567-e89b-12d3-a456-426614174000"}
    async with running(clock=clock, sinks=[kept], breaker_failures=3, max_attempts=1) as stack:
        await stack.post(CARD, card)
        stack.wire.answer = lambda request: (
            httpx.Response(500) if "/cards/" in request.url.path else None
        )
        for _ in range(5):
            await stack.post(CARD, card)
        stack.wire.answer = lambda _request: None
        clock.time += 6
        await stack.post(CARD, card)
    assert [change.state for change in kept.of(events.BreakerChanged)] == ["open", "closed"]


async def test_a_fault_is_told_once_however_many_wait_for_it() -> None:
    """Requests that share a provider call share its fault, and the log has it once."""
    kept, key = Kept(), "123e4567-e89b-42d3-a456-426614174000"

    def fails(request: httpx.Request) -> None:
        if "/auth/" not in request.url.path:
            raise KeyError("canary")

    async with running(sinks=[kept]) as stack:
        stack.wire.answer = fails
        clicks = await asyncio.gather(*(stack.issue(idempotencyKey=key) for _ in range(4)))
        assert {click["code"] for click in clicks} == {"OUTCOME_UNKNOWN"}
        aliases = "".join(f'c{n}: card(id: "{key}") {{ id }} ' for n in range(5))
        body = (await stack.post("{" + aliases + "}")).json()
        assert {error["extensions"]["code"] for error in body["errors"]} == {"INTERNAL"}
    assert [fault.error for fault in kept.of(events.UnexpectedError)] == ["KeyError"] * 2
    assert "canary" not in repr(kept.events)


async def test_a_sink_that_fails_takes_nothing_from_anybody() -> None:
    """The request is answered, and the sinks after the broken one get the event."""

    def broken(_event: Event) -> None:
        raise KeyError("canary")

    kept = Kept()
    async with running(sinks=[broken, kept]) as stack:
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    assert kept.of(events.OperationEnded)


async def test_no_event_holds_a_card_or_a_credential() -> None:
    """Neither card, address, key nor access token is in any event of a click."""
    kept = Kept()
    async with running(options(rich_cards=True), clock=Clock(), sinks=[kept]) as stack:
        issued = await stack.issue()
        await stack.simulate(issued["card"]["id"])
        token = stack.wire.sent("GET", "/cards/")[0].headers["Authorization"].split()[1]
    told = repr(kept.events)
    secret = [*ADDRESS.values(), issued["card"]["id"], issued["idempotencyKey"], token]
    assert [text for text in secret if text in told.replace("GB", "")] == []


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines, from the most severe to debug."""
    stream = io.StringIO()
    configure_logging("debug", readable=False, stream=stream)
    yield stream
    structlog.reset_defaults()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_event_is_frozen_and_has_a_line(kind: type[Any], log: io.StringIO) -> None:
    """No event can be changed on its way, and none is missing in the log."""
    values: dict[str, Any] = {
        "float": 1.5,
        "int": 1,
        "str": "text",
        "bool": True,
        "BaseException": KeyError("canary"),
    }
    given = {}
    for field in dataclasses.fields(kind):
        first = str(getattr(field.type, "__name__", field.type)).split(" | ")[0]
        given[field.name] = values.get(first, ("text",))
    event = kind(**given)
    assert kind.__dataclass_params__.frozen
    LogSink()(event)
    assert json.loads(log.getvalue())["event"]
    assert "canary" not in log.getvalue()
