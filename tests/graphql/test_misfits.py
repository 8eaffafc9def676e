"""Literals that do not fit their types: graphql-core's verdicts, in messages without values."""

from random import Random
from typing import Any

import pytest
from graphql import (
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    Visitor,
    build_schema,
    parse,
    print_ast,
    validate,
    visit,
)
from graphql.validation import ValuesOfCorrectTypeRule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.graphql.validation import LiteralsRule
from tests.examples import examples
from tests.random_documents import Writer
from tests.random_worlds import CORE

ONE_OF = build_schema(
    "input One @oneOf { a: Int b: [String!] } type Query { one(of: One, all: [One!]!): Int }"
)


def some_value(random: Random, depth: int = 2) -> ValueNode:
    """Any literal."""
    simple: list[ValueNode] = [
        NullValueNode(),
        IntValueNode(value="7"),
        FloatValueNode(value="1.5"),
        StringValueNode(value="x"),
        EnumValueNode(value=random.choice(["A", "B", "Z"])),
    ]
    match random.randrange(8 if depth else 6):
        case 6:
            return ListValueNode(values=tuple(some_value(random, depth - 1) for _ in range(2)))
        case 7:
            names = random.sample(["a", "b", "inner", "nobody", "must"], 2)
            fields = (
                ObjectFieldNode(name=NameNode(value=name), value=some_value(random, depth - 1))
                for name in names
            )
            return ObjectValueNode(fields=tuple(fields))
    return random.choice(simple)


def changed(source: str, random: Random) -> str:
    """The document with other literals in some places."""

    class Editing(Visitor):
        def enter(self, node: Any, *_: Any) -> Any:
            literal = isinstance(node, ValueNode) and not isinstance(node, VariableNode)
            return some_value(random) if literal and random.randrange(5) == 0 else None

    return print_ast(visit(parse(source), Editing()))


def verdicts(schema: Any, source: str) -> tuple[bool, bool]:
    """Whether a literal does not fit: what is found here, and what graphql-core finds."""
    document = parse(source)
    own = validate(schema, document, [LiteralsRule])
    return bool(own), bool(validate(schema, document, [ValuesOfCorrectTypeRule]))


@settings(max_examples=examples(1), suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_the_verdict_is_that_of_graphql_core(seed: int) -> None:
    """Whatever literals stand in a document, both rules refuse it, or neither does."""
    random = Random(seed)
    source = changed(Writer(CORE, random).write(), random)
    found, expected = verdicts(CORE, source)
    assert found == expected, source


@pytest.mark.parametrize(
    "value",
    ["{}", "{a:1}", "{a:null}", "{a:1 b:[]}", '{b:"x"}', "{b:[null]}", "{c:1}", "{a:1 c:1}", "1"],
)
def test_inputs_of_which_one_field_is_given(value: str) -> None:
    """Exactly one field that is not null fits a OneOf input."""
    found, expected = verdicts(ONE_OF, f"{{one(of:{value} all:[{value}])}}")
    assert found == expected


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{node(filter:{a:1 nobody:"4111"}){id}}', ["'nobody'", "'Filter'"]),
        ('{node(filter:{a:1 tagz:"4111"}){id}}', ["'tagz'", "Did you mean 'tags'"]),
        ('{node(filter:{b:"4111"}){id}}', ["'a'", "'Filter'", "required"]),
        ('{node(filter:"4111"){id}}', ["does not have the type"]),
    ],
)
def test_what_is_wrong_is_said_without_the_value(document: str, words: list[str]) -> None:
    """A message names the field of the input, and quotes nothing of what was given for it."""
    [error] = validate(CORE, parse(document), [LiteralsRule])
    assert all(word in error.message for word in words)
    assert "4111" not in error.message
