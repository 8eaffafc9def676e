"""How large a document may be, and how large it is: one number per fragment, no recursion.

A fragment that spreads two others doubles with each step: 18 of them in under 1,000 characters
stand for 262,144 fields. Here each fragment is measured once and its numbers are added where it
is spread, so that measuring takes time in proportion to the text, whatever the text stands for.
It comes before graphql-core's validation, which is not as careful everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
)

from gateway.errors import DocumentTooLarge
from gateway.graphql.literals import count_values
from gateway.graphql.prices import Prices

# Every field costs 1, and one that may call another service this much more. What is selected in a
# list of objects is paid for once for each item that is expected.
REMOTE_CALL = 10

# Introspection is as deep as its own rule of graphql-core permits: the query that every tool
# sends is 15 deep, and is no reason to let anything else be.
_INTROSPECTION = frozenset({"__schema", "__type"})
_MOST = 1_000_000  # larger numbers are not told apart: they could have hundreds of digits


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The most that one document may have; characters, tokens and so on are counted as one each."""

    source_length: int
    lines: int
    tokens: int
    comments: int
    depth: int
    cost: int
    root_mutation_fields: int
    errors: int
    operations: int
    values: int
    value_nesting: int


class Measure(NamedTuple):
    """What a part of a document comes to, with its fragments in their places."""

    depth: int = 0  # fields within fields
    fields: int = 0
    cost: int = 0
    roots: int = 0  # fields at the top


class _Spread(NamedTuple):
    name: str
    level: int | None  # how deep it stands; None where depth is not counted
    at_top: bool
    times: int  # the expected items of the lists that it stands in


class _Place(NamedTuple):
    level: int | None
    at_top: bool
    times: int


class _Part:
    """One definition by itself: its own numbers, and the fragments to be added."""

    def __init__(self, selection_set: SelectionSetNode, prices: Prices) -> None:
        self._prices = prices
        self.own = Measure()
        self.spreads: list[_Spread] = []
        self._left = [(selection_set, _Place(0, True, 1))]
        while self._left:
            current, place = self._left.pop()
            for node in current.selections:
                self._add(node, place)

    def _add(self, node: SelectionNode, place: _Place) -> None:
        if isinstance(node, FragmentSpreadNode):
            self.spreads.append(_Spread(node.name.value, *place))
            return
        inside = place
        if isinstance(node, FieldNode):
            inside = self._count(node.name.value, place)
        nested: SelectionSetNode | None = getattr(node, "selection_set", None)
        if nested:
            self._left.append((nested, inside))

    def _count(self, name: str, place: _Place) -> _Place:
        level = None if place.level is None else place.level + 1
        depth, count, cost, roots = self.own
        price = 1 + (REMOTE_CALL if name in self._prices.remote else 0)
        self.own = Measure(
            max(depth, level or 0),
            count + 1,
            min(cost + place.times * price, _MOST),
            roots + place.at_top,
        )
        items = 1 if level is None else self._prices.items.get(name, 1)
        times = min(place.times * items, _MOST)
        return _Place(None if name in _INTROSPECTION else level, False, times)

    def total(self, known: Mapping[str, Measure]) -> Measure:
        """Its numbers with those of its fragments; what is not known adds nothing."""
        depth, count, cost, roots = self.own
        for name, level, at_top, times in self.spreads:
            inner = known.get(name, Measure())
            depth = max(depth, 0 if level is None else level + inner.depth)
            count = min(count + inner.fields, _MOST)
            cost = min(cost + times * inner.cost, _MOST)
            roots = min(roots + at_top * inner.roots, _MOST)
        return Measure(depth, count, cost, roots)


@dataclass(frozen=True, slots=True)
class DocumentMeasure:
    """A document's largest operation in each respect; ``fields`` counts unused fragments too."""

    depth: int
    fields: int
    cost: int
    root_mutation_fields: int
    operations: int
    values: int


