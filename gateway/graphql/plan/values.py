"""The values of a plan: variables and arguments on their way in, leaves on their way out.

How it works
------------
Each function looks at types and document once and gives back a function for each run. That one
knows the plain case by itself: where graphql-core would, after many questions, return the value as
it is. Anything else it asks of graphql-core, so that results and errors are the same by
construction::

    variables   text for String and ID              else  get_variable_values
    arguments   variables, literals of scalars      else  get_argument_values
    leaves      text, truth values, enum members,
                what scalars make of usual classes  else  the type's own coerce_output_value
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_nullable_type,
    is_required_argument,
    specified_scalar_types,
)
from graphql.language import FieldNode
from graphql.utilities import coerce_input_literal

from gateway.graphql.plan.compat import (
    CustomGraphQLEnumType,
    GraphQLVariableSignature,
    Undefined,
    VariableValues,
    VariableValueSource,
    definition_of,
    get_argument_values,
    get_variable_signature,
    get_variable_values,
    is_awaitable,
    is_read_from_attribute,
)

Variables: TypeAlias = Callable[[Mapping[str, Any] | None], VariableValues | list[GraphQLError]]
Arguments: TypeAlias = Callable[[VariableValues], dict[str, Any]]
Leaf: TypeAlias = Callable[[Any], Any]

# Of these classes nothing can be awaited or raised.
_PLAIN = frozenset({str, int, float, bool, datetime, date, Decimal, UUID})
MOST_ERRORS = 50  # of variables: graphql.execute's default


def compile_variables(
    schema: GraphQLSchema, nodes: Sequence[VariableDefinitionNode], *, hide_suggestions: bool
) -> Variables:
    """What makes an operation's variables of what a request brings; errors are returned."""

    def ask(given: Mapping[str, Any] | None) -> VariableValues | list[GraphQLError]:
        found = get_variable_values(
            schema, nodes, dict(given or {}), MOST_ERRORS, hide_suggestions=hide_suggestions
        )
        return _without_frames(found) if isinstance(found, list) else found

    signatures = [get_variable_signature(schema, node) for node in nodes]
    texts = [one for one in signatures if isinstance(one, GraphQLVariableSignature) and _text(one)]
    return _texts(texts, ask) if len(texts) == len(nodes) else ask


def _without_frames(errors: list[GraphQLError]) -> list[GraphQLError]:
    """The errors without the frames in which they arose: these hold them, and all variables, so
    that only the garbage collector would free them.
    """
    for error in errors:
        for one in (error, error.original_error):
            if one is not None:
                one.__traceback__ = None
    return errors


def _text(signature: GraphQLVariableSignature) -> bool:
    return get_nullable_type(signature.type) in (GraphQLString, GraphQLID)


def _texts(signatures: list[GraphQLVariableSignature], ask: Variables) -> Variables:
    named = [(one.name, one) for one in signatures]

    def take(given: Mapping[str, Any] | None) -> VariableValues | list[GraphQLError]:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature in named:
            value = given.get(name) if given else None
            if type(value) is not str:  # a number for an ID, null, missing: who knows
                return ask(given)
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = value
        return VariableValues(sources, coerced)

    return take


def compile_arguments(field: GraphQLField, node: FieldNode, *, hide_suggestions: bool) -> Arguments:
    """What makes a field's arguments of the variables; raises GraphQLError as graphql-core does."""

    def ask(variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(field, node, variables, None, hide_suggestions)

    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    parts: list[tuple[str, str | None, Any]] = []
    for name, argument in field.args.items():
        value, out_name = given.get(name), argument.out_name or name
        if isinstance(value, VariableNode):
            parts.append((out_name, value.name.value, None))
        elif value is not None:
            constant = _constant(value, argument)
            if constant is None:
                return ask
            parts.append((out_name, None, constant))
        elif is_required_argument(argument) or _has_default(argument):
            return ask
    return _parts(parts, ask)


def _constant(node: ValueNode, argument: GraphQLArgument) -> Any:
    """What a literal comes to, where it is the same and cannot be changed; else None."""
    if get_nullable_type(argument.type) not in specified_scalar_types.values():
        return None
    value = coerce_input_literal(node, argument.type)
    return None if value is Undefined else value


def _has_default(argument: GraphQLArgument) -> bool:
    return argument.default is not None or argument.default_value is not Undefined


def _parts(parts: list[tuple[str, str | None, Any]], ask: Arguments) -> Arguments:
    def take(variables: VariableValues) -> dict[str, Any]:
        arguments = {}
        for out_name, variable, value in parts:
            if variable is not None:
                value = variables.coerced.get(variable)
                if value is None:  # null, or missing: the types decide what that means
                    return ask(variables)
            arguments[out_name] = value
        return arguments

    return take


def attribute_of(field: GraphQLField) -> str | None:
    """The attribute that a field of Strawberry is read from, where its resolver does just that."""
    known = definition_of(field)
    return known.python_name if known and is_read_from_attribute(field, known) else None


def compile_leaf(type_: Any) -> Leaf:
    """What is shown for a plain value of this type; None for any value that is not plain."""
    if type_ in (GraphQLString, GraphQLID):
        return _plain_text
    if type_ is GraphQLBoolean:
        return _plain_truth
    if isinstance(type_, CustomGraphQLEnumType):
        return _plain_member(type_)
    return _plain_scalar(type_) if isinstance(type_, GraphQLScalarType) else _not_plain


def _plain_text(value: Any) -> Any:
    return value if type(value) is str else None


def _plain_truth(value: Any) -> Any:
    return value if type(value) is bool else None


def _not_plain(value: Any) -> Any:
    return None


def _plain_scalar(type_: GraphQLScalarType) -> Leaf:
    coerce = type_.coerce_output_value

    def show(value: Any) -> Any:
        if type(value) not in _PLAIN:
            return None
        try:
            shown = coerce(value)
        except Exception:  # raised again where an error is expected
            return None
        return shown if type(shown) in _PLAIN else None

    return show


def _is_plain(value: Any) -> bool:
    return not (is_awaitable(value) or isinstance(value, Exception))


def _plain_member(type_: CustomGraphQLEnumType) -> Leaf:
    # By identity: a member's hash is computed in Python, and its class may say what equals it.
    wrapped: Any = type_.wrapped_cls
    members = [one for one in wrapped if _is_plain(one)]
    shown = {id(one): type_.coerce_output_value(one) for one in members}

    def show(value: Any, _alive: object = members) -> Any:
        return shown.get(id(value))

    return show
