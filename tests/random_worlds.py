"""Worlds for random documents: a schema twice, where each resolver does what a seed says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Annotated, Any, NewType

import strawberry
from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    is_abstract_type,
    is_object_type,
)
from graphql import build_schema as build_core_schema
from graphql.pyutils import Undefined
from strawberry.schema.config import StrawberryConfig

from gateway import errors

Stamp = NewType("Stamp", str)
SDL = """
scalar Stamp
enum Mode { A B C }
input Filter {
  a: Int! b: String = "x" mode: Mode = B inner: Filter tags: [String!] at: Stamp must: ID! = "m"
}
interface Node { id: ID! peer: Node must: Thing! text: String }
type Thing implements Node {
  id: ID! peer: Node must: Thing! text: String mode: Mode flag: Boolean! size: Int
  weight: Float at: Stamp! other: Other either: Either row: [Node] words: [String!]!
  things: [Thing!] others: [Other]! grid: [[Thing!]!]! eithers: [Either!]! deep: [[[Mode]!]]
  stamps: [Stamp!] thirds: [[Third]!]
}
type Other implements Node { id: ID! peer: Node must: Thing! text: String count: Int! mode: Mode! }
type Third { text: String! third: Third! mode: Mode }
union Either = Thing | Other | Third
type Query {
  thing(id: ID, n: Int = 3, mode: Mode = B, at: Stamp): Thing
  need(id: ID!, on: Boolean! = true): Thing!
  node(filter: Filter, filters: [Filter!]): Node either(filter: Filter!): Either
  text(words: [String], weight: Float): String! third: Third rows: [[Thing!]]
}
type Mutation { thing(id: ID!): Thing must(filter: Filter!): Thing! either: Either text: String! }
"""


class Odd(Exception):
    """An error of somebody else's."""


class Source:
    """An object of which every attribute exists, is decided by the seed, and may be anything."""

    def __init__(self, seed: str, schema: GraphQLSchema, typename: str) -> None:
        self.__dict__.update(_seed=seed, _schema=schema, _typename=typename)

    def __getattr__(self, name: str) -> Any:
        """What the seed says of this attribute."""
        if name.startswith("_"):
            raise AttributeError(name)
        type_: Any = self.__dict__["_schema"].type_map[self.__dict__["_typename"]]
        return behave(f"{self.__dict__['_seed']}.{name}", type_.fields[name].type, self)


def behave(seed: str, type_: Any, near: Source) -> Any:
    """A value of the type, mostly; or something else, or later, or an error."""
    random = Random(seed)
    value = outcome(seed, type_, near.__dict__["_schema"], random)
    if random.randrange(3):
        if isinstance(value, Exception) and random.randrange(2):
            raise value
        return value
    return later(value, random.randrange(3))


async def later(value: Any, ticks: int) -> Any:
    """The value after some turns of the event loop; an error is raised."""
    for _ in range(ticks):
        await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def outcome(seed: str, type_: Any, schema: GraphQLSchema, random: Random) -> Any:
    """What a resolver has to tell."""
    match random.randrange(30):
        case 0 | 1:
            return None
        case 2:
            return Undefined
        case 3:
            return random.choice(
                [
                    GraphQLError("said", extensions={"code": "X"}),
                    errors.InvalidInput("wrong", field="input.x"),
                    errors.NotFound("none"),
                    Odd("canary"),
                ]
            )
        case 4:
            return random.choice([object, 5, True, "x", [1], {"id": "1"}, 2**40, float("nan"), b""])
    return fitting(seed, type_, schema, random)


def fitting(seed: str, type_: Any, schema: GraphQLSchema, random: Random) -> Any:
    """A value that the type can show."""
    inner = getattr(type_, "of_type", None)
    if inner is not None and str(type_).endswith("!"):
        return fitting(seed, inner, schema, random)
    if inner is not None:
        near = source(f"{seed}#", "Thing", schema)
        return listed([f"{seed}.{n}" for n in range(random.randrange(4))], inner, near, random)
    if is_object_type(type_):
        return source(seed, type_.name, schema)
    if is_abstract_type(type_):
        names = sorted(one.name for one in schema.get_possible_types(type_))
        wrong = ["Third"] if random.randrange(10) == 0 else []
        return source(seed, random.choice(wrong or names), schema)
    mode = Mode.B if schema is not CORE else "B"
    shown = {"Mode": mode, "Boolean": False, "Int": 3, "Float": 1.5}
    return shown.get(type_.name, "text")


