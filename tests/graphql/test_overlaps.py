"""Fields that are to be merged: graphql-core's verdicts, in a time that grows with the fields."""

import statistics
import time
from random import Random
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLSchema,
    NameNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)
from graphql.validation import OverlappingFieldsCanBeMergedRule, specified_rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cards import build_schema
from gateway.graphql import engine_schema
from gateway.graphql.validation import Validation
from tests.examples import examples
from tests.hostile_documents import CARD_FIELDS
from tests.random_documents import Writer
from tests.random_worlds import CORE
from tests.stack import Stack, running

REAL = engine_schema(build_schema())
OTHERS = [rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule]
KNOWN = "123e4567-e89b-12d3-a456-426614174000"


def renamed(source: str, random: Random) -> str:
    """The document with other aliases."""

    class Editing(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
            if random.randrange(4):
                return None
            alias = NameNode(value=random.choice(["a", "a", "b", "text", "id"]))
            return FieldNode(
                alias=alias,
                name=node.name,
                arguments=node.arguments,
                directives=node.directives,
                selection_set=node.selection_set,
            )

    return print_ast(visit(parse(source), Editing()))


def verdicts(schema: GraphQLSchema, source: str) -> tuple[bool, bool]:
    """Whether fields conflict: what is found here, and what graphql-core finds."""
    document = parse(source)
    own = Validation(schema, document, hide_suggestions=True).overlaps(1)
    assert not own or "aborted" not in own[0].message
    return bool(own), bool(validate(schema, document, [OverlappingFieldsCanBeMergedRule]))


@settings(max_examples=examples(1), suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), schema=st.sampled_from([CORE, REAL]))
def test_the_verdict_is_that_of_graphql_core(seed: int, schema: GraphQLSchema) -> None:
    """Whatever fields stand under one name, both rules refuse the document, or neither does."""
    random = Random(seed)
    source = renamed(Writer(schema, random).write(), random)
    if not validate(schema, parse(source), OTHERS):
        found, expected = verdicts(schema, source)
        assert found == expected, source


CONFLICTS = [
    "{a:text a:third{text}}",
    '{a:thing(id:"1"){id} a:thing(id:"2"){id}}',
    '{a:thing(id:"1"){id} a:thing{id}}',
    '{node(filter:{a:1 b:"x"}){id} node(filter:{a:1 b:"y"}){id}}',
    '{text(words:["a"]) text(words:["b"])}',
    "{thing{x:id} thing{x:text}}",
    "{thing{either{...on Thing{x:text} ...on Third{x:mode}}}}",
    "{thing{either{...on Thing{x:text} ...on Third{x:text}}}}",
    "{thing{either{...on Thing{x:must{y:id}} ...on Third{x:third{y:mode}}}}}",
    "{thing{peer{...on Node{x:id} ...on Thing{x:text}}}}",
    "{...A ...B} fragment A on Query{thing{...C}} fragment B on Query{thing{x:id}}"
    " fragment C on Thing{x:text}",
]
MERGED = [
    '{node(filter:{a:1 b:"x"}){id} node(filter:{b:"x" a:1}){id}}',
    "{thing{either{...on Thing{x:text} ...on Other{x:text}}}}",
    "{thing{either{...on Thing{x:peer{y:id}} ...on Other{x:peer{y:text}}}}}",
    "{thing{id peer{id} peer{id text}}}",
    "query($i:ID){a:thing(id:$i){id} a:thing(id:$i){id}}",
    "{a:__typename a:__typename}",
]


@pytest.mark.parametrize("source", [*CONFLICTS, *MERGED])
def test_known_cases(source: str) -> None:
    """Names, arguments and shapes conflict, through fragments and abstract types."""
    found, expected = verdicts(CORE, source)
    assert found == expected


def relay(selection: str, place: str) -> str:
    """Thirty fragments on the same type that each ask for the same fields."""
    fragments = "".join(f"fragment F{i} on Card{{{selection}}}" for i in range(30))
    spreads = "".join(f"...F{i} " for i in range(30))
    return place.replace("FRAGMENTS", spreads) + fragments


PLACES = [
    f'{{card(id:"{KNOWN}"){{FRAGMENTS}}}}',
    f'{{issueOutcome(idempotencyKey:"{KNOWN}"){{__typename ...on IssueVirtualCardSuccess'
    "{card{FRAGMENTS}}}}",
]
_LEAVES = CARD_FIELDS.partition(" billing")[0].split()
ALIASES = " ".join(f"a{i}:{name}" for i, name in enumerate(_LEAVES))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("selection", [CARD_FIELDS, ALIASES])
@pytest.mark.parametrize("suggestions", [True, False])
async def test_thirty_fragments_with_the_same_fields_pass(
    place: str, selection: str, suggestions: bool
) -> None:
    """What Relay writes is answered: thirty fragments that ask for the same fields of a card."""
    async with running(suggestions=suggestions) as stack:
        await stack.data(relay(selection, place))


async def test_fragments_whose_arguments_are_the_same_pass(stack: Stack) -> None:
    """Fields with arguments and aliases are merged through fragments, too."""
    fragments = "".join(
        f"fragment F{i} on Query{{a:card(id:$id){{id status}} b:card(id:$id){{name}}}}"
        for i in range(30)
    )
    spreads = "".join(f"...F{i} " for i in range(30))
    data = await stack.data(f"query($id:ID!){{{spreads}}}{fragments}", {"id": KNOWN})
    assert set(data) == {"a", "b"}


def seconds(count: int) -> float:
    """The time that it takes to look at so many fragments with the same fields."""
    fragments = "".join(f"fragment F{i} on Card{{id status type}}" for i in range(count))
    spreads = "".join(f"...F{i} " for i in range(count))
    document = parse(f"{{card(id:1){{{spreads}}}}}{fragments}")
    validation = Validation(REAL, document, hide_suggestions=True)
    began = time.process_time()
    assert not validation.overlaps(1)
    return time.process_time() - began


@pytest.mark.slow
def test_the_time_grows_with_the_fields() -> None:
    """Eight times the fragments take some eight times as long; pairs would take 64 times."""
    few, many = (statistics.median(seconds(count) for _ in range(7)) for count in (40, 320))
    assert many < 20 * few
