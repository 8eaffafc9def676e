"""Logs: what happened, never with what."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.telemetry import configure_logging
from tests.stack import API_SECRET, CARD, running


@pytest.fixture
def lines() -> Iterator[Any]:
    """Log as `serve` does at debug level; call the fixture to read what was written."""
    stream = io.StringIO()
    configure_logging("debug", readable=False, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()


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
        assert line["at"][-1].startswith("tests.test_telemetry:")


def test_readable_logs_have_no_colours_off_a_terminal() -> None:
    """A log that goes to a file holds no escape sequences."""
    stream = io.StringIO()
    configure_logging("info", readable=True, stream=stream)
    structlog.get_logger().info("hello", answer=42)
    logging.getLogger().handlers.clear()
    structlog.reset_defaults()
    assert "hello" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
