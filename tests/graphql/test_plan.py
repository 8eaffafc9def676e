"""Compiled plans give what graphql-core gives: the same data, errors, calls and their order."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from graphql import build_schema as build_core_schema
from graphql.pyutils import Undefined
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from gateway import errors, ledger, provider
from gateway.cards import OPERATIONS, build_schema
from gateway.graphql.plan import compile_plan, engine_schema
from gateway.graphql.plan.resolvers import direct_resolver
from gateway.graphql.plan.values import attribute_of
from tests.examples import examples
from tests.plans import compare, leaves_coroutines, planned, settled, shown
from tests.random_documents import Writer
from tests.random_worlds import CORE, STRAWBERRY, Mode, World, later
from tests.waiting import waiting_for

REAL = engine_schema(build_schema())
ID = "123e4567-e89b-12d3-a456-426614174000"
PROMISE = errors.Promise(datetime(2026, 1, 1, tzinfo=UTC), 600)

pytestmark = leaves_coroutines


def compare_randomly(schema: GraphQLSchema, random: Random, contexts: Any, times: int) -> None:
    """Compare on a random document, unless it is not valid."""
    writer = Writer(schema, random)
    source = writer.write()
    if not validate(schema, parse(source)):
        asyncio.run(compare(schema, source, writer.variables, contexts, times))


# An example is ten runs of a document of its own.
SOME = settings(max_examples=examples(0.2), suppress_health_check=list(HealthCheck))


@SOME
@given(seed=st.integers(0, 2**32), schema=st.sampled_from([CORE, STRAWBERRY]))
def test_random_documents_in_random_worlds(seed: int, schema: GraphQLSchema) -> None:
    """Whatever a document asks for and resolvers do, result and calls are graphql-core's."""
    compare_randomly(schema, Random(seed), lambda n: World(f"{seed}/{n}", schema), 10)


class Provider:
    """What the gateway's resolvers reach, as a seed decides: provider, loader, caller, limits."""

    def __init__(self, seed: str) -> None:
        self.calls: list[Any] = []
        self._seed = seed
        self.provider = self.ledger = self.loaders = self.caller = self.limits = self
        self.cards = Loading(self, self._card)
        self.accounts = Loading(self, self._account)
        self.cards_of = Loading(self, lambda key: [self._card(key), self._card(UUID(ID))])
        self.transactions_of = Loading(self, lambda key: [self._transaction(key)] * 2)
        self.id, self.request_id, self.header_key = "caller", "request", ID
        self.deadline, self.simulator_allowed, self.key_required = float("inf"), True, False
        self.failures: list[str] = []
        self.require = lambda _: None
        self.forget_what_changed = lambda: None
        self.may_use = lambda _: True

    async def count(self, *_: Any) -> None:
        """Nobody is too fast."""

    def state(self, key: UUID) -> ledger.State | None:
        """What the ledger has of a key, as the seed decides."""
        known: list[ledger.State | None] = [None, *ledger.State]
        return Random(f"{self._seed}{key}").choice(known)

    def promise(self, _key: UUID) -> errors.Promise:
        """The same for every key."""
        return PROMISE

    async def card(self, card_id: UUID) -> Any:
        """A card, none, or an error."""
        return await self.answer(card_id, self._card(card_id))

    async def run(self, key: UUID, fingerprint: bytes, _act: Any) -> Any:
        """What the ledger tells of a call: its result, that it was carried out, or an error."""
        card = self._card(UUID(ID))
        results = [ledger.CallResult(card, UUID(ID)), ledger.Replay(UUID(ID))]
        return await self.answer((key, fingerprint), Random(self._seed).choice(results))

    async def answer(self, given: Any, value: Any) -> Any:
        """The value, or an error, now or later."""
        self.calls.append(given)
        random = Random(f"{self._seed}{given}")
        error = random.choice(
            [
                errors.NotFound("none"),
                errors.Refused("no"),
                errors.RateLimited("slowly", by=errors.LimitedBy.PROVIDER, retry_after=2),
                errors.ProviderUnavailable("away"),
                errors.OutcomeUnknown("?", promise=PROMISE),
            ]
        )
        return await later(error if random.randrange(3) == 0 else value, random.randrange(3))

    def _card(self, card_id: UUID) -> Any:
        random = Random(f"{self._seed}{card_id}")
        odd: list[Any] = [None, "text", 5, object, ValueError("canary"), Undefined, b""]
        line = SimpleNamespace(
            **dict.fromkeys(["first_line", "second_line", "city", "state"], "line"),
            country=random.choice(["GB", *odd]),
            post_code=random.choice(["1", *odd]),
        )
        return SimpleNamespace(
            id=card_id,
            account_id=card_id,
            type=provider.CardType.VIRTUAL,
            status=provider.CardStatus.ACTIVE,
            network=random.choice([None, provider.CardNetwork.VISA]),
            name=random.choice(odd),
            masked_pan=random.choice(odd),
            expiration_date=random.choice(odd),
            billing_address=random.choice([None, line]),
            created_at=random.choice([*[datetime(2026, 1, 1, tzinfo=UTC)] * 5, *odd]),
            updated_at=datetime(2026, 1, 1, 1, 1, 1, 5, tzinfo=UTC),
        )

    def _account(self, account_id: UUID) -> Any:
        random = Random(f"{self._seed}{account_id}")
        return SimpleNamespace(
            id=account_id,
            status=provider.AccountStatus.ACTIVE,
            currencies=random.choice([(), ("EUR", "XYZ")]),
            created_at=random.choice([datetime(2026, 1, 1, tzinfo=UTC), None]),
            updated_at=datetime(2026, 1, 1, 1, 1, 1, 5, tzinfo=UTC),
        )

    def _transaction(self, card_id: UUID) -> Any:
        random = Random(f"{self._seed}{card_id}")
        place = {"id": "TEST", "name": "Shop", "country": "GB", "city": "London"}
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        return SimpleNamespace(
            id=card_id,
            account_id=card_id,
            card_id=random.choice([card_id, None]),
            authorisation_id=random.choice([card_id, None]),
            status=provider.TransactionStatus.PROCESSED,
            direction=provider.TransactionDirection.DEBIT,
            amount=random.choice(["20", None, 5]),
            currency="EUR",
            merchant_amount="20",
            merchant_currency="EUR",
            exchange_rate="1",
            merchant=provider.Merchant(mcc=random.choice([9999, 2**31]), **place),
            token="eip155:1/slip44:60",
            token_amount="20",
            fees=random.choice(
                [[], [provider.Fee(type=provider.FeeType.NETWORK, token_amount="1")]]
            ),
            created_at=random.choice([moment, None]),
            updated_at=moment,
        )


