"""How large a document may be."""

import statistics
import sys
import time
from typing import Any

import pytest
import strawberry
from graphql import GraphQLSchema, parse
from graphql import build_schema as build_core_schema

from gateway.cards import OPERATIONS, build_schema
from gateway.graphql import Documents, engine_schema
from gateway.graphql.limits import REMOTE_CALL, DocumentMeasure, measure
from gateway.graphql.prices import prices_of
from tests.stack import DOCUMENT_LIMITS as LIMITS
from tests.stack import Stack, running

NOBODY = "123e4567-e89b-12d3-a456-426614174000"


SCHEMA = engine_schema(build_schema())


def doubling(steps: int, last: str = "__typename") -> str:
    """A chain of fragments, each of which spreads the next one twice."""
    chain = " ".join(f"fragment F{i} on Query{{...F{i + 1}...F{i + 1}}}" for i in range(steps - 1))
    return f"{{...F0}} {chain} fragment F{steps - 1} on Query{{{last} {last}}}"


def measured(document: str) -> DocumentMeasure:
    """The numbers of a document's text."""
    return measure(parse(document), prices_of(SCHEMA))


@pytest.mark.parametrize(
    ("document", "depth", "cost"),
    [
        ("{ __typename }", 1, 1),
        ("{ card(id: 1) { id status } }", 2, 13),
        ("{ a: card(id: 1) { id } b: card(id: 1) { id } }", 2, 24),
        ("{ ... on Query { card(id: 1) { ... { id } } } }", 2, 12),
        ("{ card(id: 1) { ...C } } fragment C on Card { id billingAddress { city } }", 3, 14),
        ("{ ...Q ...Q } fragment Q on Query { __typename }", 1, 2),
        ("mutation { issueVirtualCard { card { id } } }", 3, 23),
        ("mutation { simulateCardIssue { card { id } } }", 3, 23),
        ("query A { __typename } query B { card(id: 1) { id } }", 2, 12),
        ("{ __schema { types { name } } }", 1, 3),
        ("{ ...missing }", 0, 0),
        ("{ ...A } fragment A on Query { x ...B } fragment B on Query { y ...A }", 1, 2),
        ("{ ...A } fragment A on Query { x ...A }", 1, 1),
    ],
)
def test_depth_and_cost(document: str, depth: int, cost: int) -> None:
    """Fields cost 1, those that call the provider 11; fragments count where they are spread."""
    found = measured(document)
    assert (found.depth, found.cost) == (depth, cost)


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ("mutation { a b: a }", 2),
        ("mutation { ...M ... { c { d e } } } fragment M on Mutation { a b }", 3),
        ("{ a b c }", 0),
    ],
)
def test_root_mutation_fields(document: str, count: int) -> None:
    """The fields at the top of a mutation are counted through fragments, those below are not."""
    assert measured(document).root_mutation_fields == count


@pytest.mark.slow
def test_long_chains_of_fragments_are_measured() -> None:
    """Two thousand fragments that spread each other need no stack and end at a million fields."""
    assert measured(doubling(2_000)).fields == 1_000_000


def refusal(schema: GraphQLSchema, document: str) -> float:
    """Seconds of work until a document that doubles is refused."""
    documents = Documents(schema, LIMITS, introspection=True, suggestions=True)
    began = time.thread_time()  # what else the machine does is not counted
    errors = documents.prepare(document)
    took = time.thread_time() - began
    assert isinstance(errors, list)
    assert "262,144 or more" in errors[0].message
    return took


def test_a_document_that_doubles_is_refused_at_once() -> None:
    """18 doubling fragments in under 1,000 characters are refused in under 20 ms."""
    document = doubling(18)
    assert len(document) < 1_000
    schema = build_schema()._schema
    tracer = sys.gettrace()
    sys.settrace(None)  # counting coverage makes parsing five times as slow
    try:
        took = [refusal(schema, document) for _ in range(9)]
    finally:
        sys.settrace(tracer)
    assert statistics.median(took) < 0.020


def aliases(count: int) -> str:
    """So many cards in one query."""
    cards = " ".join(f'c{i}: card(id: "{NOBODY}") {{ id status }}' for i in range(count))
    return f"{{ {cards} }}"


async def test_fifty_cards_at_once_pass(stack: Stack) -> None:
    """A list page's fifty cards fit into one document."""
    assert len(await stack.data(aliases(50))) == 50


def many(part: str, count: int, before: str = "", after: str = "}") -> str:
    """So many parts, numbered."""
    return before + " ".join(part.format(number) for number in range(count)) + after * bool(before)


