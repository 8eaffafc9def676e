"""Introspection costs what it walks, not what it is long."""

from typing import Any

import pytest
from graphql import get_introspection_query, graphql_sync, parse

from gateway.cards import build_schema
from gateway.graphql import engine_schema
from gateway.graphql.introspection import Introspection
from tests.stack import Stack

SCHEMA = engine_schema(build_schema())
STANDARD = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)
DEEP = "fields{name args{name type{name ofType{name ofType{name}}}} type{fields{name}}}"
WALKS = [
    STANDARD,
    get_introspection_query(),
    f"{{__schema{{types{{{DEEP} enumValues{{name}} inputFields{{name type{{name}}}}}}}}}}",
    f'{{__type(name:"Card"){{{DEEP}}}}}',
    f'{{__type(name:"Mutation"){{...T}}}} fragment T on __Type{{{DEEP}}}',
    "{__schema{queryType{...T} types{...T}}} fragment T on __Type{possibleTypes{name}}",
    "{__schema{directives{name args{name type{ofType{ofType{ofType{name}}}}}}}}",
    "{__typename}",
]


def executed(value: Any) -> int:
    """How many fields an answer holds."""
    if isinstance(value, list):
        return sum(map(executed, value))
    return sum(1 + executed(one) for one in value.values()) if isinstance(value, dict) else 0


@pytest.mark.parametrize("document", WALKS)
def test_a_walk_is_never_counted_too_short(document: str) -> None:
    """What is counted is at least what is executed, and for __schema no ten times as much."""
    walk = Introspection(SCHEMA).walk(parse(document))
    fields = executed(graphql_sync(SCHEMA, document).data)
    assert walk >= fields or ("__schema" not in document and "__type(" not in document)
    assert walk <= 10 * fields + 20 or "__type(" in document


@pytest.mark.parametrize("document", WALKS[:-1])
async def test_what_tools_ask_for_is_answered(stack: Stack, document: str) -> None:
    """The query that every tool sends passes, with all options, and so do smaller ones."""
    assert "errors" not in (await stack.post(document)).json()


TYPES = "types{kind name description fields{name description args{name} type{name}}}"
TOO_LONG = [
    "{" + " ".join(f"s{i}:__schema{{{TYPES}}}" for i in range(70)) + "}",
    "{" + " ".join(f'a{i}:__type(name:"Card"){{{DEEP}}}' for i in range(60)) + "}",
    "{__schema{types{fields{" + " ".join(f"n{i}:name" for i in range(300)) + "}}}}",
    "{...Q} fragment Q on Query{"
    + " ".join(f"s{i}:__schema{{...S}}" for i in range(70))
    + f"}} fragment S on __Schema{{{TYPES}}}",
]


@pytest.mark.parametrize("document", TOO_LONG)
async def test_a_long_walk_is_refused(stack: Stack, document: str) -> None:
    """A document that walks over the schema again and again is too large, however short it is."""
    error = await stack.error(document)
    assert error["extensions"]["code"] == "DOCUMENT_TOO_LARGE"
    assert "fields of the schema" in error["message"]