class Loading:
    """A loader of what ``make`` makes for a key, of one provider."""

    def __init__(self, given: Provider, make: Callable[[UUID], Any]) -> None:
        self._given = given
        self._make = make

    async def load(self, key: UUID) -> Any:
        """What is made, none, or an error."""
        return await self._given.answer(key, self._make(key))

    def knows(self, _key: UUID) -> bool:
        """Nothing is known before."""
        return False


@SOME
@given(seed=st.integers(0, 2**32))
def test_random_documents_of_the_gateway(seed: int) -> None:
    """The gateway's own schema and resolvers answer the same through a plan."""
    compare_randomly(REAL, Random(seed), lambda n: Provider(f"{seed}/{n}"), 5)


FRAGMENTS = """
query Q($yes: Boolean!, $no: Boolean! = false, $id: ID, $n: Int = 4, $at: Stamp) {
  a: thing(id: $id, n: $n) { ...F ... on Node { id ...G } __typename }
  a: thing(id: $id, n: $n) { text @skip(if: $yes) other { count ...G } other { mode } }
  node(filter: {a: 1, at: $at, inner: {a: $n, mode: C}}) { ...G ... on Thing { mode flag } }
  either(filter: {a: 2}) { __typename ... on Third { third { text } } ... on Node { ...G } }
  ... @include(if: $yes) { text(words: ["a", null]) }
  ... on Query @skip(if: $no) { need(id: "1") { must { id } kind: __typename } }
  ...Q @skip(if: $yes) @include(if: $no)
}
fragment F on Thing { id text ...G @include(if: $no) words row { id ...G } }
fragment G on Node { text peer { __typename ... on Other { count } must { at } } }
fragment Q on Query { third: thing(mode: null) { weight size } }
"""
MUTATIONS = """
mutation M($f: Filter!) {
  a: thing(id: "1") { text } b: must(filter: $f) { id must { flag } } text: __typename
  either { ... on Thing { at } ... on Third { text } } c: must(filter: $f) { at }
}
"""
REQUESTS: list[tuple[str, Any]] = [
    (FRAGMENTS, {"yes": True}),
    (FRAGMENTS, {"yes": False, "no": True, "id": None, "n": None, "at": "x"}),
    (FRAGMENTS, {"yes": True, "id": 7, "n": 5}),
    (FRAGMENTS, {}),
    (FRAGMENTS, {"yes": "no", "n": "x", "id": []}),
    (MUTATIONS, {"f": {"a": 1, "inner": {"a": 2}, "tags": "one"}}),
    (MUTATIONS, {"f": {"a": 1, "mode": "D", "unknown": 1}}),
    ("query($id: ID!) { need(id: $id) { id } }", {"id": ID}),
    ("query($id: ID!) { need(id: $id) { id } }", {"id": None}),
    ("query($id: ID!) { need(id: $id) { id } }", None),
    ("query($id: ID!) { need(id: $id) { id } }", {"id": 7}),
    ("query($id: ID!) { need(id: $id) { id } }", {"id": True}),
    ("query($id: ID) { thing(id: $id) { id } }", {"id": [ID]}),
    ("query($on: Boolean = true) { need(id: 1, on: $on) { id } }", {"on": None}),
    ('{ thing(id: 1) { id } need(id: "x", on: false) { id } }', None),
]


