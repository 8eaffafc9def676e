"""The texts that clients send for an operation: each hashes what it prints, in its own way.

- Apollo Client adds ``__typename`` (``addTypenameToDocument``) and prints with graphql-js 16 or 17:
  the definitions in the order of the document, or sorted, with @apollo/persisted-query-lists.
- urql adds it by a rule of its own (``formatDocument``), and then changes the line breaks
  (``stringifyDocument``). Block strings of its printer are others.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Visitor,
    print_ast,
    visit,
)

from gateway.graphql.printing import print_document

TYPENAME = "__typename"
_STRINGS = re.compile(r'("{3}[\s\S]*"{3}|"(?:\\.|[^"])*")')
_BREAKS = re.compile(r"(?:#[^\n\r]+)?(?:[\r\n]+|\Z)")
# Whether a client leaves a set of selections as it is, by the node around it.
Rule: TypeAlias = Callable[[Any, Sequence[SelectionNode]], bool]


def client_texts(document: DocumentNode, *, typename: bool) -> list[str]:
    """What clients print for a document of one operation and its fragments, each text once.

    The first is that of Apollo's own manifests. ``typename``: clients add ``__typename``.
    """
    written, by_name = _as_written(document), _by_name(document)
    apollo = [_with_typename(one, by_apollo) if typename else one for one in (by_name, written)]
    urql = _with_typename(written, by_urql) if typename else written
    texts = [
        *map(print_document, apollo),
        *map(print_ast, apollo),
        _as_urql_breaks_lines(print_document(urql)),
    ]
    return list(dict.fromkeys(texts))


def by_apollo(parent: Any, selections: Sequence[SelectionNode]) -> bool:
    """Apollo's rule: no introspection, and no field that becomes a variable (``@export``)."""
    directives = parent.directives if isinstance(parent, FieldNode) else None
    exported = any(one.name.value == "export" for one in directives or ())
    fields = [one for one in selections if isinstance(one, FieldNode)]
    return exported or any(one.name.value.startswith("__") for one in fields)


def by_urql(_parent: Any, selections: Sequence[SelectionNode]) -> bool:
    """urql's rule: ``__typename`` has to be there under its own name."""
    fields = [one for one in selections if isinstance(one, FieldNode)]
    return any(one.name.value == TYPENAME and not one.alias for one in fields)


def _as_urql_breaks_lines(text: str) -> str:
    """One break for several, and one before each string: urql's two patterns do no less."""
    parts = _STRINGS.split(text)  # strings are at odd places
    parts[::2] = [_BREAKS.sub("\n", part) for part in parts[::2]]
    return "".join(parts).strip()


class _Adder(Visitor):
    """Adds ``__typename`` at the end of each set of selections but an operation's own."""

    def __init__(self, has: Rule) -> None:
        super().__init__()
        self._has = has

    def enter_selection_set(
        self, node: SelectionSetNode, _key: Any, parent: Any, *_: Any
    ) -> SelectionSetNode | None:
        """The set with the field more, or None: nothing is changed."""
        if isinstance(parent, OperationDefinitionNode) or self._has(parent, node.selections):
            return None
        field = FieldNode(name=NameNode(value=TYPENAME))
        return SelectionSetNode(selections=(*node.selections, field), loc=node.loc)


def _with_typename(document: DocumentNode, has: Rule) -> DocumentNode:
    changed: DocumentNode = visit(document, _Adder(has))
    return changed


def _by_name(document: DocumentNode) -> DocumentNode:
    """The operation first, then the fragments by name."""
    operation, fragments = _parts(document)
    return DocumentNode(definitions=(operation, *(fragments[name] for name in sorted(fragments))))


def _as_written(document: DocumentNode) -> DocumentNode:
    """The definitions of the operation's file in their order, then others as they are used."""
    operation, fragments = _parts(document)
    here = [one for one in document.definitions if _file(one) is _file(operation)]
    used = [fragments[name] for name in _by_use(operation, fragments)]
    return DocumentNode(definitions=tuple(dict.fromkeys([*here, *used])))


def _parts(
    document: DocumentNode,
) -> tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]]:
    [operation] = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    fragments = [one for one in document.definitions if isinstance(one, FragmentDefinitionNode)]
    return operation, {one.name.value: one for one in fragments}


def _file(node: DefinitionNode) -> Any:
    return node.loc and node.loc.source


def _by_use(node: Node, fragments: dict[str, FragmentDefinitionNode]) -> list[str]:
    """The names of the fragments that a node uses, each before those that it uses itself."""
    found: dict[str, None] = {}

    class Spreads(Visitor):
        def enter_fragment_spread(self, spread: FragmentSpreadNode, *_: Any) -> None:
            name = spread.name.value
            if name not in found:
                found[name] = None
                visit(fragments[name], self)

    visit(node, Spreads())
    return list(found)
