"""Documents as graphql-js 16 prints them: a client's hash is that of its own ``print``.

graphql-core prints as graphql-js 17, which writes objects and long lists in another way.
"""

from collections.abc import Iterable

from graphql import (
    ArgumentNode,
    DefinitionNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
    print_ast,
)

LONGEST = 80  # of a field with its arguments in one line


def print_document(document: DocumentNode) -> str:
    """The text of operations that have names, and of fragments."""
    return "\n\n".join(map(_definition, document.definitions))


def _definition(node: DefinitionNode) -> str:
    if isinstance(node, OperationDefinitionNode):
        name = node.name.value if node.name else ""
        head = [f"{node.operation.value} {name}{_variables(node.variable_definitions or ())}"]
    else:
        assert isinstance(node, FragmentDefinitionNode)  # noqa: S101 - no schema is printed here
        head = [f"fragment {node.name.value} on {node.type_condition.name.value}"]
    parts = [*head, *_directives(node.directives), _block(node.selection_set)]
    return _description(node) + " ".join(parts)


def _variables(definitions: Iterable[VariableDefinitionNode]) -> str:
    texts = [_variable(one) for one in definitions]
    if any("\n" in text for text in texts):
        return "(\n" + "\n".join(texts) + "\n)"
    return f"({', '.join(texts)})" if texts else ""


def _variable(node: VariableDefinitionNode) -> str:
    default = f" = {_value(node.default_value)}" if node.default_value else ""
    text = f"${node.variable.name.value}: {print_ast(node.type)}{default}"
    return _description(node) + " ".join([text, *_directives(node.directives)])


def _description(
    node: OperationDefinitionNode | FragmentDefinitionNode | VariableDefinitionNode,
) -> str:
    return f"{print_ast(node.description)}\n" if node.description else ""


def _block(node: SelectionSetNode) -> str:
    return "{\n" + _indented(_selection(one) for one in node.selections) + "\n}"


def _indented(texts: Iterable[str]) -> str:
    return "  " + "\n".join(texts).replace("\n", "\n  ")


def _selection(node: SelectionNode) -> str:
    if isinstance(node, FieldNode):
        parts = [_field(node)]
    elif isinstance(node, FragmentSpreadNode):
        parts = [f"...{node.name.value}"]
    else:
        assert isinstance(node, InlineFragmentNode)  # noqa: S101 - there is no other selection
        condition = node.type_condition
        parts = ["...", *([f"on {condition.name.value}"] if condition else [])]
    parts += _directives(node.directives)
    if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
        parts.append(_block(node.selection_set))
    return " ".join(parts)


def _field(node: FieldNode) -> str:
    name = f"{node.alias.value}: {node.name.value}" if node.alias else node.name.value
    arguments = [_argument(one) for one in node.arguments or ()]
    line = f"{name}({', '.join(arguments)})" if arguments else name
    if _length(line) <= LONGEST:
        return line
    return f"{name}(\n{_indented(arguments)}\n)" if arguments else name


def _length(text: str) -> int:
    """As JavaScript counts: in units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _directives(nodes: Iterable[DirectiveNode] | None) -> list[str]:
    return [_directive(one) for one in nodes or ()]


def _directive(node: DirectiveNode) -> str:
    arguments = ", ".join(_argument(one) for one in node.arguments or ())
    return f"@{node.name.value}({arguments})" if arguments else f"@{node.name.value}"


def _argument(node: ArgumentNode) -> str:
    return f"{node.name.value}: {_value(node.value)}"


def _value(node: ValueNode) -> str:
    if isinstance(node, ListValueNode):
        return f"[{', '.join(map(_value, node.values))}]"
    if isinstance(node, ObjectValueNode):
        return (
            "{" + ", ".join(f"{one.name.value}: {_value(one.value)}" for one in node.fields) + "}"
        )
    return print_ast(node)
