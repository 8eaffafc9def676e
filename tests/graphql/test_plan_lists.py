"""Lists by a compiled plan are graphql-core's: items, errors, their order, what is cancelled."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLSchema,
    build_schema,
    execute,
    get_named_type,
    parse,
)
from graphql.pyutils import Undefined

from gateway import errors
from gateway.graphql.plan import engine_schema
from tests.plans import compare, leaves_coroutines, planned, settled
from tests.random_worlds import later
from tests.waiting import waiting_for

pytestmark = leaves_coroutines


SDL = """
interface Named { name: String! }
type Item implements Named { name: String! maybe: String next: Item }
type Other implements Named { name: String! maybe: String }
union Either = Item | Other
enum Mode { A B }
"""
TYPES = [
    "[{}]",
    "[{}!]",
    "[{}]!",
    "[{}!]!",
    "[[{}!]]",
    "[[{}]!]!",
    "[[{}!]!]!",
]


class Thing:
    """An item; ``made`` makes its name when that is read."""

    def __init__(self, made: Callable[[], Any] = lambda: "n", typename: Any = "Item") -> None:
        self._made = made
        self.typename = typename
        self.maybe = errors.NotFound("none") if typename == "Other" else "m"

    @property
    def name(self) -> Any:
        """Made anew each time, so that it can be awaited."""
        return self._made()

    def __repr__(self) -> str:
        return f"Thing({self.typename})"


def raises(error: Exception) -> Any:
    """An expression that raises."""
    raise error


async def agen(*items: Any) -> AsyncIterator[Any]:
    """The items, one after the other; an error is raised."""
    for item in items:
        await asyncio.sleep(0)
        yield raises(item) if isinstance(item, ZeroDivisionError) else item


def gen(*items: Any) -> Iterator[Any]:
    """The items; an error is raised."""
    for item in items:
        yield raises(item) if isinstance(item, ZeroDivisionError) else item


class NoIterator:
    """Says that it is iterable, and is not."""

    def __iter__(self) -> Iterator[Any]:
        raise OSError("canary")


def good() -> Thing:
    """An item without a fault."""
    return Thing()


def slow() -> Thing:
    """An item whose name has to be awaited."""
    return Thing(lambda: later("slow", 2))


def broken() -> Thing:
    """An item whose name fails at once."""
    return Thing(lambda: raises(errors.Refused("no")))


def late() -> Thing:
    """An item whose name fails later."""
    return Thing(lambda: later(errors.Refused("late"), 1))


VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "empty": list,
    "items": lambda: [good(), good(), Thing(typename="Other")],
    "text": lambda: "text",
    "bytes": lambda: b"bytes",
    "mapping": lambda: {"a": 1},
    "number": lambda: 5,
    "object": good,
    "tuple": lambda: (good(), slow()),
    "set": lambda: {1},
    "generator": lambda: gen(good(), slow(), good()),
    "generator that fails": lambda: gen(slow(), ZeroDivisionError("x"), later(good(), 1)),
    "generator with more": lambda: gen(slow(), None, later(good(), 1), good(), slow()),
    "no iterator": NoIterator,
    "asynchronous": lambda: agen(good(), None, later(good(), 1), broken()),
    "asynchronous and fails": lambda: agen(good(), slow(), ZeroDivisionError("x")),
    "nulls": lambda: [None, good(), Undefined],
    "error": lambda: [good(), ValueError("canary"), good()],
    "foreseen error": lambda: [errors.NotFound("none"), errors.NotFound("none")],
    "awaited": lambda: [later(good(), 1)],
    "awaited among others": lambda: [good(), later(good(), 2), slow(), later(None, 1), None],
    "awaited errors": lambda: [later(ValueError("1"), 2), slow(), later(ValueError("2"), 1)],
    "awaited iterables": lambda: later([later(good(), 1), agen(later(good(), 1))], 1),
    "broken": lambda: [good(), broken(), slow(), broken()],
    "late": lambda: [slow(), late(), good(), late()],
    "wrong type": lambda: [good(), Thing(typename="Query"), Thing(typename=7), good(), 5],
    "lists": lambda: [[good(), slow()], [good(), None], None, [], "x", later([late()], 1)],
    "lists of lists": lambda: [(slow(), broken()), gen(good(), late()), [[good()]]],
    "asynchronous lists": lambda: [[good()], agen(good(), None), agen(slow()), later(agen(), 1)],
    "texts": lambda: ["a", "", None, later("b", 1), 7, 1.5, object, ["c"], True],
    "members": lambda: ["A", "B", "C", later("A", 1)],
}


SELECTIONS = {
    "Item": "{ name maybe next { name } }",
    "Other": "{ maybe }",
    "Named": "{ __typename name ... on Item { maybe } }",
    "Either": "{ ... on Item { name } ... on Other { name maybe } }",
    "String": "",
    "Int": "",
    "Mode": "",
}
FIELDS = {
    f"{name[:2].lower()}{number}": type_.format(name)
    for name in SELECTIONS
    for number, type_ in enumerate(TYPES)
}


def core_schema() -> GraphQLSchema:
    """A schema where every list is what the context makes, at the root and in rows of rows."""
    fields = " ".join(f"{name}: {type_}" for name, type_ in FIELDS.items())
    schema = build_schema(
        f"{SDL} type Row {{ {fields} }} type Query {{ row: Row rows: [[Row!]!] {fields} }}"
    )
    types: Any = schema.type_map
    for name in FIELDS:
        types["Row"].fields[name].resolve = lambda _, info: info.context()
        types["Query"].fields[name].resolve = lambda _, info: info.context()
    types["Query"].fields["row"].resolve = lambda *_: 1
    types["Query"].fields["rows"].resolve = lambda *_: [[1, later(1, 1)], (1,)]
    for name in ("Named", "Either"):
        types[name].resolve_type = lambda item, info, _: (
            later(item.typename, 1) if "1" in info.field_name else item.typename
        )
    types["Other"].is_type_of = lambda item, _: getattr(item, "typename", "") == "Other"
    return schema


CORE = core_schema()
ROW: Any = CORE.type_map["Row"]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_every_list(value: Callable[[], Any]) -> None:
    """Whatever a list, or what stands for one, has in it, the result is that of graphql-core."""
    rows = (
        f"{name}: row {{ {name} {SELECTIONS[get_named_type(field.type).name]} }}"
        for name, field in ROW.fields.items()
    )
    await compare(CORE, f"{{ {' '.join(rows)} }}", contexts=lambda _: value, times=2)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_every_list_in_lists(value: Callable[[], Any]) -> None:
    """An error inside of an item reaches as far up as in graphql-core, through lists of lists."""
    rows = (f"r{number}: rows {{ it{number} {{ name }} }}" for number in range(len(TYPES)))
    await compare(CORE, f"{{ {' '.join(rows)} }}", contexts=lambda _: value)


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Item(Named):
    maybe: str | None

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether the value says so."""
        return getattr(value, "typename", None) == "Item"


