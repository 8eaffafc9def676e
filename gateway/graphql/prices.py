"""What the fields of a schema cost, by name: found out from their resolvers and declarations.

A document is measured before it is validated, when nobody knows yet on which type a field stands.
So a name has one price wherever it stands: the highest that a field of this name has.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from gateway.graphql.plan.compat import EXPECTED_ITEMS, expected_items, is_awaited


class Prices(NamedTuple):
    """The names of the fields that do not just cost 1."""

    remote: frozenset[str]
    """Those whose resolvers are coroutine functions: only they can call another service."""
    items: Mapping[str, int]
    """For those that are lists of objects: how many items are expected, in all inner lists."""


def prices_of(schema: GraphQLSchema) -> Prices:
    """The prices of the schema's own fields; those of introspection are not among them.

    Raises ValueError where a list of objects does not declare how many items are expected.
    """
    remote, items = set[str](), dict[str, int]()
    for parent, name, field in _fields(schema):
        if is_awaited(field):
            remote.add(name)
        if _is_list_of_objects(field.type):
            items[name] = max(items.get(name, 0), _items(f"{parent}.{name}", field))
    return Prices(frozenset(remote), items)


def _fields(schema: GraphQLSchema) -> Iterator[tuple[str, str, GraphQLField]]:
    for parent, type_ in schema.type_map.items():
        if parent.startswith("__"):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            yield from ((parent, name, field) for name, field in type_.fields.items())


def _is_list_of_objects(type_: Any) -> bool:
    return is_list_type(get_nullable_type(type_)) and is_composite_type(get_named_type(type_))


def _items(place: str, field: GraphQLField) -> int:
    items = expected_items(field)
    if type(items) is not int or items < 1:
        raise ValueError(
            f"{place} is a list of objects and does not say how many are expected: "
            f"give the field metadata={{{EXPECTED_ITEMS!r}: N}}, a whole number from 1."
        )
    return items
