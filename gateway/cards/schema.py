"""The GraphQL schema, made from the operations."""

from functools import cache
from typing import Literal

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types import get_object_definition

from gateway.cards.money import SCALARS as MONEY_SCALARS
from gateway.cards.operations import OPERATIONS
from gateway.cards.types import SCALARS


def _complete_types() -> None:
    """Give the types of objects those of their fields that are declared as operations.

    The types refer to each other, so none of them could be declared with the others' fields.
    """
    for operation in OPERATIONS:
        if operation.parent is None:
            continue
        definition = get_object_definition(operation.parent, strict=True)
        if operation.field not in definition.fields:
            definition.fields.append(operation.field)


def _root(kind: Literal["query", "mutation"], description: str) -> type:
    fields = [operation.field for operation in OPERATIONS if operation.kind == kind]
    return create_type(kind.capitalize(), fields, description=description)


def _schema(*, sort: bool) -> strawberry.Schema:
    _complete_types()
    query = _root("query", "What can be read.")
    mutation = _root(
        "mutation", "What can be done. Everything here is safe to repeat with its key."
    )
    config = StrawberryConfig(scalar_map=SCALARS | MONEY_SCALARS, sort_schema=sort)
    return strawberry.Schema(query, mutation, config=config)


@cache
def build_schema() -> strawberry.Schema:
    """The GraphQL schema, ready to be executed; it never changes, and is built once."""
    return _schema(sort=False)


def schema_text() -> str:
    """The schema in SDL, sorted so that it is stable, with a line break at its end."""
    # Sorting copies the types, and Strawberry's unions then no longer know their members: a
    # sorted schema can be printed, not executed.
    return _schema(sort=True).as_str() + "\n"
