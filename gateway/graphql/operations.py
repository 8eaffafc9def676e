"""What is known of a document's operations before they run: found out once, kept with the document.

source text ──► Documents.prepare ──► ReadyDocument ──► Operation ──► run
                 parse, limits,         by name          a compiled plan, or
                 validation                              graphql-core's own walk
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    execute,
    get_operation_ast,
)

from gateway.graphql.cache import OPERATION, Weight
from gateway.graphql.names import NAME_LENGTH
from gateway.graphql.plan.plan import compile_plan, fragments_of
from gateway.graphql.variables import NonNullVariables

MOST_DIGITS = 8


class ReadyOperation:
    """One operation of a valid document, ready to be run any number of times."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        node: OperationDefinitionNode,
        *,
        suggestions: bool,
        weight: Weight,
    ) -> None:
        self.kind = node.operation
        self.facts = facts_of(node, document)
        self._schema = schema
        self._document = document
        self._name = node.name.value if node.name else None
        self._hide_suggestions = not suggestions
        self._non_null = NonNullVariables(schema, document, node)
        self._plan = compile_plan(
            schema, document, node, hide_suggestions=not suggestions, weight=weight
        )
        weight.add(OPERATION)

    def run(
        self, context: Any, variables: Mapping[str, Any] | None
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """What graphql-core's ``execute`` answers, by the plan where there is one.

        Variables that are null and must not be are refused before anything runs.
        """
        if nulls := self._non_null.errors(variables):
            return ExecutionResult(None, nulls)
        if self._plan is not None:
            return self._plan.run(context, variables)
        return execute(
            self._schema,
            self._document,
            context_value=context,
            variable_values=dict(variables) if variables is not None else None,
            operation_name=self._name,
            hide_suggestions=self._hide_suggestions,
        )


class ReadyDocument:
    """A document that was found good; ``node`` is not to be changed.

    What its operations come to is added to ``weight`` when they are first asked for and run.
    """

    def __init__(
        self, schema: GraphQLSchema, node: DocumentNode, weight: Weight, *, suggestions: bool
    ) -> None:
        self.node = node
        self._weight = weight
        self._schema = schema
        self._suggestions = suggestions
        self._operations: dict[str | None, ReadyOperation] = {}

    def operation(self, name: str | None) -> ReadyOperation | None:
        """The operation of this name; without a name the only one. None where there is none."""
        found = self._operations.get(name)
        if found is None and (node := get_operation_ast(self.node, name)) is not None:
            found = ReadyOperation(
                self._schema, self.node, node, suggestions=self._suggestions, weight=self._weight
            )
            self._operations[name] = found  # as many as the document has names, at most
        return found


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be told of an operation: names of GraphQL's grammar, never a value."""

    name: str | None
    kind: str
    fields: tuple[str, ...]


def facts_of(operation: OperationDefinitionNode, document: DocumentNode) -> Facts:
    """The facts of an operation; a long name is cut."""
    return Facts(
        name=shown_name(operation.name.value) if operation.name else None,
        kind=operation.operation.value,
        fields=tuple(sorted(_root_fields(operation.selection_set, document))),
    )


def shown_name(name: str) -> str:
    """What is told of a name that a caller made up: its first 64 characters.

    A name may have any digits: as many as a card number has are not told.
    """
    many = sum(map(str.isdigit, name)) > MOST_DIGITS
    return "…" if many else name[:NAME_LENGTH]


def _root_fields(selection_set: SelectionSetNode, document: DocumentNode) -> set[str]:
    """The names of the fields at the top, those in fragments included."""
    fragments = fragments_of(document)
    found: set[str] = set()
    left, seen = [selection_set], set[str]()
    while left:
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                found.add(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                left.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                left.append(fragments[node.name.value].selection_set)
    return found