@pytest.mark.parametrize("schema", [CORE, STRAWBERRY], ids=["core", "strawberry"])
@pytest.mark.parametrize(("source", "variables"), REQUESTS)
async def test_every_construct(schema: GraphQLSchema, source: str, variables: Any) -> None:
    """Aliases, merging, fragments, conditions, arguments and variables mean the same."""
    if schema is STRAWBERRY:
        source = source.replace("third: thing", "b: thing")
    await compare(schema, source, variables, lambda n: World(f"{n}", schema), 20)


MAKE = """
mutation M($p: Plain!, $again: Plain, $on: Boolean) {
  a: make(plain: $p, again: $again, on: $on) { id }
  b: make(plain: {longId: 1, need: {x: "x", y: 2}, note: null, inner: null}) { text }
}
"""
MADE: list[Any] = [
    {"p": {"longId": "1", "need": {"x": "a"}}},
    {"p": {"longId": "1", "need": {"x": "a", "y": None}, "note": "n", "kept": None}, "on": None},
    {"p": {"longId": 1, "need": {"x": ""}, "inner": {"x": "i", "y": 0}}, "again": None, "on": True},
    {"p": {"longId": "1", "need": {"x": "a"}}, "again": {"longId": "2", "need": {"x": "b"}}},
]


@pytest.mark.parametrize("variables", MADE)
async def test_resolvers_get_their_arguments_as_from_strawberry(variables: Any) -> None:
    """Inputs arrive with the same defaults, nulls and values that were not given."""
    await compare(STRAWBERRY, MAKE, variables, lambda n: World(f"{n}", STRAWBERRY), 3)


class Text(str):
    """Text of a kind of its own."""


LEAVES: list[Any] = [
    None,
    Undefined,
    "x",
    Text("x"),
    True,
    0,
    5,
    2**31,
    1.5,
    float("inf"),
    b"",
    [],
    object,
]
LEAVES += [datetime(2026, 1, 1, tzinfo=UTC), UUID(ID), Decimal("1.50")]
LEAVES += [Mode.A, Mode.C, "a", "A", errors.NotFound("none"), GraphQLError("said")]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("value", LEAVES, ids=repr)
async def test_every_kind_of_leaf(value: Any, waits: bool) -> None:
    """A value that a leaf's type may or may not show is shown, or refused, in the same words."""

    @strawberry.type
    class Leaves:
        text: str
        maybe: str | None
        id: strawberry.ID
        flag: bool
        mode: Mode | None
        size: int | None
        weight: float | None
        at: datetime | None

        def __getattr__(self, name: str) -> Any:
            return later(value, 1) if waits else value

    @strawberry.type
    class Query:
        @strawberry.field
        def leaves(self) -> Leaves | None:
            return Leaves.__new__(Leaves)

    schema = strawberry.Schema(Query)._schema
    for name in ("text", "maybe", "id", "flag", "mode", "size", "weight", "at"):
        await compare(schema, f"{{ leaves {{ {name} alias: {name} }} }}", times=2)


def schema_of(**resolvers: Any) -> GraphQLSchema:
    """A schema of nullable fields, and of those that must not be null, with these resolvers."""
    fields = " ".join(f"{name}: String{'!' * ('must' in name)}" for name in resolvers)
    schema = build_core_schema(f"type Query {{ {fields} }} type Mutation {{ {fields} }}")
    for type_ in (schema.query_type, schema.mutation_type):
        for name, resolve in resolvers.items():
            assert type_
            type_.fields[name].resolve = resolve
    return schema


