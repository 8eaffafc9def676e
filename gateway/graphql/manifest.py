"""Building the manifest of trusted documents from a frontend's ``.graphql`` files."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    concat_ast,
    get_location,
    get_named_type,
    is_abstract_type,
    parse,
    separate_operations,
    validate,
    visit,
)

from gateway.graphql.client_texts import TYPENAME, client_texts
from gateway.graphql.documents import Documents
from gateway.graphql.limits import DocumentLimits, DocumentMeasure
from gateway.graphql.manifest_files import APOLLO, hash_of
from gateway.graphql.operations import ReadyDocument
from gateway.graphql.plan.plan import fragments_of

Format: TypeAlias = Literal["apollo", "flat"]


class ManifestRefused(Exception):
    """The files make no manifest; ``problems`` are sentences that begin with file and line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))  # a shared fragment's only once
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class TrustedOperation:
    """One operation with the fragments that it uses, as text and in numbers."""

    name: str
    type: str
    bodies: tuple[str, ...]
    """What clients print for it; all of them say the same."""
    measure: DocumentMeasure

    @property
    def body(self) -> str:
        """The text that Apollo's tools would put into a manifest."""
        return self.bodies[0]

    @property
    def id(self) -> str:
        """What the document is asked for by: the SHA-256 of its text, in hex digits."""
        return hash_of(self.body)


def build(
    files: Iterable[Path], schema: GraphQLSchema, limits: DocumentLimits, *, typename: bool = True
) -> list[TrustedOperation]:
    """The operations of all files, sorted by name; raises ManifestRefused with every problem.

    Fragments are shared by all files; those that no operation uses are left out. ``typename``:
    clients add ``__typename``, as Apollo Client and urql do unless they are told not to.
    """
    whole = concat_ast(_parsed(files))
    if problems := list(_unusable(whole.definitions)):
        raise ManifestRefused(problems)
    documents = Documents(schema, limits, introspection=False, suggestions=True)
    alone = sorted(separate_operations(whole).items())
    problems = [one for _, each in alone for one in _misfits(each, schema)]
    if problems:
        raise ManifestRefused(problems)
    texts = {name: client_texts(each, typename=typename) for name, each in alone}
    if problems := [one for name, each in alone for one in _refusals(each, texts[name], documents)]:
        raise ManifestRefused(problems)
    return [_operation(name, each, texts[name], documents) for name, each in alone]


def as_json(operations: Iterable[TrustedOperation], form: Format) -> str:
    """The manifest's text; the same operations always give the same text.

    An operation has an entry for each text. Tools that look for a name take the last one of it.
    """
    entries = [(one, body) for one in operations for body in reversed(one.bodies)]
    manifest: dict[str, Any] = {hash_of(body): body for _, body in entries}
    if form == "apollo":
        listed = [
            {"id": hash_of(body), "name": one.name, "type": one.type, "body": body}
            for one, body in entries
        ]
        manifest = {"format": APOLLO, "version": 1, "operations": listed}
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _parsed(files: Iterable[Path]) -> list[DocumentNode]:
    found, problems = [], []
    for path in files:
        try:
            found.append(parse(Source(path.read_text("utf-8"), str(path))))
        except GraphQLError as error:
            problems.append(_sentence(error))
        except OSError as error:
            problems.append(f"{path}: {(error.strerror or 'cannot be read').lower()}.")
        except UnicodeDecodeError:
            problems.append(f"{path}: is not text in UTF-8.")
    if problems:
        raise ManifestRefused(problems)
    return found


def _unusable(definitions: Sequence[DefinitionNode]) -> Iterator[str]:
    """Definitions that cannot be told apart, or that are none of operations and fragments."""
    seen: dict[tuple[type, str], Node] = {}
    for one in definitions:
        if not isinstance(one, OperationDefinitionNode | FragmentDefinitionNode):
            yield f"{_place(one)}: only operations and fragments belong here."
        elif one.name is None:
            yield f"{_place(one)}: the operation needs a name."
        else:
            first = seen.setdefault((type(one), one.name.value), one)
            if first is not one:
                yield f"{_place(one)}: {one.name.value} is already defined in {_place(first)}."
    if not any(kind is OperationDefinitionNode for kind, _ in seen):
        yield "There is no operation in these files."


def _misfits(document: DocumentNode, schema: GraphQLSchema) -> list[str]:
    return [_sentence(error) for error in validate(schema, document)]


def _refusals(document: DocumentNode, texts: Iterable[str], documents: Documents) -> list[str]:
    """Why the gateway would refuse texts of a document that fits the schema."""
    prepared = [documents.prepare(text) for text in texts]
    errors = [error for one in prepared if not isinstance(one, ReadyDocument) for error in one]
    [place] = [_place(one) for one in document.definitions if isinstance(one, _OPERATION)]
    return [f"{place}: {error.message}" for error in errors]


_OPERATION = OperationDefinitionNode


def _operation(
    name: str, document: DocumentNode, texts: Sequence[str], documents: Documents
) -> TrustedOperation:
    [kind] = [one.operation for one in document.definitions if isinstance(one, _OPERATION)]
    measure = documents.measure(parse(texts[0]))
    return TrustedOperation(name, kind.value, tuple(texts), measure)


def without_typename(files: Iterable[Path], schema: GraphQLSchema) -> list[str]:
    """Where a union or an interface is selected from and nothing tells its types apart.

    The files are those of a manifest that could be built.
    """
    whole = concat_ast(_parsed(files))
    info = TypeInfo(schema)
    seeker = _Untold(info, fragments_of(whole))
    visit(whole, TypeInfoVisitor(info, seeker))
    return seeker.found


class _Untold(Visitor):
    """Finds the fields of abstract types whose selections have no ``__typename``."""

    def __init__(self, info: TypeInfo, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self.found: list[str] = []
        self._info = info
        self._fragments = fragments

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Look at the selections of one field."""
        kind = get_named_type(self._info.get_type())
        if kind and is_abstract_type(kind) and not self._tells(node.selection_set, kind.name):
            self.found.append(
                f"{_place(node)}: {node.name.value} is selected without __typename, which tells "
                f"the types of {kind.name} apart."
            )

    def _tells(self, selected: SelectionSetNode | None, kind: str) -> bool:
        """Whether ``__typename`` is asked for whatever the type is."""
        return any(self._tells_in(one, kind) for one in (selected.selections if selected else ()))

    def _tells_in(self, node: SelectionNode, kind: str) -> bool:
        if isinstance(node, FieldNode):
            return node.name.value == TYPENAME
        if isinstance(node, FragmentSpreadNode):
            fragment = self._fragments[node.name.value]
            whole = fragment.type_condition.name.value == kind
            return whole and self._tells(fragment.selection_set, kind)
        assert isinstance(node, InlineFragmentNode)  # noqa: S101 - there is no other selection
        whole = node.type_condition is None or node.type_condition.name.value == kind
        return whole and self._tells(node.selection_set, kind)


def _sentence(error: GraphQLError) -> str:
    name = error.source.name if error.source else ""
    line = error.locations[0].line if error.locations else 1
    return f"{name}:{line}: {error.message}"


def _place(node: Node) -> str:
    assert node.loc is not None  # noqa: S101 - parsed with locations
    return f"{node.loc.source.name}:{get_location(node.loc.source, node.loc.start).line}"
