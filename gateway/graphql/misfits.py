"""Which parts of a literal do not fit its type: graphql-core's verdict, without printing values.

graphql-core prints the whole literal for each error in it, and such a message must not be shown.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from graphql import (
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    is_specified_scalar_type,
)
from graphql.pyutils import Undefined, did_you_mean, suggestion_list
from graphql.utilities import coerce_input_literal

_NO_FIT = "This value does not have the type that the schema asks for here."


class Misfit(NamedTuple):
    """Where a literal does not fit, and why, without any value."""

    node: Node
    reason: str


def misfits_of(node: ValueNode, type_: Any, *, suggestions: bool) -> Iterator[Misfit]:
    """The parts that do not fit; variables are left to other rules."""
    if isinstance(node, VariableNode):
        return
    if is_non_null_type(type_):
        type_ = type_.of_type
        if isinstance(node, NullValueNode):
            yield Misfit(node, _NO_FIT)
            return
    if isinstance(node, NullValueNode):
        return
    if is_list_type(type_):
        for item in node.values if isinstance(node, ListValueNode) else [node]:
            yield from misfits_of(item, type_.of_type, suggestions=suggestions)
    elif is_input_object_type(type_):
        yield from _of_object(node, type_, suggestions=suggestions)
    elif not _is_leaf(node, type_):
        yield Misfit(node, _NO_FIT)


def _is_leaf(node: ValueNode, type_: Any) -> bool:
    plain = is_enum_type(type_) or is_specified_scalar_type(type_)
    if plain and isinstance(node, ListValueNode | ObjectValueNode):
        return False  # these would be printed
    return coerce_input_literal(node, type_) is not Undefined


def _of_object(node: ValueNode, type_: Any, *, suggestions: bool) -> Iterator[Misfit]:
    if not isinstance(node, ObjectValueNode):
        yield Misfit(node, _NO_FIT)
        return
    given = {field.name.value: field for field in node.fields}
    for name, field in type_.fields.items():
        if name in given:
            yield from misfits_of(given[name].value, field.type, suggestions=suggestions)
        elif is_required_input_field(field):
            yield Misfit(node, f"Field '{name}' of input '{type_}' is required.")
    for name, unknown in given.items():
        if name not in type_.fields:
            hint = did_you_mean(suggestion_list(name, list(type_.fields))) if suggestions else ""
            yield Misfit(unknown, f"Field '{name}' is not defined by input '{type_}'.{hint}")
    if type_.is_one_of and not _is_one(given, type_):
        yield Misfit(node, f"Exactly one field of input '{type_}' must be given, and not null.")


def _is_one(given: dict[str, Any], type_: Any) -> bool:
    known = [field.value for name, field in given.items() if name in type_.fields]
    return len(known) == 1 and not isinstance(known[0], NullValueNode)
