"""A compiled plan: what graphql-core would find out about an operation at each run, found out once.

How it works
------------
``graphql.execute`` looks up, for each field of each request, what cannot change between requests:
which fields a selection comes to, their definitions and types, what Strawberry's resolver does.
A plan keeps the answers, as a tree that is walked in the same order::

    Plan                     one operation of one document
     └ shape                 one set of values of the variables that @skip and @include look at
        └ Selection          the fields of one object type, in response order       fields.py
           ├ _Attribute      a field that Strawberry reads from an attribute
           └ _Field          any other: resolver, info and arguments
              └ completer    by its type: leaf, object, union or interface, list
                 ├ Selection ...
                 └ Items     each completed by the type of the list's items         lists.py

A shape's tree grows when it is first walked, so that compiling costs no more than one execution,
whatever the document stands for. Which fields there are is asked of graphql-core's own functions,
so that merging, fragments and conditions are theirs.

A plan is for a document that was validated against the schema, and does not change it. What it
does not know is refused when it is compiled, never in the middle of a run.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType
from typing import Any, TypeAlias

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    print_ast,
    visit,
)

from gateway.graphql.cache import FIELD, Weight
from gateway.graphql.plan.compat import VariableValues, collect_fields, executor_of
from gateway.graphql.plan.fields import Selection
from gateway.graphql.plan.run import Run
from gateway.graphql.plan.values import compile_variables

MOST_CONDITIONS = 4  # variables of @skip and @include: each doubles what a plan can come to

_Root: TypeAlias = Callable[[Run], Any]


def compile_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    *,
    hide_suggestions: bool = False,
    weight: Weight | None = None,
) -> "Plan | None":
    """The plan of one operation of a valid document; None where only graphql.execute will do.

    That is: subscriptions, directives other than @skip and @include, conditions that may be null
    or that are too many, and fragments with variables. The bytes that the plan takes are added to
    ``weight`` as its parts are compiled.
    """
    root = schema.get_root_type(operation.operation)
    conditions = _conditions(document, operation)
    subscribes = operation.operation is OperationType.SUBSCRIPTION
    if root is None or conditions is None or subscribes:
        return None
    return Plan(
        schema=schema,
        document=document,
        operation=operation,
        root=root,
        conditions=conditions,
        hide_suggestions=hide_suggestions,
        weight=weight or Weight(),
    )


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }


def _conditions(document: DocumentNode, operation: OperationDefinitionNode) -> list[str] | None:
    """The names of the variables that decide which fields there are; None if that is not all."""
    found = _Directives()
    visit(document, found)
    declared = operation.variable_definitions or ()
    types = {one.variable.name.value: print_ast(one.type) for one in declared}
    used = [name for name in types if name in found.variables]
    plain = all(types[name] == "Boolean!" for name in used)
    return used if found.known and plain and len(used) <= MOST_CONDITIONS else None


class _Directives(Visitor):
    """Finds what could change which fields there are."""

    def __init__(self) -> None:
        super().__init__()
        self.known = True
        self.variables: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Note the variables of @skip and @include, and whether there are others."""
        self.known &= node.name.value in ("skip", "include")
        values = (argument.value for argument in node.arguments or ())
        self.variables |= {one.name.value for one in values if isinstance(one, VariableNode)}

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        """Note whether a fragment has variables of its own."""
        self.known &= not node.variable_definitions


class Plan:
    """One operation, ready to be run any number of times, also at the same time."""

    def __init__(
        self,
        *,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        root: GraphQLObjectType,
        conditions: list[str],
        hide_suggestions: bool,
        weight: Weight,
    ) -> None:
        self._weight = weight
        self._schema = schema
        self._operation = operation
        self._root = root
        self._conditions = conditions
        self._hide_suggestions = hide_suggestions
        self._fragments = fragments_of(document)
        self._variables = compile_variables(
            schema, operation.variable_definitions or (), hide_suggestions=hide_suggestions
        )
        self._shapes: dict[tuple[bool, ...], _Root] = {}

    def run(
        self, context: Any, variables: Mapping[str, Any] | None
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """What graphql.execute would answer, with the context handed to every resolver."""
        values = self._variables(variables)
        if isinstance(values, list):
            return ExecutionResult(None, errors=values)
        run = Run(context, values)
        try:
            data = self._shape(values)(run)
        except GraphQLError as error:
            return run.failed(error)
        if type(data) is CoroutineType:
            return run.awaited(data)
        return run.result(data)

    def _shape(self, values: VariableValues) -> _Root:
        key = tuple([values.coerced[name] for name in self._conditions])
        shape = self._shapes.get(key)
        if shape is None:
            if self._weight.is_full:
                return self._compile(key, Weight())
            shape = self._shapes[key] = self._compile(key, self._weight)
        return shape

    def _compile(self, key: tuple[bool, ...], weight: Weight) -> _Root:
        core = executor_of(
            self._schema,
            self._operation,
            self._fragments,
            dict(zip(self._conditions, key, strict=True)),
            hide_suggestions=self._hide_suggestions,
            grown=lambda fields: weight.add(fields * FIELD),
        )
        grouped = collect_fields(
            self._schema, core.fragments, core.variable_values, self._root, self._operation
        ).grouped_field_set
        selection = Selection(core, self._root, grouped)
        if self._operation.operation is OperationType.MUTATION:
            return selection.execute_serially
        return lambda run: selection.execute(run, None, None)