DEEP = (
    "{ card(id: 1) " + "{ billingAddress " * (LIMITS.depth - 1) + "{ city }" + " }" * LIMITS.depth
)
COST = 3 + REMOTE_CALL  # of one of the aliases above
TOO_MANY_ROOTS = LIMITS.root_mutation_fields + 1
TOO_MANY = LIMITS.cost // COST + 1
TOO_LARGE = [
    (
        "source_length",
        "{ __typename }" + " " * LIMITS.source_length,
        f"{LIMITS.source_length + 14:,}",
    ),
    ("lines", "\n" * LIMITS.lines + "{ __typename }", f"{LIMITS.lines + 1:,}"),
    ("lines", "\r\n\r" * LIMITS.lines + "{ __typename }", f"{2 * LIMITS.lines + 1:,}"),
    ("tokens", "{ " + "a " * (LIMITS.tokens + 1) + "}", f"{LIMITS.tokens:,}"),
    ("comments", "#\n" * (LIMITS.comments + 1) + "{ __typename }", f"{LIMITS.comments:,}"),
    ("depth", DEEP, f"{LIMITS.depth + 1:,}"),
    ("cost", aliases(TOO_MANY), f"{TOO_MANY * COST:,}"),
    ("cost", doubling(18, "nonsense"), "262,144"),
    ("operations", many("query Q{}{{a}}", LIMITS.operations + 1), f"{LIMITS.operations + 1:,}"),
    ("values", f"{{ a(b: [{'1 ' * LIMITS.values}]) }}", f"{LIMITS.values + 1:,}"),
    ("values", many("a{0}:b(c:[1])@e(f:[2])", 251, "{"), "1,004"),
    ("values", many("$d{0}:E=[1 1]", 400, "query(", "){a}"), "1,200"),
    ("value_nesting", f"{{ a(b: {'[' * 13}1{']' * 13}) }}", "13"),
    ("value_nesting", f"{{ a @b(c: {'{d:' * 14}1{'}' * 14}) }}", "13 or more"),
    ("value_nesting", f"query($a:B={'[{c:' * 7}1{'}]' * 7}) {{ a }}", "13 or more"),
    ("root_mutation_fields", f"mutation {{ {'m ' * TOO_MANY_ROOTS}}}", f"{TOO_MANY_ROOTS:,}"),
    (
        "errors",
        "{ " + " ".join(f"n{i}" for i in range(LIMITS.errors + 1)) + " }",
        f"{LIMITS.errors:,}",
    ),
]


@pytest.mark.parametrize(("limit", "document", "number"), TOO_LARGE)
async def test_what_is_too_large_is_refused(limit: str, document: str, number: str) -> None:
    """Beyond a limit the error has one code and tells both numbers and the setting; no call."""
    async with running(suggestions=True) as stack:
        body = (await stack.post(document)).json()
        assert not stack.wire.exchanges
    error = body["errors"][-1]
    assert "data" not in body
    assert error["extensions"]["code"] == "DOCUMENT_TOO_LARGE"
    assert number in error["message"]
    assert f"{getattr(LIMITS, limit):,} is allowed" in error["message"]


@pytest.mark.parametrize(
    "document",
    ["{" + "a{" * 300 + "b" + "}" * 300 + "}", "{ a(b: " + "[" * 900 + "]" * 900 + ") }"],
)
async def test_what_takes_long_to_validate_is_given_up(document: str) -> None:
    """Nesting and repetition that make validation slow are refused in the same way, soon."""
    async with running(suggestions=True) as stack:
        began = time.thread_time()
        error = (await stack.error(document))["extensions"]["code"]
    assert (error, time.thread_time() - began < 5) == ("DOCUMENT_TOO_LARGE", True)


_SPREADS = " ".join(f"...F{i}" for i in range(400))
_FRAGMENTS = " ".join(f"fragment F{i} on Query{{__typename}}" for i in range(400))
MANY = f"{{{_SPREADS}}}{_FRAGMENTS}"


@pytest.mark.parametrize(
    "document", [f'{{ card(id: "{NOBODY}") {{{"id " * 900}}} }}', MANY], ids=["fields", "fragments"]
)
async def test_repetition_alone_is_no_reason_to_refuse(stack: Stack, document: str) -> None:
    """Hundreds of equal fields or fragments, which are merged, are answered."""
    await stack.data(document)


@pytest.mark.parametrize("name", ["card", "issueVirtualCard", "nonsense"])
async def test_a_costly_misfit_does_not_tell_what_exists(name: str) -> None:
    """What a name costs is told for valid documents only, else prices would list the schema."""
    document = "{ " + " ".join(f"a{i}: {name}" for i in range(95)) + " }"
    async with running(suggestions=False) as stack:
        error = await stack.error(document)
    assert error["extensions"]["code"] == "GRAPHQL_REQUEST_INVALID"


def test_a_field_that_may_call_the_provider_costs_more_without_being_listed() -> None:
    """Every field with a coroutine resolver has the cost of a call; one that only reads has not."""

    @strawberry.type
    class Query:
        plain: str

        @strawberry.field
        async def called(self) -> str:
            return ""

        @strawberry.field
        def made(self) -> str:
            return ""

    schema = engine_schema(strawberry.Schema(Query))
    assert prices_of(schema).remote == {"called"}
    # Captures and releases read their authorisation afterwards, which no operation of its own does.
    assert prices_of(SCHEMA).remote == {"authorisation"} | {
        operation.name.rpartition(".")[2] for operation in OPERATIONS
    }