async def test_an_error_tells_where_and_what_it_was() -> None:
    """A failure keeps its extensions and itself, and has the alias's path and all its places."""

    async def fails(*_: Any) -> None:
        raise errors.InvalidInput("wrong", field="input.x")

    result = await compare(schema_of(a=fails), "{ b: a ...F } fragment F on Query { b: a }")
    [error] = result.errors or []
    assert (error.path, error.extensions) == (
        ["b"],
        errors.InvalidInput("", field="input.x").extensions,
    )
    assert isinstance(error.original_error, errors.InvalidInput)
    assert [place.column for place in error.locations or ()] == [3, 37]


@pytest.mark.parametrize("operation", ["query", "mutation"])
async def test_a_cancellation_is_no_error(operation: str) -> None:
    """A cancellation passes through: it becomes no null."""

    async def cancelled(*_: Any) -> None:
        raise asyncio.CancelledError

    running = planned(schema_of(a=cancelled), f"{operation} {{ a }}").run(None, None)
    assert not isinstance(running, ExecutionResult)
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_fields_of_a_query_run_at_once() -> None:
    """Two fields of a query wait for each other."""
    barrier = asyncio.Barrier(2)

    async def meets(*_: Any) -> str:
        async with waiting_for("the other field"), barrier:
            return "met"

    running = planned(schema_of(a=meets), "{ a b: a }").run(None, None)
    assert (await settled(running)).data == {"a": "met", "b": "met"}


async def test_fields_of_a_mutation_run_in_turn() -> None:
    """A mutation's next field begins when the one before is done, whether it waits or not."""
    seen: list[str] = []

    async def waits(_: Any, info: Any) -> str:
        seen.append(f"{info.path.key} begins")
        await asyncio.sleep(0)
        seen.append(f"{info.path.key} ends")
        return "x"

    def direct(_: Any, info: Any) -> str:
        seen.append(info.path.key)
        return "x"

    running = planned(schema_of(w=waits, d=direct), "mutation { d w v: w e: d }").run(None, None)
    assert list((await settled(running)).data or ()) == ["d", "w", "v", "e"]
    assert seen == ["d", "w begins", "w ends", "v begins", "v ends", "e"]


