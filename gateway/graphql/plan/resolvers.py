"""The resolvers of a plan: Strawberry's wrappers with their questions asked once.

How it works
------------
For each call, Strawberry's wrapper asks of each argument what its type is, and looks for the
extensions and permissions that a field may have. Where a field has none of these and its arguments
are scalars, enums, plain input types and lists of them, the way through the wrapper is always the
same::

    arguments by GraphQL name ──► converters, compiled once ──► the resolver's own function

Any other field keeps Strawberry's wrapper.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias

import strawberry
from graphql import GraphQLField, GraphQLSchema
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition

from gateway.graphql.plan.compat import (
    GraphQLCoreConverter,
    StrawberryField,
    converter_of,
    definition_of,
    info_for,
    input_definition,
    is_coroutine_resolver,
)

Resolve: TypeAlias = Callable[..., Any]
Convert: TypeAlias = Callable[[Any], Any]


def direct_resolver(schema: GraphQLSchema, field: GraphQLField) -> Resolve | None:
    """What does as the field's own ``resolve`` does, in fewer steps; None where it is not known."""
    known, converter = definition_of(field), converter_of(schema)
    if converter is None or known is None or not _is_plain(known, field):
        return None
    converts = {
        converter.config.name_converter.from_argument(one): (
            one.python_name,
            _conversion(one.type, converter),
        )
        for one in known.arguments
    }
    if any(convert is None for _, convert in converts.values()):
        return None
    return _resolve(known, converts)


def _is_plain(known: StrawberryField, field: GraphQLField) -> bool:
    """A field whose wrapper only converts the arguments and awaits the function."""
    resolver = known.base_resolver
    return (
        is_coroutine_resolver(field)
        and not known.extensions
        and type(known).get_result is StrawberryField.get_result
        and resolver is not None
        and resolver.is_async
        and resolver.parent_parameter is None
        and resolver.root_parameter is None
    )


def _resolve(known: StrawberryField, converts: dict[str, Any]) -> Resolve:
    function: Any = known.base_resolver
    info_name = function.info_parameter.name if function.info_parameter else None
    is_method = function.self_parameter is not None

    async def resolve(source: Any, info: Any, **given: Any) -> Any:
        arguments = {}
        for name, value in given.items():
            python_name, convert = converts[name]
            arguments[python_name] = convert(value)
        if info_name is not None:
            arguments[info_name] = info_for(info, known)
        return await (function(source, **arguments) if is_method else function(**arguments))

    return resolve


def _conversion(
    type_: Any, converter: GraphQLCoreConverter, around: tuple[Any, ...] = ()
) -> Convert | None:
    """From a coerced value to what the function takes; None for a type that is not known here.

    ``around`` are the input types that it is in: one that holds itself is not known.
    """
    if isinstance(type_, StrawberryMaybe) or type_ in around:
        return None
    if isinstance(type_, StrawberryOptional):
        return _conversion(type_.of_type, converter, around)
    if type_ is not GlobalID and is_scalar(type_, converter.scalar_registry):
        return _as_it_is
    # Its members were found by graphql-core.
    if isinstance(type_, StrawberryEnumDefinition) or has_enum_definition(type_):
        return _as_it_is
    if isinstance(type_, StrawberryList):
        return _list_conversion(_conversion(type_.of_type, converter, around))
    if has_object_definition(type_):
        return _input_conversion(type_, input_definition(type_), converter, around)
    return None


def _as_it_is(value: Any) -> Any:
    return value


def _list_conversion(convert_item: Convert | None) -> Convert | None:
    """The items in a list of their own: a default value is the same list at each run."""
    if convert_item is None:
        return None

    def convert(value: Any) -> Any:
        if value is None or value is strawberry.UNSET:
            return value
        return [convert_item(item) for item in value]

    return convert


def _input_conversion(
    type_: Any,
    definition: StrawberryObjectDefinition,
    converter: GraphQLCoreConverter,
    around: tuple[Any, ...],
) -> Convert | None:
    if not definition.is_input or definition.from_input is not None:
        return None
    fields = [
        (
            converter.config.name_converter.from_field(field),
            field.python_name,
            _conversion(
                field.resolve_type(type_definition=definition), converter, (*around, type_)
            ),
        )
        for field in definition.fields
    ]
    if any(convert is None for _, _, convert in fields):
        return None
    # As Strawberry has it: a field without a default is None where nothing was given.
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    return _input(type_, fields, absent)


def _input(type_: Any, fields: list[Any], absent: dict[str, None]) -> Convert:
    def convert(value: Any) -> Any:
        if value is None or value is strawberry.UNSET:
            return value
        taken = absent.copy()
        for name, python_name, convert_field in fields:
            if name in value:
                taken[python_name] = convert_field(value[name])
        return type_(**taken)

    return convert
