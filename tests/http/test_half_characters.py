"""Lone surrogates, which JSON can write and UTF-8 cannot: a typed refusal, never a failure."""

import json
import uuid
from typing import Any

import pytest

from tests.stack import ADDRESS, CARD, ISSUE, OUTCOME, SIMULATE, Stack, issue_input

HALVES = ["\ud800", "\udfff", "a\udc00\ud800b", "London \ud83d"]
LINES = ["firstLine", "secondLine", "city", "state", "country", "postCode"]


def variables_with(half: str) -> list[tuple[str, dict[str, Any], str]]:
    """Documents with variables that hold a half, each with the field that is named."""
    bad: list[tuple[str, dict[str, Any]]] = [
        (name, {name: half}) for name in ("accountId", "idempotencyKey")
    ]
    bad += [
        (f"billingAddress.{line}", {"billingAddress": ADDRESS | {line: half}}) for line in LINES
    ]
    return [
        *((ISSUE, issue_input(**changes), f"input.{name}") for name, changes in bad),
        (SIMULATE, {"input": {"cardId": half}}, "input.cardId"),
        (OUTCOME, {"key": half}, "idempotencyKey"),
    ]


async def answer_to(stack: Stack, **given: Any) -> Any:
    """The status and the JSON of an answer, to a body that escapes what is not ASCII."""
    headers = {"Content-Type": "application/json"}
    answer = await stack.client.post("/graphql", content=json.dumps(given), headers=headers)
    return answer.status_code, json.loads(answer.content.decode())


@pytest.mark.parametrize("half", HALVES, ids=ascii)
async def test_a_half_in_a_variable_is_bad_input_of_its_field(stack: Stack, half: str) -> None:
    """An emoji that was cut in two is named like any other text that is refused."""
    for query, variables, field in variables_with(half):
        status, body = await answer_to(stack, query=query, variables=variables)
        [result] = body["data"].values()
        assert (status, result["__typename"], result["field"]) == (200, "InvalidInput", field)
    status, body = await answer_to(stack, query=CARD, variables={"id": half})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    asked = {"query": CARD, "variables": json.dumps({"id": half})}
    told = (await stack.client.get("/graphql", params=asked)).json()
    assert told["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert not stack.wire.exchanges


async def test_a_half_that_fits_no_type_is_refused(stack: Stack) -> None:
    """The message about a value of the wrong type can be sent."""
    wrong: Any = ({"input": "\ud800"}, {"input": {"accountId": ["\ud800"]}}, {"x": "\ud800"})
    for variables in wrong:
        status, body = await answer_to(stack, query=ISSUE, variables=variables)
        assert (status, body["errors"][0]["extensions"]["code"]) == (200, "GRAPHQL_REQUEST_INVALID")


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "{ __typename } # \ud800"},
        {"operationName": "\ud800"},
        {"documentId": "\ud800"},
        {"id": "\ud800"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "\ud800"}}},
        {"variables": {"\ud800": 1}},
        {"variables": {"input": {"\ud800": 1}}},
        {"\ud800": 1},
    ],
    ids=ascii,
)
async def test_a_half_anywhere_else_is_a_bad_request(stack: Stack, changes: dict[str, Any]) -> None:
    """Documents, names and ids are whole."""
    status, body = await answer_to(stack, **{"query": "{ __typename }"} | changes)
    assert (status, body["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


async def test_a_half_in_the_extensions_of_a_get_is_a_bad_request(stack: Stack) -> None:
    """What is asked by GET is read by the same rules."""
    asked = {"query": "{ __typename }", "extensions": json.dumps({"a": "\ud800"})}
    answer = await stack.client.get("/graphql", params=asked)
    assert answer.status_code == 400
    assert "extensions must not hold half a character" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "text",
    ['{"a":"\\ud800"', '{"a":"\\ud800","b":NaN}', '{"a":"\\ud80"}', '"\\ud800"', '["\\ud800"]'],
)
async def test_what_is_no_json_stays_none(stack: Stack, text: str) -> None:
    """A half makes nothing else readable, and no other value a request."""
    headers = {"Content-Type": "application/json"}
    answer = await stack.client.post("/graphql", content=text, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (
        400,
        "BAD_REQUEST",
    )


async def test_two_halves_of_one_character_are_a_character(stack: Stack) -> None:
    """Escapes of a pair are what they always were."""
    issued = await answer_to(
        stack, query=ISSUE, variables=issue_input(billingAddress=ADDRESS | {"city": "\U0001f3e0"})
    )
    assert issued[1]["data"]["issueVirtualCard"]["card"]["billingAddress"]["city"] == "\U0001f3e0"


async def test_a_half_as_the_alias_of_a_field_finds_no_key(stack: Stack) -> None:
    """No document has such an alias: nothing is known of its key."""
    variables = {"key": str(uuid.uuid4()), "path": "\ud800"}
    status, body = await answer_to(stack, query=OUTCOME, variables=variables)
    assert (status, body["data"]) == (200, {"issueOutcome": None})
