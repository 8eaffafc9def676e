"""Validation by graphql-core's rules, in walks over what the rules look at and nothing more.

graphql-core's own ``validate`` walks over every name, too, and twice over all values. Here both
walks share what is costly to find out: which variables and fragments an operation uses.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from graphql import (
    SKIP,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VisitorAction,
    visit,
)
from graphql.language.visitor import ParallelVisitor, Visitor
from graphql.pyutils import RefMap
from graphql.validation import (
    ASTValidationRule,
    ExecutableDefinitionsRule,
    KnownFragmentNamesRule,
    LoneAnonymousOperationRule,
    NoFragmentCyclesRule,
    NoUndefinedVariablesRule,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    OverlappingFieldsCanBeMergedRule,
    UniqueArgumentNamesRule,
    UniqueFragmentNamesRule,
    UniqueInputFieldNamesRule,
    UniqueOperationNamesRule,
    UniqueVariableNamesRule,
    ValidationContext,
    ValuesOfCorrectTypeRule,
    specified_rules,
)
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor

from gateway.graphql.misfits import misfits_of
from gateway.graphql.overlaps import Overlaps, TooManySteps

Rules: TypeAlias = tuple[type[ASTValidationRule], ...]


class NoIntrospectionRule(ASTValidationRule):
    """Refuses ``__schema`` and ``__type`` wherever they stand, whatever the schema has there."""

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Report a field whose name begins with two underscores, except ``__typename``."""
        name = node.name.value
        if name.startswith("__") and name != "__typename":
            message = f"GraphQL introspection has been disabled; the document asks for '{name}'."
            self.report_error(GraphQLError(message, node))


class LiteralsRule(ValuesOfCorrectTypeRule):
    """graphql-core's rule, with reasons that quote no value."""

    def is_valid_value_node(self, node: ValueNode, input_type: Any) -> VisitorAction:
        """Report the parts of the literal that do not fit."""
        suggestions = not self.context.hide_suggestions
        if input_type:
            for part, reason in misfits_of(node, input_type, suggestions=suggestions):
                self.report_error(GraphQLError(reason, part))
        return SKIP


# Rules that only look at the document: their messages name what the caller wrote and are the same
# whatever the schema has.
OWN_RULES: Rules = (
    ExecutableDefinitionsRule,
    UniqueOperationNamesRule,
    LoneAnonymousOperationRule,
    UniqueFragmentNamesRule,
    KnownFragmentNamesRule,
    NoUnusedFragmentsRule,
    NoFragmentCyclesRule,
    UniqueVariableNamesRule,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    UniqueArgumentNamesRule,
    UniqueInputFieldNamesRule,
)
SCHEMA_RULES: Rules = (
    *(
        rule
        for rule in specified_rules
        if rule
        not in (*OWN_RULES, ValuesOfCorrectTypeRule, OverlappingFieldsCanBeMergedRule)
    ),
    LiteralsRule,
)  # fmt: skip


def _without(*left_out: str) -> dict[str, tuple[str, ...]]:
    """What is walked over, except these parts."""
    return {
        kind: tuple(key for key in keys if key not in left_out)
        for kind, keys in query_document_keys_to_validate.items()
    }


_TYPED = _without("name", "alias", "variable")
_UNTYPED = _without("name", "alias", "variable", "type", "type_condition")


def _walk(root: Node, visitor: Visitor, *inner: Visitor, keys: dict[str, tuple[str, ...]]) -> None:
    """Visit, and leave nothing to the garbage collector: visitors hold themselves, and nodes."""
    try:
        visit(root, visitor, keys)
    finally:
        for one in (visitor, *inner):
            one.enter_leave_map.clear()


class _Context(ValidationContext):
    """graphql-core's context, which looks for variables in fewer places.

    What it remembers of a node it finds by the node's identity: its hash is that of all nodes
    within, computed each time.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._fragment_spreads: Any = RefMap()
        self._variable_usages: Any = RefMap()
        self._recursive_variable_usages: Any = RefMap()

    def get_variable_usages(self, node: Any) -> list[VariableUsage]:
        """The variables that an operation or a fragment uses, found out once."""
        usages: list[VariableUsage] | None = self._variable_usages.get(node)
        if usages is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            visitor = VariableUsageVisitor(self._type_info, fragment)
            _walk(node, TypeInfoVisitor(self._type_info, visitor), visitor, keys=_TYPED)
            usages = self._variable_usages[node] = visitor.usages
        return usages


class _Errors:
    """What is found in one walk, up to a number that each walk has anew."""

    def __init__(self) -> None:
        self.found: list[GraphQLError] = []
        self._most = 0

    def begin(self, most: int) -> None:
        self.found, self._most = [], most

    def add(self, error: GraphQLError) -> None:
        if len(self.found) >= self._most:
            raise ValidationAbortedError("Validation aborted.")
        self.found.append(error)


class Validation:
    """The validation of one document; it is given up where it would take too long.

    Then the last error is a ValidationAbortedError.
    """

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, *, hide_suggestions: bool
    ) -> None:
        self._schema = schema
        self._document = document
        self._type_info = TypeInfo(schema)
        self._errors = _Errors()
        self._context = _Context(
            schema, document, self._type_info, self._errors.add, hide_suggestions
        )

    def own_errors(self, rules: Rules, most: int) -> list[GraphQLError]:
        """The errors by rules that need no schema, up to one more than so many."""
        nesting = FragmentNestingVisitor(self._fragments())
        visitors = [nesting, *(rule(self._context) for rule in rules)]
        return self._told(most, lambda: self._walk(visitors, typed=False))

    def schema_errors(self, most: int) -> list[GraphQLError]:
        """The errors by the schema, of a document that has none of its own."""
        visitors = [rule(self._context) for rule in SCHEMA_RULES]
        return self._told(most, lambda: self._walk(visitors, typed=True))

    def overlaps(self, most: int) -> list[GraphQLError]:
        """The fields that cannot be merged, of a document without other errors."""
        return self._told(most, self._find_overlaps)

    def usages(self, operation: OperationDefinitionNode) -> list[VariableUsage]:
        """Where an operation of a valid document, or a fragment of it, uses variables."""
        return self._context.get_recursive_variable_usages(operation)

    def _walk(self, visitors: Sequence[Visitor], *, typed: bool) -> None:
        together: Visitor = ParallelVisitor(visitors)
        if typed:
            around = TypeInfoVisitor(self._type_info, together)
            _walk(self._document, around, together, *visitors, keys=_TYPED)
        else:
            _walk(self._document, together, *visitors, keys=_UNTYPED)

    def _find_overlaps(self) -> None:
        overlaps = Overlaps(self._schema, self._fragments(), self._errors.add)
        for one in self._document.definitions:
            if isinstance(one, OperationDefinitionNode):
                overlaps.check(one)

    def _fragments(self) -> dict[str, FragmentDefinitionNode]:
        definitions = self._document.definitions
        return {
            one.name.value: one for one in definitions if isinstance(one, FragmentDefinitionNode)
        }

    def _told(self, most: int, find: Callable[[], object]) -> list[GraphQLError]:
        self._errors.begin(most)
        try:
            find()
        except ValidationAbortedError as error:
            # As graphql-core: neither the frames nor an error that was handled stay alive.
            error.__context__ = None
            self._errors.found.append(error.with_traceback(None))
        except (RecursionError, TooManySteps):
            self._errors.found.append(ValidationAbortedError("Validation aborted."))
        return self._errors.found
