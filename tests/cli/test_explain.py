"""`gateway explain`: what a code means, and what the event of a log line does."""

import pytest

from gateway.errors import CODES
from gateway.telemetry import LOG_LINES
from tests.commands import Command


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_explained(code: str, command: Command) -> None:
    """Of each code meaning, place, status, and the advice for client and operator are told, in
    whichever case it is typed."""
    error = CODES[code]
    exit_code, told = command("explain", code.lower())
    assert exit_code == 0
    assert told.splitlines()[0] == code
    for text in (error.meaning, error.advice, error.operator_advice):
        assert text in told
    assert f"retryable   {'yes' if error.retryable else 'no'}" in told


def test_where_a_code_stands(command: Command) -> None:
    """A code of results is told with its GraphQL type, one of HTTP requests with its status, and
    one that is the event of a log line as well with both."""
    assert "GatewayUnavailable in the result of a mutation" in command("explain", "OVERLOADED")[1]
    refused = command("explain", "NOT_AUTHENTICATED")[1]
    assert "an error with extensions.code" in refused
    assert "401, where it stops a request" in refused
    assert "400 in application/graphql-resp" in command("explain", "DOCUMENT_TOO_LARGE")[1]
    both = command("explain", "ledger_unavailable")[1].splitlines()
    assert {"LEDGER_UNAVAILABLE", "ledger_unavailable"} <= {*both}


def test_without_a_code_all_are_listed(command: Command) -> None:
    """Each code is in the list, with what it means."""
    exit_code, told = command("explain")
    assert exit_code == 0
    assert [line.split()[0] for line in told.splitlines()] == sorted(CODES)


@pytest.mark.parametrize("event", LOG_LINES)
def test_each_log_line_is_explained(event: str, command: Command) -> None:
    """Of each event of the log its meaning is told, and what to do."""
    exit_code, told = command("explain", event)
    assert exit_code == 0
    assert LOG_LINES[event].meaning in told
    assert LOG_LINES[event].advice in told


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("NOT_FUND", "Did you mean NOT_FOUND?"),
        ("provider-call", "Did you mean provider_call?"),
        ("4111 1111 1111 1111", "`gateway explain` lists the codes."),
    ],
)
def test_an_unknown_code_is_refused_with_the_nearest(
    typed: str, advice: str, command: Command
) -> None:
    """A code that there is not is refused with the nearest one, and not repeated."""
    assert command("explain", typed) == (2, f"There is no such code or event. {advice}\n")
