"""How many values a document writes out.

Values stand in arguments, in directives and as defaults of variables. Validation looks at each of
them several times, and prints some.
"""

from collections.abc import Iterator
from typing import Any

from graphql import DocumentNode, ListValueNode, ObjectValueNode, OperationDefinitionNode, ValueNode


def count_values(document: DocumentNode) -> int:
    """Count, in a parsed document that may be invalid in any way, without recursion."""
    count, left = 0, list(_outermost(document))
    while left:
        value = left.pop()
        count += 1
        if isinstance(value, ListValueNode):
            left.extend(value.values)
        elif isinstance(value, ObjectValueNode):
            left.extend(field.value for field in value.fields)
    return count


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