def measure(document: DocumentNode, prices: Prices) -> DocumentMeasure:
    """Measure a parsed document that may be invalid in any way; numbers end at a million."""
    parts = {
        one.name.value: _fragment(one, prices)
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    known = _totals(parts)
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    found = [_Part(one.selection_set, prices).total(known) for one in operations]
    mutations = [
        total.roots
        for operation, total in zip(operations, found, strict=True)
        if operation.operation is OperationType.MUTATION
    ]
    return DocumentMeasure(
        operations=len(operations),
        values=count_values(document),
        depth=max((one.depth for one in found), default=0),
        fields=max((one.fields for one in [*known.values(), *found]), default=0),
        cost=max((one.cost for one in found), default=0),
        root_mutation_fields=max(mutations, default=0),
    )


def _fragment(node: FragmentDefinitionNode, prices: Prices) -> _Part:
    # The lists of introspection, such as "fields", are not those of the schema with such a name.
    in_schema = not node.type_condition.name.value.startswith("__")
    return _Part(node.selection_set, prices if in_schema else prices._replace(items={}))


def _totals(parts: Mapping[str, _Part]) -> dict[str, Measure]:
    """Each fragment's numbers; a spread that closes a cycle adds nothing, validation refuses it."""
    known: dict[str, Measure] = {}
    for name in parts:
        path = [] if name in known else [(name, iter(parts[name].spreads))]
        on_path = {name}
        while path:
            current, spreads = path[-1]
            if (below := _next(spreads, parts, known, on_path)) is not None:
                path.append((below, iter(parts[below].spreads)))
                on_path.add(below)
            else:
                known[current] = parts[current].total(known)
                on_path.remove(current)
                path.pop()
    return known


def _next(
    spreads: Iterator[_Spread],
    parts: Mapping[str, _Part],
    known: Mapping[str, Measure],
    on_path: set[str],
) -> str | None:
    for spread in spreads:
        if spread.name in parts and spread.name not in known and spread.name not in on_path:
            return spread.name
    return None


def text_errors(source: str, limits: DocumentLimits) -> list[GraphQLError]:
    """What is too large before anything is parsed.

    The place of each error is found by counting the lines before it, from the first one on.
    """
    if len(source) > limits.source_length:
        return [too_large("source_length", limits, f"has {len(source):,} characters")]
    lines = 1 + source.count("\n") + source.count("\r") - source.count("\r\n")
    return [too_large("lines", limits, f"has {lines:,} lines")] if lines > limits.lines else []


def shape_errors(found: DocumentMeasure, limits: DocumentLimits) -> list[GraphQLError]:
    """What is too large whatever the schema says; to be asked before validation.

    The price of calls is left out: a refusal for it would tell which names are in the schema.
    """
    wrong = []
    if found.depth > limits.depth:
        wrong.append(too_large("depth", limits, f"is {found.depth:,} fields deep"))
    if found.fields > limits.cost:
        wrong.append(too_large("cost", limits, f"has a cost of {found.fields:,} or more"))
    if found.operations > limits.operations:
        wrong.append(too_large("operations", limits, f"has {found.operations:,} operations"))
    if found.values > limits.values:
        wrong.append(too_large("values", limits, f"has {found.values:,} values"))
    if found.root_mutation_fields > limits.root_mutation_fields:
        what = f"asks for {found.root_mutation_fields:,} mutations"
        wrong.append(too_large("root_mutation_fields", limits, what))
    return wrong


def cost_errors(found: DocumentMeasure, limits: DocumentLimits) -> list[GraphQLError]:
    """What is too costly in a valid document, calls included."""
    if found.cost <= limits.cost:
        return []
    return [too_large("cost", limits, f"has a cost of {found.cost:,}")]


def too_large(limit: str, limits: DocumentLimits, what: str) -> GraphQLError:
    """The error of one limit; ``what`` says what the document is or has."""
    most = getattr(limits, limit)
    return limit_error(limit, f"The document {what}; at most {most:,} is allowed.")


def too_long_a_walk(walk: int, most: int) -> GraphQLError:
    """The error of introspection that executes so many fields."""
    message = f"The document asks for {walk:,} fields of the schema; at most {most:,} is allowed."
    return limit_error("introspection", message)


def limit_error(limit: str, message: str) -> GraphQLError:
    """A document passes a limit, which has this name for programs and for metrics."""
    return GraphQLError(message, extensions={"code": DocumentTooLarge.code, "limit": limit})
