"""How many values a document writes out, and how deep they are nested.

Values stand in arguments, in directives and as defaults of variables. Validation looks at each of
them several times, and prints some.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from graphql import DocumentNode, ListValueNode, ObjectValueNode, OperationDefinitionNode, ValueNode


class Literals(NamedTuple):
    """The number of values, and the most lists and objects around one, or in one another."""

    values: int
    nesting: int


def literals_of(document: DocumentNode) -> Literals:
    """Count, in a parsed document that may be invalid in any way, without recursion."""
    count = deepest = 0
    left = [(value, 0) for value in _outermost(document)]
    while left:
        value, nesting = left.pop()
        count += 1
        if isinstance(value, ListValueNode):
            inner: Iterable[ValueNode] = value.values
        elif isinstance(value, ObjectValueNode):
            inner = (field.value for field in value.fields)
        else:
            continue
        deepest = max(deepest, nesting + 1)
        left.extend((one, nesting + 1) for one in inner)
    return Literals(count, deepest)


def _outermost(document: DocumentNode) -> Iterator[ValueNode]:
    left: list[Any] = list(document.definitions)
    while left:
        node = left.pop()
        for holder in (node, *(getattr(node, "directives", None) or ())):
            for argument in getattr(holder, "arguments", None) or ():
                yield argument.value
        if isinstance(node, OperationDefinitionNode):
            for variable in node.variable_definitions or ():
                left.append(variable)
                if variable.default_value:
                    yield variable.default_value
        selected = getattr(node, "selection_set", None)
        if selected:
            left.extend(selected.selections)