def listed(seeds: list[str], type_: Any, near: Source, random: Random) -> Any:
    """An iterable of items, mostly a list; one that makes them when asked may fail then."""
    made = (behave(seed, type_, near) for seed in seeds)
    match random.randrange(10):
        case 0:
            return made
        case 1:
            return asynchronously(made)
        case 2:
            return tuple(kept(made))
    return kept(made)


def kept(items: Iterable[Any]) -> list[Any]:
    """The items, where what is raised on the way is an item, too."""
    found: list[Any] = []
    iterator = iter(items)
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except Exception as error:
            return [*found, error]


async def asynchronously(items: Iterable[Any]) -> AsyncIterator[Any]:
    """The items, one after the other."""
    for item in items:
        await asyncio.sleep(0)
        yield item


def source(seed: str, typename: str, schema: GraphQLSchema) -> Source:
    """An object of the type."""
    kind: type[Source] = KINDS[typename] if schema is not CORE else Source
    made = kind.__new__(kind)
    Source.__init__(made, seed, schema, typename)
    return made


@dataclass
class World:
    """The context of one execution: what happens in it, and what happened."""

    seed: str
    schema: GraphQLSchema
    calls: list[Any] = field(default_factory=list)

    def resolve(self, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """Note what a resolver can see, and do what the seed says."""
        path: Any = info.path
        names = []
        while path:
            names.append(path.typename)
            path = path.prev
        seen = [info.path.as_list(), names, info.field_name, info.parent_type, info.return_type]
        seen += [list(map(id, info.field_nodes)), info.schema is self.schema, info.root_value]
        seen += [sorted(info.fragments), id(info.operation), variables(info), info.context is self]
        seen += [info.is_awaitable(later), info.abort_signal, repr(arguments)]
        self.calls.append(seen)
        near = source(self.seed, "Thing", self.schema)
        return behave(f"{self.seed}{info.path.as_list()}", info.return_type, near)


def variables(info: GraphQLResolveInfo[Any]) -> Any:
    """Values and sources of the variables; defaults have no equality of their own."""
    coerced, sources = info.variable_values.coerced, info.variable_values.sources
    told = {name: [str(one.signature.type), one.value] for name, one in sources.items()}
    return repr([coerced, told])


def build_test_schema() -> GraphQLSchema:
    """The schema as graphql-core builds it, where every field has a resolver."""
    schema = build_core_schema(SDL)

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        return info.context.resolve(info, **arguments)

    def is_type_of(name: str) -> Callable[..., Any]:
        def check(value: Any, info: Any) -> Any:
            fits = getattr(value, "__dict__", {}).get("_typename") == name
            return later(fits, 1) if name == "Other" else fits

        return check

    for type_ in schema.type_map.values():
        if is_object_type(type_) and not type_.name.startswith("__"):
            for one in type_.fields.values():
                one.resolve = resolve
                one.extensions = {"expected_items": 2}
            if type_.name != "Query":
                type_.is_type_of = is_type_of(type_.name)
    union: Any = schema.type_map["Either"]
    union.resolve_type = lambda value, info, type_: (
        later(value._typename, 1)
        if len(str(info.path)) % 2
        else value.__dict__.get("_typename", len(str(value)))
    )
    return schema


CORE = build_test_schema()


@strawberry.enum
class Mode(Enum):
    A = "a"
    B = "b"
    C = "c"


@strawberry.input
class Filter:
    a: int
    b: str | None = "x"
    mode: Mode | None = Mode.B
    inner: "Filter | None" = strawberry.UNSET
    tags: list[str] | None = strawberry.UNSET
    at: Stamp | None = strawberry.UNSET
    must: strawberry.ID = strawberry.ID("m")


@strawberry.input
class Inner:
    x: str
    y: int | None


@strawberry.input
class Plain:
    """An input without lists, enums and itself, as the gateway's are."""

    long_id: strawberry.ID
    need: Inner
    note: str | None = strawberry.UNSET
    kept: str | None = "k"
    inner: Inner | None = strawberry.UNSET


@strawberry.interface
class Node(Source):
    id: strawberry.ID
    peer: "Node | None"
    must: "Thing"
    text: str | None


@strawberry.type
class Thing(Node):
    mode: Mode | None
    flag: bool
    size: int | None
    weight: float | None
    at: Stamp
    other: "Other | None"
    either: "Either | None"
    words: list[str]
    things: list["Thing"] | None
    others: list["Other | None"]
    grid: list[list["Thing"]]
    eithers: list["Either"]
    deep: list[list[list[Mode | None]] | None] | None
    stamps: list[Stamp] | None
    thirds: list[list["Third | None"]] | None

    @strawberry.field
    def row(self, info: strawberry.Info) -> list[Node | None] | None:
        return info.context.resolve(info._raw_info)  # type: ignore[no-any-return]


@strawberry.type
class Other(Node):
    count: int
    mode: Mode


@strawberry.type
class Third(Source):
    text: str
    third: "Third"
    mode: Mode | None


Either = Annotated[Thing | Other | Third, strawberry.union("Either")]
KINDS: dict[str, Any] = {"Thing": Thing, "Other": Other, "Third": Third}


@strawberry.type
class Query:
    @strawberry.field
    def thing(
        self,
        info: strawberry.Info,
        id: strawberry.ID | None = None,  # noqa: A002
        n: int | None = 3,
        mode: Mode | None = Mode.B,
        at: Stamp | None = None,
    ) -> Thing | None:
        return info.context.resolve(info._raw_info, id=id, n=n, mode=mode, at=at)  # type: ignore[no-any-return]

    @strawberry.field
    async def need(self, info: strawberry.Info, id: strawberry.ID, on: bool = True) -> Thing:  # noqa: A002
        found = info.context.resolve(info._raw_info, id=id, on=on)
        return await found if isinstance(found, Awaitable) else found  # type: ignore[no-any-return]

    @strawberry.field
    def node(
        self,
        info: strawberry.Info,
        filter: Filter | None = None,  # noqa: A002
        filters: list[Filter] | None = None,
    ) -> Node | None:
        return info.context.resolve(info._raw_info, filter=filter, filters=filters)  # type: ignore[no-any-return]

    @strawberry.field
    def either(self, info: strawberry.Info, filter: Filter) -> Either | None:  # noqa: A002
        return info.context.resolve(info._raw_info, filter=filter)  # type: ignore[no-any-return]

    @strawberry.field
    def text(self, info: strawberry.Info, words: list[str | None] | None = None) -> str:
        return info.context.resolve(info._raw_info, words=words)  # type: ignore[no-any-return]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def thing(self, info: strawberry.Info, id: strawberry.ID) -> Thing | None:  # noqa: A002
        return info.context.resolve(info._raw_info, id=id)  # type: ignore[no-any-return]

    @strawberry.mutation
    async def must(self, info: strawberry.Info, filter: Filter) -> Thing:  # noqa: A002
        found = info.context.resolve(info._raw_info, filter=filter)
        return await found if isinstance(found, Awaitable) else found  # type: ignore[no-any-return]

    @strawberry.mutation
    async def make(
        self,
        info: strawberry.Info,
        given: Annotated[Plain, strawberry.argument(name="plain")],
        again: Plain | None = None,
        on: bool | None = strawberry.UNSET,
    ) -> Thing | None:
        seen = {"given": given, "again": again, "on": on, "name": info.python_name}
        found = info.context.resolve(info._raw_info, **seen)
        return await found if isinstance(found, Awaitable) else found  # type: ignore[no-any-return]

    @strawberry.mutation
    def either(self, info: strawberry.Info) -> Either | None:
        return info.context.resolve(info._raw_info)  # type: ignore[no-any-return]


def build_strawberry_schema() -> GraphQLSchema:
    """Much the same schema as Strawberry builds it, where most fields are read from attributes."""
    scalars: dict[object, Any] = {Stamp: strawberry.scalar(name="Stamp", serialize=_stamp)}
    return strawberry.Schema(
        Query, Mutation, types=[Other], config=StrawberryConfig(scalar_map=scalars)
    )._schema


def _stamp(value: Any) -> Any:
    if isinstance(value, int):
        raise ValueError("no stamp")
    return {"x": None, "text": f"at {value}"}.get(value, later(value, 1) if value == b"" else value)


STRAWBERRY = build_strawberry_schema()
