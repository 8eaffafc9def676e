"""A null where none is allowed is refused before anything runs, and takes no results with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import strawberry

from gateway.cards import build_schema
from gateway.emulator import GUIDE_ACCOUNT
from gateway.errors import InvalidInput
from gateway.events import UnexpectedError
from gateway.graphql import Documents, Executor, GraphQLRequest, engine_schema
from gateway.turns import Turns
from tests.random_worlds import CORE
from tests.stack import ADDRESS, DOCUMENT_LIMITS, Stack, issue_input, running

NOBODY = "123e4567-e89b-12d3-a456-426614174000"
_ADDRESS = 'firstLine:"1 Test Avenue",city:"London",country:"GB",postCode:"SW1 1AA"'
_LITERAL = f'{{accountId:"{GUIDE_ACCOUNT}",billingAddress:{{{_ADDRESS}}}}}'
_INPUT = issue_input()["input"]


def mutation(name: str, type_: str, default: str, argument: str, selection: str) -> str:
    """A mutation that issues a card, with one variable that is nullable and has a default."""
    return (
        f"mutation(${name}:{type_}={default}){{__typename "
        f"issueVirtualCard(input:{argument}){{{selection}}}}}"
    )


_IN_ADDRESS = _ADDRESS.replace('city:"London"', "city:$v")
DOCUMENTS = [
    # The trial: a condition in the result of the mutation.
    mutation("v", "Boolean", "true", _LITERAL, "__typename @include(if:$v)"),
    mutation("v", "Boolean", "false", _LITERAL, "__typename @skip(if:$v)"),
    mutation("v", "Boolean", "true", _LITERAL, "... @include(if:$v){__typename}"),
    mutation("v", "Boolean", "true", _LITERAL, "...R @include(if:$v)")
    + " fragment R on IssueVirtualCardResult{__typename}",
    mutation("v", "Boolean", "true", _LITERAL, "...R")
    + " fragment R on IssueVirtualCardResult{...S} "
    + "fragment S on IssueVirtualCardSuccess{card{id @include(if:$v)}}",
    mutation("v", "Boolean", "true", _LITERAL, "__typename ... on NotAllowed{code @skip(if:$v)}"),
    # Arguments, and what is in an input.
    mutation("v", "IssueVirtualCardInput", _LITERAL, "$v", "__typename"),
    mutation("v", "ID", '"x"', _LITERAL.replace(f'"{GUIDE_ACCOUNT}"', "$v"), "__typename"),
    mutation("v", "String", '"x"', _LITERAL.replace('"London"', "$v"), "__typename"),
    mutation("v", "AddressInput", f"{{{_ADDRESS}}}", f'{{accountId:"{GUIDE_ACCOUNT}",'
             "billingAddress:$v}", "__typename"),
    # The second of two mutations, by a fragment of the root.
    f'mutation($v:ID="x"){{a:issueVirtualCard(input:{_LITERAL}){{__typename}}...M}}'
    "fragment M on Mutation{b:simulateCardIssue(input:{cardId:$v}){__typename}}",
    # Queries too.
    f'query($v:ID="{NOBODY}"){{card(id:$v){{id}}}}',
    f'query($v:Boolean=true){{card(id:"{NOBODY}"){{id @include(if:$v)}}}}',
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_a_null_is_refused_before_anything_runs(stack: Stack, document: str) -> None:
    """An explicit null for a variable that stands for a non-null is one error that names it."""
    response = await stack.post(document, {"v": None})
    assert "data" not in response.json()
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_REQUEST_INVALID"
    assert "'$v'" in error["message"]
    assert not stack.wire.exchanges


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_without_a_value_the_default_is_taken(stack: Stack, document: str) -> None:
    """The same documents run where the variable is left out."""
    response = await stack.post(document, {})
    assert "errors" not in response.json()


async def test_a_null_in_a_trusted_document_is_refused(tmp_path: Path) -> None:
    """What is known by its id is checked like any other document."""
    manifest = tmp_path / "manifest.json"
    name = hashlib.sha256(DOCUMENTS[0].encode()).hexdigest()
    manifest.write_text(json.dumps({name: DOCUMENTS[0]}))
    async with running(documents=str(manifest), documents_mode="only") as stack:
        body = {"documentId": name, "variables": {"v": None}}
        [error] = (await stack.client.post("/graphql", json=body)).json()["errors"]
        assert "'$v'" in error["message"]
        assert not stack.wire.exchanges


async def test_null_stays_allowed_where_the_schema_allows_it(stack: Stack) -> None:
    """A nullable input field takes a null, as a variable too."""
    argument = _LITERAL.replace('city:"London"', 'city:"London",secondLine:$v')
    document = mutation("v", "String", '"x"', argument, "__typename")
    data = await stack.data(document, {"v": None})
    assert data["issueVirtualCard"]["__typename"] == "IssueVirtualCardSuccess"


class Quiet:
    """The little of a context that the executor asks for."""

    request_id = "request"

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.emit = self.events.append

    caller_id = "caller"

    async def count_document(self) -> None:
        """Nobody is too fast."""

    def must_end_at(self, deadline: float) -> None:
        """There is time."""


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ("query($v:ID=1){need(id:$v){id}}", True),
        ('query($v:Boolean){need(id:"1" on:$v){id}}', True),  # the argument has a default
        ("query($v:ID=1){node(filter:{a:1 must:$v}){id}}", True),
        ("query($v:ID){node(filter:{a:1 must:$v}){id}}", True),
        ("query($v:Int=1){node(filters:[{a:1}{a:$v}]){id}}", True),
        ("query($v:String=a){text(words:[$v])}".replace("=a", '="a"'), False),
        ('query($v:String="a"){node(filter:{a:1 tags:[$v]}){id}}', True),
        ('query($v:String="a"){node(filter:{a:1 inner:{a:1 tags:["b" $v]}}){id}}', True),
    ],
)
async def test_nulls_at_any_depth(document: str, refused: bool) -> None:
    """Lists, inputs in inputs and places with defaults of their own are looked into."""
    documents = Documents(CORE, DOCUMENT_LIMITS, introspection=True, suggestions=True)
    executor = Executor(documents, query_deadline=5, mutation_deadline=5, turns=Turns())
    answer = await executor.execute(GraphQLRequest(document, {"v": None}), Quiet())
    told = [error["message"] for error in answer.body.get("errors", [])]
    assert any("'$v' must not be null" in message for message in told) is refused
    assert (answer.failure is not None) is refused


async def test_each_mutation_of_a_document_keeps_its_result(stack: Stack) -> None:
    """One that succeeds and three that fail in their own ways all have their results."""
    document = (
        "mutation($input:IssueVirtualCardInput!,$bad:IssueVirtualCardInput!){"
        "a:issueVirtualCard(input:$input){__typename}"
        "b:issueVirtualCard(input:$bad){__typename}"
        f'c:simulateCardIssue(input:{{cardId:"{NOBODY}"}}){{__typename}}'
        "d:simulateCardIssue(input:{cardId:\"x\"}){__typename}"
        "e:issueVirtualCard(input:$input){__typename}}"
    )  # fmt: skip
    bad = {"accountId": "x", "billingAddress": ADDRESS}
    data = await stack.data(document, {"input": _INPUT, "bad": bad})
    success, invalid = "IssueVirtualCardSuccess", "InvalidInput"
    assert [one["__typename"] for one in data.values()] == [
        success, invalid, "NotFound", invalid, success,
    ]  # fmt: skip


@strawberry.type
class Query:
    """The root of a schema whose fields fail."""

    @strawberry.field
    async def said(self) -> str:
        """Raise an error of the gateway's own."""
        raise InvalidInput("No.", field="x")

    @strawberry.field
    def wrong(self) -> strawberry.ID:
        """Give what cannot be shown."""
        return ["4111"]  # type: ignore[return-value]


async def test_a_failure_of_the_execution_does_not_blame_the_request() -> None:
    """What fails after it began to run is a fault of the gateway, told in the log and masked."""
    schema = engine_schema(strawberry.Schema(Query))
    documents = Documents(schema, DOCUMENT_LIMITS, introspection=True, suggestions=True)
    executor = Executor(documents, query_deadline=5, mutation_deadline=5, turns=Turns())
    codes = {}
    for field in ("said", "wrong"):
        context = Quiet()
        answer = await executor.execute(GraphQLRequest(f"{{{field}}}"), context)
        [error] = answer.body["errors"]
        codes[field] = error["extensions"]["code"], [type(one) for one in context.events]
        assert "4111" not in error["message"]
    assert codes == {"said": ("BAD_USER_INPUT", []), "wrong": ("INTERNAL", [UnexpectedError])}


def test_mutations_are_typed_so_that_each_failure_has_a_place() -> None:
    """Every mutation's result is a union, whose members stand for whatever can go wrong."""
    root = engine_schema(build_schema()).mutation_type
    assert root
    assert all(str(field.type).endswith("Result!") for field in root.fields.values())
