"""Whether the fields of a document can be merged, in time proportional to its fields.

The rule of the specification ("Field Selection Merging") compares pairs, and so does graphql-core:
30 fragments with the same 15 fields are some 20,000 comparisons. Here, as in Sangria and
graphql-java, the fields of a response name are put together once, with fragments in their places,
and each is compared with the first of them alone::

    shape   all fields of a name, whatever their parents: the same lists, non-nulls and leaf types
    field   those of the same parent, and of interfaces and unions: the same name and arguments

What they select is put together in the same way, and checked likewise. The document has been found
valid by all other rules; its fragments form no cycles.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

MOST_STEPS = 5_000  # selections that are looked at for a document, as often as they are


class TooManySteps(Exception):
    """The fields of the document stand for too many others."""


class _Field(NamedTuple):
    node: FieldNode
    parent: Any
    type: Any  # None for __typename and introspection, whose types are not compared


_Part: TypeAlias = tuple[Any, SelectionSetNode]


class Overlaps:
    """Looks for fields that cannot be merged; ``report`` gets an error for each such pair."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        report: Callable[[GraphQLError], None],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._report = report
        self._left = MOST_STEPS
        self._arguments: dict[int, Any] = {}
        self._reported: set[tuple[int, int]] = set()

    def check(self, operation: OperationDefinitionNode) -> None:
        """Check an operation with its fragments; raises TooManySteps."""
        root = self._schema.get_root_type(operation.operation)
        fields = self._collected([(root, operation.selection_set)])
        self._check(fields, shapes=True, names=True)

    def _collected(self, parts: list[_Part]) -> dict[str, list[_Field]]:
        """The fields of these selections by response name; each fragment is gone into once."""
        fields: dict[str, list[_Field]] = {}
        entered: set[str] = set()
        while parts:
            parent, selection_set = parts.pop()
            self._spend(len(selection_set.selections))
            for node in selection_set.selections:
                if isinstance(node, FieldNode):
                    field = _field(node, parent)
                    fields.setdefault((node.alias or node.name).value, []).append(field)
                elif isinstance(node, InlineFragmentNode):
                    parts.append(self._part(node, parent))
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in entered:
                    entered.add(node.name.value)
                    parts.append(self._part(self._fragments[node.name.value], parent))
        return fields

    def _part(self, node: InlineFragmentNode | FragmentDefinitionNode, parent: Any) -> _Part:
        return self._type(node.type_condition, parent), node.selection_set

    def _type(self, condition: Any, parent: Any) -> Any:
        return self._schema.type_map[condition.name.value] if condition else parent

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooManySteps

    def _check(self, fields: dict[str, list[_Field]], *, shapes: bool, names: bool) -> None:
        for key, same in fields.items():
            if shapes and len(same) > 1:
                self._compare_shapes(key, same)
            groups = _by_parent(same) if names else []
            for group in groups:
                self._compare_fields(key, group)
            if len(groups) == 1:
                self._below(same, shapes=shapes, names=True)
                continue
            if shapes:
                self._below(same, shapes=True, names=False)
            for group in groups:
                self._below(group, shapes=False, names=True)

    def _below(self, same: list[_Field], *, shapes: bool, names: bool) -> None:
        parts = [
            (get_named_type(self._schema.get_field(parent, node.name.value).type), below)  # type: ignore[union-attr]
            for node, parent, _ in same
            if (below := node.selection_set)
        ]
        if parts:
            self._check(self._collected(parts), shapes=shapes, names=names)

    def _compare_shapes(self, key: str, same: list[_Field]) -> None:
        typed = [field for field in same if field.type]
        for field in typed[1:]:
            first = typed[0]
            if field.type is not first.type and _shape(field.type) != _shape(first.type):
                reason = f"they return conflicting types '{first.type}' and '{field.type}'"
                self._conflict(key, reason, first, field)

    def _compare_fields(self, key: str, group: list[_Field]) -> None:
        first = group[0]
        for field in group[1:]:
            names = first.node.name.value, field.node.name.value
            if names[0] != names[1]:
                self._conflict(key, f"'{names[0]}' and '{names[1]}' are different fields",
                               first, field)  # fmt: skip
            elif self._given(first.node) != self._given(field.node):
                self._conflict(key, "they have differing arguments", first, field)

    def _given(self, node: FieldNode) -> Any:
        if not node.arguments:
            return None
        known = self._arguments.get(id(node))
        if known is None:
            known = {one.name.value: _value(one.value) for one in node.arguments}
            self._arguments[id(node)] = known
        return known

    def _conflict(self, key: str, reason: str, first: _Field, other: _Field) -> None:
        pair = id(first.node), id(other.node)
        if pair in self._reported:
            return
        self._reported.add(pair)
        message = (
            f"Fields '{key}' conflict because {reason}."
            " Use different aliases on the fields to fetch both if this was intentional."
        )
        self._report(GraphQLError(message, [first.node, other.node]))


def _field(node: FieldNode, parent: Any) -> _Field:
    known = getattr(parent, "fields", {}).get(node.name.value)
    return _Field(node, parent, known.type if known else None)


def _by_parent(same: list[_Field]) -> list[list[_Field]]:
    """The fields that can apply to one object: of one object type, and of all that is abstract."""
    first = same[0].parent
    if all(field.parent is first for field in same):
        return [same]
    abstract = [field for field in same if not is_object_type(field.parent)]
    groups: dict[str, list[_Field]] = {}
    for field in same:
        if is_object_type(field.parent):
            groups.setdefault(field.parent.name, [*abstract]).append(field)
    return list(groups.values()) or [abstract]


def _shape(type_: Any) -> list[Any]:
    """What has to be the same of types whose values stand under one name."""
    shape: list[Any] = []
    while is_list_type(type_) or is_non_null_type(type_):
        shape.append(type(type_))
        type_ = type_.of_type
    return [*shape, type_ if is_leaf_type(type_) else None]


def _value(node: Any) -> Any:
    """What equals for values that are written alike; input fields may be in any order."""
    if isinstance(node, VariableNode):
        return "$", node.name.value
    if isinstance(node, ObjectValueNode):
        return {one.name.value: _value(one.value) for one in node.fields}
    if isinstance(node, ListValueNode):
        return [_value(one) for one in node.values]
    if isinstance(node, StringValueNode):
        return node.kind, node.value, node.block is True
    return node.kind, getattr(node, "value", None)