@strawberry.type
class Plain:
    name: str
    maybe: str | None


@strawberry.type
class Lists:
    items: list[Item]
    maybe: list[Item | None] | None
    plain: list[Plain]
    rows: list[list[Plain | None]]
    named: list[Named | None]
    texts: list[str | None]
    words: list[list[str]] | None


@strawberry.type
class Query:
    @strawberry.field
    async def lists(self, info: strawberry.Info) -> list[Lists | None]:
        return info.context.lists  # type: ignore[no-any-return]

    @strawberry.field
    def pages(self, info: strawberry.Info) -> list[Lists]:
        return info.context.lists  # type: ignore[no-any-return]


ATTRIBUTES = engine_schema(strawberry.Schema(Query, types=[Item]))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_every_list_that_is_an_attribute(value: Callable[[], Any]) -> None:
    """Lists that Strawberry reads from attributes are those of graphql-core, too."""
    for name in Lists.__annotations__:
        below = "" if name in ("texts", "words") else "{ name ... on Item { maybe } }"
        below = below.replace("Item", "Plain") if name in ("plain", "rows") else below
        await compare(
            ATTRIBUTES,
            f"{{ lists {{ {name} {below} }} }}",
            contexts=lambda _, name=name: SimpleNamespace(  # type: ignore[misc]
                lists=[SimpleNamespace(**{name: value()}), None]
            ),
        )