async def test_a_null_that_must_not_be_cancels_its_siblings() -> None:
    """When a field that must not be null fails, those that still run beside it are cancelled."""
    ended: list[str] = []

    async def slow(*_: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def fails(*_: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("canary")

    result = await compare(schema_of(a=slow, must=fails), "{ a must b: a }")
    assert result.data is None
    assert ended == ["cancelled"] * 4


async def test_a_mutation_ends_where_null_must_not_be() -> None:
    """After a mutation's field that must not be null has failed, no other is executed."""
    seen: list[str] = []

    async def fails(*_: Any) -> None:
        seen.append("once")

    schema = schema_of(must=fails)
    running = planned(schema, "mutation { must again: must }").run(None, None)
    assert (await settled(running)).data is None
    assert seen == ["once"]


async def test_a_plan_serves_many_at_once() -> None:
    """Runs of one plan at the same time share neither variables nor contexts nor errors."""

    async def tells(_: Any, info: Any) -> Any:
        await asyncio.sleep(0)
        if info.context == 3:
            raise ValueError("three")
        return [info.context, info.variable_values.coerced["id"]]

    schema = build_core_schema("type Query { a(id: ID): [String] }")
    assert schema.query_type
    schema.query_type.fields["a"].resolve = lambda source, info, id: tells(source, info)  # noqa: A006
    plan = planned(schema, "query($id: ID) { a(id: $id) }")
    runs: list[Any] = [plan.run(number, {"id": f"{number}"}) for number in range(5)]
    results = await asyncio.gather(*runs)
    assert [one.data for one in results] == [
        {"a": None if number == 3 else [f"{number}", f"{number}"]} for number in range(5)
    ]
    assert [bool(one.errors) for one in results] == [False, False, False, True, False]


ENDS = ("Capture", "Release")


def test_all_leaves_of_the_gateway_are_read_directly() -> None:
    """No field of the schema without a resolver of its own passes through Strawberry's wrapper."""
    types: Any = REAL.type_map
    with_resolver = {
        f"{name}.{field}"
        for name, type_ in types.items()
        if not name.startswith("__") and hasattr(type_, "interfaces")
        for field, definition in type_.fields.items()
        if attribute_of(definition) is None
    }
    roots = {
        one.name if one.parent else f"{one.kind.capitalize()}.{one.name}" for one in OPERATIONS
    }
    read_afresh = {"SimulateCardIssueSuccess.card", "SimulateCardIssueFailureSuccess.card"}
    read_afresh |= {f"SimulateAuthorisation{end}Success.authorisation" for end in ENDS}
    assert with_resolver - roots == read_afresh | {"TerminateCardSuccess.card"}
    assert attribute_of(types["Card"].fields["maskedPan"]) == "masked_pan"


def test_all_resolvers_of_the_gateway_are_called_directly() -> None:
    """No field of the gateway's schema pays for Strawberry's questions at each call."""
    objects = [one for one in REAL.type_map.values() if isinstance(one, GraphQLObjectType)]
    fields = [field for one in objects for field in one.fields.values() if field.resolve]
    asking = [field for field in fields if attribute_of(field) is None and "__" not in str(field)]
    mine = [field for field in asking if field.extensions]
    assert len(mine) >= len(OPERATIONS)
    assert all(direct_resolver(REAL, field) for field in mine)


def test_a_resolver_around_an_attribute_is_called() -> None:
    """Extensions, permissions and another default resolver are not passed by."""

    class Extension(FieldExtension):
        def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
            return "extended"

    @strawberry.type
    class Query:
        a: str = strawberry.field(extensions=[Extension()])
        b: str

    config = StrawberryConfig(default_resolver=lambda *_: "resolved")
    schema = strawberry.Schema(Query, config=config)._schema
    assert schema.query_type
    assert [attribute_of(one) for one in schema.query_type.fields.values()] == [None, None]
    result = planned(schema, "{ a b }").run(None, None)
    assert result == ({"a": "extended", "b": "resolved"}, None)


MANY = [f"$b{number}: Boolean!" for number in range(5)]
REFUSED = [
    "subscription { a }",
    "{ a @loud }",
    "query @loud { a }",
    "query($b: Boolean = true) { a @skip(if: $b) }",
    f"query({' '.join(MANY)}) {{ {' '.join(f'a{n}: a @skip(if: $b{n})' for n in range(5))} }}",
    "{ ...F(x: 1) } fragment F($x: Int) on Query { a }",
]


@pytest.mark.parametrize("source", REFUSED)
def test_what_a_plan_does_not_know_it_refuses(source: str) -> None:
    """Such operations have no plan, and are left to graphql-core."""
    schema = build_core_schema(
        "directive @loud on FIELD | QUERY type Query { a: String } type Subscription { a: String }"
    )
    document = parse(source, experimental_fragment_arguments=True)
    operation = get_operation_ast(document)
    assert operation
    assert compile_plan(schema, document, operation) is None


@pytest.mark.parametrize(("source", "planned"), [("{ a }", True), ("{ ... @defer { a } }", False)])
def test_a_document_with_defer_falls_back_alone(source: str, planned: bool) -> None:
    """A schema may have @defer: only a document that uses it is left to graphql-core."""
    schema = build_core_schema(
        "directive @defer on FRAGMENT_SPREAD | INLINE_FRAGMENT type Query { a: String }"
    )
    document = parse(source)
    operation = get_operation_ast(document)
    assert operation
    assert (compile_plan(schema, document, operation) is not None) is planned


def test_extensions_that_would_never_run_are_refused() -> None:
    """The engine does not take a schema whose extensions it would pass over."""

    @strawberry.type
    class Query:
        name: str

    schema = strawberry.Schema(Query, extensions=[SchemaExtension])
    with pytest.raises(ValueError, match="extensions"):
        engine_schema(schema)


async def test_the_variables_errors_are_graphql_cores() -> None:
    """Suggestions are made or hidden as asked for, and errors end at fifty."""
    document = parse("mutation($f: Filter!) { must(filter: $f) { id } }")
    operation = get_operation_ast(document)
    assert operation
    for hidden in (True, False):
        plan = compile_plan(CORE, document, operation, hide_suggestions=hidden)
        assert plan
        for values in ({"f": {"a": 1, "tag": 1}}, {"f": {f"x{n}": 1 for n in range(60)}}):
            own = await settled(plan.run(None, values))
            core = execute(CORE, document, variable_values=values, hide_suggestions=hidden)
            assert shown(own) == shown(await settled(core))


async def test_only_the_operation_that_was_asked_for_counts() -> None:
    """Other operations of a document, with other conditions, do not matter."""
    document = parse(
        "query A($b: Boolean!) { text @skip(if: $b) } "
        "query B($c: Boolean = true) { ...F @skip(if: $c) } fragment F on Query { text }"
    )
    operation = get_operation_ast(document, "A")
    assert operation
    plan = compile_plan(CORE, document, operation)
    assert plan
    for values in (True, False, True):
        core = execute(
            CORE,
            document,
            context_value=World("1", CORE),
            variable_values={"b": values},
            operation_name="A",
        )
        own = plan.run(World("1", CORE), {"b": values})
        assert shown(await settled(own)) == shown(await settled(core))