LISTS = build_core_schema("""
    interface Owner { cards: [Card!] }
    type Card { id: ID owner: Owner tags: [String!]! types: [Card] }
    type Account implements Owner { cards: [Card!] grid: [[Card!]!]! }
    type Query { cards: [Card]! card: Card account: Account fields: [Card] }
""")
SIZES = {"Owner": 2, "Account": 50, "Query": 3, "Card": 7}
for parent, size in SIZES.items():
    for each in LISTS.type_map[parent].fields.values():  # type: ignore[attr-defined]
        each.extensions = {"expected_items": size}


@pytest.mark.parametrize(
    ("document", "depth", "cost"),
    [
        ("{ card { id tags } }", 2, 3),
        ("{ cards { id tags } }", 2, 1 + 50 * 2),
        ("{ cards { id } card { id } }", 2, 1 + 50 + 2),
        ("{ fields { id } }", 2, 1 + 3),
        ("{ account { grid { id } } }", 3, 1 + 1 + 50),
        ("{ card { types { cards { id } } } }", 4, 1 + 1 + 7 * (1 + 50)),
        ("{ a: cards { ... { ... on Card { id } } } }", 2, 1 + 50),
        ("{ cards { ...C ...C } } fragment C on Card { id owner { cards { id } } }", 4, 5_301),
        ("{ ...Q } fragment Q on Query { cards { ...C } } fragment C on Card { id }", 2, 51),
        ("{ cards { ...A } } fragment A on Card { id owner { cards { ...A } } }", 3, 151),
        ("{ ...A } fragment A on Query { ...B ...B } fragment B on Query { cards { id } }", 2, 102),
        ("{ cards { missing { x } ...unknown } }", 3, 101),
        (f"{'{ cards ' * 9}{{ id }}{'}' * 9}", 10, 1_000_000),
        (f"{{ ...F }} fragment F on Query {'{ cards ' * 9}{{ id }}{'}' * 9}", 10, 1_000_000),
        ("{ __schema { types { fields { name } } } }", 1, 4),
        ("{ __type(name: 1) { ...T } } fragment T on __Type { fields { type { name } } }", 1, 4),
    ],
)  # fmt: skip
def test_a_list_costs_its_expected_size(document: str, depth: int, cost: int) -> None:
    """What is selected in a list of objects counts once for each item, fragments included."""
    found = measure(parse(document), prices_of(LISTS))
    assert (found.depth, found.cost) == (depth, cost)


def test_a_call_in_a_list_is_made_for_each_item() -> None:
    """The price of a call is multiplied, too, whether the list itself is called for or not."""

    @strawberry.type
    class Card:
        @strawberry.field
        async def owner(self) -> str:
            return ""

    @strawberry.type
    class Query:
        read: list[Card] = strawberry.field(metadata={"expected_items": 5})

        @strawberry.field(metadata={"expected_items": 50})  # type: ignore[untyped-decorator]
        async def called(self) -> list[Card] | None:
            return []

    prices = prices_of(engine_schema(strawberry.Schema(Query)))
    costs = [measure(parse(f"{{ {one} {{ owner }} }}"), prices).cost for one in ("read", "called")]
    assert costs == [1 + 5 * (1 + REMOTE_CALL), (1 + REMOTE_CALL) * 51]


@pytest.mark.parametrize("metadata", [{}, {"expected_items": 0}, {"expected_items": "50"}])
def test_a_list_without_a_size_does_not_build(metadata: dict[str, Any]) -> None:
    """A list of objects that does not say how many it has is no part of a schema that is served."""

    @strawberry.type
    class Part:
        name: str

    @strawberry.type
    class Card:
        tags: list[str]
        parts: list[list[Part] | None] | None = strawberry.field(metadata=metadata)

    @strawberry.type
    class Query:
        card: Card

    schema = engine_schema(strawberry.Schema(Query))
    with pytest.raises(ValueError, match=r"Card\.parts .*'expected_items'"):
        Documents(schema, LIMITS, introspection=True, suggestions=True)


def test_a_document_with_large_lists_is_refused() -> None:
    """A valid document that costs too much by its lists is too large; its fields are few."""
    documents = Documents(LISTS, LIMITS, introspection=True, suggestions=True)
    refused = documents.prepare("{ cards { owner { cards { id } } } }")
    assert isinstance(refused, list)
    assert "has a cost of 2,601" in refused[0].message
    assert not isinstance(documents.prepare("{ cards { id owner { __typename } } }"), list)


def longest(step: str, count: int) -> float:
    """Seconds that it takes to measure a chain of so many fragments."""
    parts = (step.format(number, number + 1) for number in range(count))
    document = parse("{ ...F0 } " + " ".join(parts))
    prices = prices_of(LISTS)
    began = time.thread_time()
    assert measure(document, prices).cost == 1_000_000
    return time.thread_time() - began


def test_lists_in_fragments_are_measured_in_linear_time() -> None:
    """Ten times the fragments, each of which multiplies, take about ten times as long."""
    step = "fragment F{0} on Card {{ cards {{ ...F{1} ...F{1} }} }}"
    once = min(longest(step, 100) for _ in range(5))
    assert min(longest(step, 1_000) for _ in range(3)) < 40 * once