async def test_items_are_executed_at_once() -> None:
    """Two items of a list wait for each other."""
    barrier = asyncio.Barrier(2)

    async def meets() -> str:
        async with waiting_for("the other item"), barrier:
            return "met"

    running = planned(CORE, "{ it1 { name } }").run(lambda: [Thing(meets), Thing(meets)], None)
    assert (await settled(running)).data == {"it1": [{"name": "met"}] * 2}


class Waiting:
    """A context whose list has items that wait, and others; ``calls`` tells how they ended."""

    def __init__(self, others: Callable[[], list[Any]], within: bool) -> None:
        self.calls: list[str] = []
        self._others = others
        self._within = within

    def __call__(self) -> list[Any]:
        """The list."""
        names = [Thing(lambda: self._waits("a")), self._waits("b")]
        items = [*names, *self._others(), Thing(lambda: self._waits("c")), self._waits("e")]
        return [items, [Thing(lambda: self._waits("d"))]] if self._within else items

    async def _waits(self, name: str) -> Any:
        try:
            for _ in range(9):
                await asyncio.sleep(0)
            self.calls.append(f"{name} ended")
        except asyncio.CancelledError:
            self.calls.append(f"{name} cancelled")
            raise
        return Thing() if name in "be" else name


OTHERS: dict[str, Callable[[], list[Any]]] = {
    "fails later": lambda: [late()],
    "fails at once": lambda: [broken()],
    "null later": lambda: [later(None, 1)],
    "null at once": lambda: [None],
    "none fails": list,
}


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("number", range(len(TYPES)), ids=TYPES)
async def test_what_is_cancelled_is_the_same(others: Callable[[], Any], number: int) -> None:
    """When an item fails, the same others are cancelled, or end, as in graphql-core."""
    within = TYPES[number].startswith("[[")
    source = f"{{ row {{ it{number} {{ name }} other: it{number} {{ maybe }} }} }}"
    contexts = [Waiting(others, within) for _ in range(2)]
    left = iter(contexts)
    await compare(CORE, source, contexts=lambda _: next(left))
    assert all(context.calls for context in contexts)


def calls_of(run: Callable[[], Any]) -> int:
    """How many functions are called until there is a result: the same on every machine."""
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    assert isinstance(result, ExecutionResult)
    assert result.errors is None
    return count


def test_a_list_of_objects_takes_a_quarter_of_the_work() -> None:
    """50 objects of ten fields need at most a quarter of the calls that graphql-core makes."""
    source = (
        f"{{ pages {{ plain {{ {' '.join(f'a{n}: name b{n}: maybe' for n in range(5))} }} }} }}"
    )
    items = [SimpleNamespace(name="n", maybe=None) for _ in range(50)]
    context = SimpleNamespace(lists=[SimpleNamespace(plain=items)])
    plan, document = planned(ATTRIBUTES, source), parse(source)
    plan.run(context, None)  # compiled when it first runs
    own = calls_of(lambda: plan.run(context, None))
    assert calls_of(lambda: execute(ATTRIBUTES, document, context_value=context)) >= 4 * own


async def test_items_are_read_no_further_than_asked() -> None:
    """An iterator is asked for an item when the one before has been begun."""
    seen: list[str] = []

    def told(name: str) -> str:
        seen.append(f"{name} is read")
        return name

    def items() -> Iterator[Any]:
        for name in "ab":
            seen.append(f"{name} is made")
            yield Thing(lambda name=name: told(name))  # type: ignore[misc]

    result = planned(CORE, "{ it1 { name } }").run(items, None)
    assert isinstance(result, ExecutionResult)
    assert result.data == {"it1": [{"name": "a"}, {"name": "b"}]}
    assert seen == ["a is made", "a is read", "b is made", "b is read"]
