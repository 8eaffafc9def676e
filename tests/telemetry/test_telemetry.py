"""Logs: what happened, never with what."""

import asyncio
import io
import json
import logging
from typing import Any

import pytest
import structlog

from gateway.telemetry import configure_logging
from tests.stack import API_SECRET, CARD, running


async def test_a_provider_call_is_one_line(lines: Any) -> None:
    """Each provider call is a line with its route, status, attempts and our request id."""
    async with running() as stack:
        variables = {"id": "123e4567-e89b-12d3-a456-426614174000"}
        await stack.post(CARD, variables, **{"X-Request-Id": "click-1"})
    calls = [line for line in lines() if line["event"] == "provider_call"]
    assert [(call["route"], call["status"]) for call in calls] == [
        ("/auth/token", 200),
        ("/cards/{cardId}", 404),
    ]
    assert {call["request_id"] for call in calls} == {"click-1"}


async def test_nothing_that_was_sent_is_logged(lines: Any) -> None:
    """At debug level neither names, addresses, secrets, tokens nor signatures are written."""
    async with running() as stack:
        issued = await stack.issue()
        secrets = [
            API_SECRET,
            "Test Avenue",
            issued["idempotencyKey"],
            stack.wire.sent("POST", "/cards")[0].headers["Authorization"].removeprefix("Bearer "),
            stack.wire.sent("POST", "/cards")[0].headers["Signature"],
        ]
    text = json.dumps(lines())
    assert "provider_call" in text
    assert [secret for secret in secrets if secret in text] == []


async def test_an_operation_is_one_line(lines: Any) -> None:
    """Each request is a line: names, status, caller, and the codes of failures told as data."""
    async with running() as stack:
        fragment = 'query Q { ...F } fragment F on Query { card(id: "x") { id } }'
        await stack.post(fragment)
        await stack.issue(accountId="123e4567-e89b-12d3-a456-426614174000")
        await stack.client.post("/graphql", content="{", headers={"Content-Type": "text/plain"})
    found = [line for line in lines() if line["event"] == "operation"]
    told = [(one.get("fields"), one.get("errors"), one["status"]) for one in found]
    assert told == [
        (["card"], ["BAD_USER_INPUT"], 200),
        (["issueVirtualCard"], ["NOT_FOUND"], 200),
        ([], ["BAD_REQUEST"], 415),
    ]
    assert (found[0]["operation"], found[0]["kind"]) == ("Q", "query")
    assert {one.get("caller") for one in found[:2]} == {"anyone"}


async def test_an_error_that_nobody_waits_for_is_not_quoted(lines: Any) -> None:
    """What asyncio says of a failure that nobody saw does not hold its text."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.set_exception(RuntimeError("canary"))
    loop.call_exception_handler({"message": "Never retrieved", "future": future})
    future.exception()
    assert "Never retrieved" in {line["event"] for line in lines()}
    assert "canary" not in json.dumps(lines())


def test_an_exception_is_its_class_and_place(lines: Any) -> None:
    """Neither the text of an exception nor the values in its frames are written."""
    canary = "4111111111111111"
    try:
        raise KeyError(canary)
    except KeyError as error:
        logging.getLogger("uvicorn.error").exception("it broke")
        structlog.get_logger().error("broke", error=error)
    assert canary not in json.dumps(lines())
    for line in lines():
        assert line["error"] == "KeyError"
        assert line["at"][-1].startswith("tests.telemetry.test_telemetry:")


def test_readable_logs_have_no_colours_off_a_terminal() -> None:
    """A log that goes to a file holds no escape sequences."""
    stream = io.StringIO()
    configure_logging("info", readable=True, stream=stream)
    structlog.get_logger().info("hello", answer=42)
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()
    assert "hello" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "4242424242424242",
        "a-4242-4242-4242-4242",
        "5555.5555.5555.4444",
        "12-4242424242424242",
        "4242---4242----4242-4242",
    ],
)
async def test_a_request_id_that_could_be_a_card_number_is_not_taken(name: str, lines: Any) -> None:
    """A caller cannot bring a card number into the log, and other ids are kept."""
    async with running() as stack:
        response = await stack.post(CARD, {"id": "x"}, **{"X-Request-Id": name})
        assert response.headers["X-Request-Id"] != name
        kept = "1234567890123456-order"
        response = await stack.post(CARD, {"id": "x"}, **{"X-Request-Id": kept})
        assert response.headers["X-Request-Id"] == kept
    assert name not in json.dumps(lines())
