"""What introspection walks: a field below a list is executed for each of its items.

Those lists are as long as the schema is large, so that a short query is a long walk: all types,
times all their fields, times all arguments. The walk of a document is counted from these lengths,
without walking; a document may walk a little more than the query that every tool sends.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    is_abstract_type,
    is_input_object_type,
    is_wrapping_type,
    parse,
)

_ROOTS = frozenset({"__schema", "__type"})
_LISTS = ("fields", "args", "inputFields", "enumValues", "interfaces", "possibleTypes")
_ALL = "types"  # below __schema; further lists add to the path, such as types.fields.args
_ONE = ""  # one object of unknown name
_WRAPPED = "type"  # a type that may be a list or a non-null: ofType goes in, as deep as there is
_SPARE = 1.25


class Introspection:
    """Counts how many fields an operation executes that ask for the schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        types = [_lengths(schema, one) for one in schema.type_map.values()]
        self._counts = {_ONE: 1, _ALL: len(types)}
        self._counts |= dict.fromkeys(_wrapped(schema), 1)
        self._longest = {"directives": len(schema.directives)}
        for name in _LISTS:
            lengths = [length for one in types for length in one[name]]
            place = f"{_ALL}.fields.{name}" if name == "args" else f"{_ALL}.{name}"
            self._counts[place] = sum(lengths)
            self._longest[name] = max(lengths)
        standard = get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
        )
        self.most = int(self.walk(parse(standard)) * _SPARE)

    def walk(self, document: DocumentNode) -> int:
        """The fields of the operation that walks most; the document is valid."""
        fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        walk = _Walk(self._counts, self._longest, fragments)
        operations = [
            one.selection_set
            for one in document.definitions
            if isinstance(one, OperationDefinitionNode)
        ]
        return max((walk.roots(one) for one in operations), default=0)


class _Walk:
    """Each fragment is measured once for each place in the schema where it is spread."""

    def __init__(
        self,
        counts: Mapping[str, int],
        longest: Mapping[str, int],
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._counts = counts
        self._longest = longest
        self._fragments = fragments
        self._known: dict[tuple[str, str | None], int] = {}

    def roots(self, selection_set: SelectionSetNode) -> int:
        """What the fields __schema and __type among these come to; other fields cost nothing."""
        return self._sum(selection_set, None)

    def _sum(self, selection_set: SelectionSetNode, place: str | None) -> int:
        return sum(self._one(node, place) for node in selection_set.selections)

    def _one(self, node: Any, place: str | None) -> int:
        if isinstance(node, FieldNode):
            return self._field(node, place)
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value, place)
        return self._sum(node.selection_set, place)

    def _fragment(self, name: str, place: str | None) -> int:
        known = self._known.get((name, place))
        if known is None:
            known = self._sum(self._fragments[name].selection_set, place)
            self._known[name, place] = known
        return known

    def _field(self, node: FieldNode, place: str | None) -> int:
        name, below = node.name.value, node.selection_set
        if place is None:
            return 1 + self._sum(below, _ONE) if name in _ROOTS and below else 0
        count = self._counts[place]
        if below is None:
            return count
        inner = name if place == _ONE and name == _ALL else f"{place}.{name}"
        if inner in self._counts:
            return count + self._sum(below, inner)
        if name == "ofType":
            return count  # there is none: types are wrapped less often
        inner = _WRAPPED if name == _WRAPPED else _ONE
        return count * (1 + self._longest.get(name, 1) * self._sum(below, inner))


def _wrapped(schema: GraphQLSchema) -> list[str]:
    """The places of a type and of what is in it: type, type.ofType, type.ofType.ofType ..."""
    fields = [
        one
        for type_ in schema.type_map.values()
        for field in getattr(type_, "fields", {}).values()
        for one in (field, *getattr(field, "args", {}).values())
    ]
    deepest = max(map(_wrappers, (one.type for one in fields)), default=0)
    return [_WRAPPED + ".ofType" * depth for depth in range(deepest + 1)]


def _wrappers(type_: Any) -> int:
    depth = 0
    while is_wrapping_type(type_):
        type_, depth = type_.of_type, depth + 1
    return depth


def _lengths(schema: GraphQLSchema, type_: Any) -> dict[str, list[int]]:
    """The lengths of a type's lists; there is one of arguments for each field."""
    fields = getattr(type_, "fields", {})
    takes_input = is_input_object_type(type_)
    return {
        "fields": [0 if takes_input else len(fields)],
        "inputFields": [len(fields) if takes_input else 0],
        "args": [0 if takes_input else len(one.args) for one in fields.values()],
        "enumValues": [len(getattr(type_, "values", ()))],
        "interfaces": [len(getattr(type_, "interfaces", ()))],
        "possibleTypes": [len(schema.get_possible_types(type_)) if is_abstract_type(type_) else 0],
    }
