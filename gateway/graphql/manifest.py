"""Building the manifest of trusted documents from a frontend's ``.graphql`` files."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from graphql import (
    DefinitionNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Source,
    concat_ast,
    get_location,
    parse,
    print_ast,
    separate_operations,
    validate,
)

from gateway.graphql.documents import Documents
from gateway.graphql.limits import DocumentLimits, DocumentMeasure
from gateway.graphql.manifest_files import APOLLO, hash_of
from gateway.graphql.operations import ReadyDocument

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
    body: str
    measure: DocumentMeasure

    @property
    def id(self) -> str:
        """What the document is asked for by: the SHA-256 of its text, in hex digits."""
        return hash_of(self.body)


def build(
    files: Iterable[Path], schema: GraphQLSchema, limits: DocumentLimits
) -> list[TrustedOperation]:
    """The operations of all files, sorted by name; raises ManifestRefused with every problem.

    Fragments are shared by all files; those that no operation uses are left out.
    """
    whole = concat_ast(_parsed(files))
    if problems := list(_unusable(whole.definitions)):
        raise ManifestRefused(problems)
    documents = Documents(schema, limits, introspection=False, suggestions=True)
    alone = sorted(separate_operations(whole).items())
    problems = [one for _, each in alone for one in _misfits(each, schema)]
    if not problems:
        problems = [one for _, each in alone for one in _refusals(each, documents)]
    if problems:
        raise ManifestRefused(problems)
    return [_operation(name, each, documents) for name, each in alone]


def as_json(operations: Iterable[TrustedOperation], form: Format) -> str:
    """The manifest's text; the same operations always give the same text."""
    manifest: dict[str, Any] = {one.id: one.body for one in operations}
    if form == "apollo":
        listed = [
            {"id": one.id, "name": one.name, "type": one.type, "body": one.body}
            for one in operations
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


def _refusals(document: DocumentNode, documents: Documents) -> list[str]:
    """Why the gateway would refuse the document's text, which fits the schema."""
    prepared = documents.prepare(print_ast(document))
    if isinstance(prepared, ReadyDocument):
        return []
    [place] = [_place(one) for one in document.definitions if isinstance(one, _OPERATION)]
    return [f"{place}: {error.message}" for error in prepared]


_OPERATION = OperationDefinitionNode


def _operation(name: str, document: DocumentNode, documents: Documents) -> TrustedOperation:
    [kind] = [one.operation for one in document.definitions if isinstance(one, _OPERATION)]
    return TrustedOperation(name, kind.value, print_ast(document), documents.measure(document))


def _sentence(error: GraphQLError) -> str:
    name = error.source.name if error.source else ""
    line = error.locations[0].line if error.locations else 1
    return f"{name}:{line}: {error.message}"


def _place(node: Node) -> str:
    assert node.loc is not None  # noqa: S101 - parsed with locations
    return f"{node.loc.source.name}:{get_location(node.loc.source, node.loc.start).line}"
