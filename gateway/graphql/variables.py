"""Variables that must not be null although their types allow it.

A variable of a nullable type with a default may stand where null is not allowed (GraphQL
specification, "All Variable Usages Are Allowed"); an explicit null is then an error of the field
that uses it. In the middle of a mutation that is too late: what has run cannot be taken back.
"""

from collections.abc import Mapping, Sequence

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NonNullTypeNode,
    OperationDefinitionNode,
    VariableDefinitionNode,
    is_input_object_type,
    is_non_null_type,
)

from gateway.graphql.names import shortened
from gateway.graphql.plan.values import compile_variables
from gateway.graphql.validation import Validation


class NonNullVariables:
    """Finds nulls among the variables of one operation of a valid document, before it runs."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        declared = operation.variable_definitions or ()
        nullable = [one for one in declared if not isinstance(one.type, NonNullTypeNode)]
        self._checked = _in_non_null_places(schema, document, operation, nullable)
        self._coerced = (
            compile_variables(schema, declared, hide_suggestions=True) if self._checked else None
        )

    def errors(self, given: Mapping[str, object] | None) -> list[GraphQLError]:
        """An error for each null; none where values do not fit their types, which is told later."""
        values = self._coerced(given) if self._coerced else []
        if isinstance(values, list):
            return []
        return [
            _must_not_be_null(node)
            for node in self._checked
            if values.coerced.get(node.variable.name.value, "") is None
        ]


def _in_non_null_places(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    nullable: Sequence[VariableDefinitionNode],
) -> list[VariableDefinitionNode]:
    """Those of the variables that are used, here or in a fragment, where null is not allowed."""
    if not nullable:
        return []
    validation = Validation(schema, document, hide_suggestions=True)
    strict = {
        usage.node.name.value
        for usage in validation.usages(operation)
        if is_non_null_type(usage.type) or _is_one_of(usage.parent_type)
    }
    return [one for one in nullable if one.variable.name.value in strict]


def _is_one_of(type_: object) -> bool:
    return is_input_object_type(type_) and type_.is_one_of


def _must_not_be_null(node: VariableDefinitionNode) -> GraphQLError:
    name = shortened(node.variable.name.value)
    message = f"Variable '${name}' must not be null: it is used where null is not allowed."
    return GraphQLError(message, node)
