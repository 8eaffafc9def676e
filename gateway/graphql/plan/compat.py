"""All that a plan takes from the inside of graphql-core and Strawberry, in one file.

None of it is promised by either library: a new release may change it, and then this file has to
follow, and no other. The differential tests tell whether it has.
"""

from collections.abc import Callable
from copy import copy
from inspect import iscoroutinefunction
from typing import Any

import strawberry
from graphql import (
    GraphQLField,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.execution import default_field_resolver, default_type_resolver
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
)
from graphql.execution.executor import (
    CollectedErrors,
    Executor,
    collect_iterator_awaitables,
    invalid_return_type_error,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_argument_values,
    get_variable_values,
)
from graphql.language import FragmentDefinitionNode
from graphql.pyutils import (
    Path,
    Undefined,
    gather_with_cancel,
    is_async_iterable,
    is_awaitable,
    is_iterable,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

__all__ = [
    "EXPECTED_ITEMS",
    "CollectedErrors",
    "Core",
    "CustomGraphQLEnumType",
    "Executor",
    "FieldDetails",
    "GraphQLCoreConverter",
    "GraphQLVariableSignature",
    "GroupedFieldSet",
    "Path",
    "StrawberryField",
    "Undefined",
    "VariableValueSource",
    "VariableValues",
    "collect_fields",
    "collect_iterator_awaitables",
    "converter_of",
    "definition_of",
    "engine_schema",
    "executor_of",
    "expected_items",
    "gather_with_cancel",
    "get_argument_values",
    "get_variable_signature",
    "get_variable_values",
    "info_for",
    "input_definition",
    "invalid_return_type_error",
    "is_async_iterable",
    "is_awaitable",
    "is_awaited",
    "is_coroutine_resolver",
    "is_iterable",
    "is_read_from_attribute",
]

EXPECTED_ITEMS = "expected_items"


def engine_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema of graphql-core behind Strawberry's, which is what the engine executes.

    Raises ValueError where the schema has extensions: only Strawberry's own ``execute`` runs
    those, and here they would be passed over without a word.
    """
    if schema.extensions:
        raise ValueError(
            "The engine runs no extensions of a schema; use extensions of fields, which it runs."
        )
    return schema._schema


def converter_of(schema: GraphQLSchema) -> GraphQLCoreConverter | None:
    """Strawberry's part of the schema, where nothing is set in it that a plan does not know."""
    whole = getattr(schema, "_strawberry_schema", None)
    if not isinstance(whole, strawberry.Schema) or whole.schema_converter.exception_handlers:
        return None
    return whole.schema_converter if whole.config.info_class is strawberry.Info else None


def definition_of(field: GraphQLField) -> StrawberryField | None:
    """What Strawberry knows of a field; None where the field is none of Strawberry's."""
    known = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return known if isinstance(known, StrawberryField) else None


def is_read_from_attribute(field: GraphQLField, known: StrawberryField) -> bool:
    """Whether the field's resolver only reads the attribute of its name."""
    return (
        getattr(field.resolve, "_is_default", False)
        and getattr(field.resolve, "__name__", None) == "_get_basic_result"
        and type(known).get_result is StrawberryField.get_result
        and known.default_resolver is getattr
    )


def is_coroutine_resolver(field: GraphQLField) -> bool:
    """Whether the field's resolver is Strawberry's wrapper around a coroutine function."""
    return getattr(field.resolve, "__name__", None) == "_async_resolver"


def is_awaited(field: GraphQLField) -> bool:
    """Whether the field's resolver is a coroutine function: one that may wait for something."""
    known = definition_of(field)
    if known is None or known.base_resolver is None:
        return iscoroutinefunction(field.resolve)
    return known.base_resolver.is_async


def expected_items(field: GraphQLField) -> object:
    """How many items a list field is declared to have; None where it does not say.

    It is told in the metadata of Strawberry's field, or in the extensions of any other.
    """
    known = definition_of(field)
    return ((known.metadata if known else field.extensions) or {}).get(EXPECTED_ITEMS)


def info_for(info: GraphQLResolveInfo[Any], known: StrawberryField) -> strawberry.Info[Any, Any]:
    """Strawberry's info around that of graphql-core."""
    return strawberry.Info(_raw_info=info, _field=known)


def input_definition(type_: Any) -> StrawberryObjectDefinition:
    """What Strawberry knows of one of its input types."""
    definition: StrawberryObjectDefinition = type_.__strawberry_definition__
    return definition


class Core(Executor[None]):
    """An executor of graphql-core that is told of each field that is compiled."""

    grown: Callable[[int], object]


def executor_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    conditions: dict[str, Any],
    *,
    hide_suggestions: bool,
    grown: Callable[[int], object],
) -> Core:
    """An executor of graphql-core for what does not depend on a run.

    ``conditions`` are the values of the variables that decide which fields there are, and
    ``grown`` gets the number of fields that are compiled each time.
    """
    core = Core(
        schema=schema,
        fragment_definitions=fragments,
        fragments={name: FragmentDetails(one) for name, one in fragments.items()},
        root_value=None,
        context_value=None,
        operation=operation,
        variable_values=VariableValues({}, conditions),
        field_resolver=default_field_resolver,
        type_resolver=default_type_resolver,
        subscribe_field_resolver=default_field_resolver,
        hide_suggestions=hide_suggestions,
    )
    core.grown = grown
    _let_reference_counting_free(core)
    return core


def _let_reference_counting_free(core: Core) -> None:
    """Give an executor helpers that do not refer to it.

    Its own would: only the garbage collector could free both. These refer to a copy of the
    executor, which shares the set of awaitables that they track.
    """
    helper = copy(core)
    del helper.async_helpers
    helper.operation = helper.fragments = helper.fragment_definitions = None  # type: ignore[assignment]
    core.async_helpers = GraphQLResolveInfoHelpers(
        gather=helper.gather_async_work, track=helper.track_async_work
    )
