"""Documents that are kept, and documents that are trusted."""

import gc
import hashlib
import itertools
import json
import math
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from graphql import ExecutionResult

from gateway.callers import Caller, RateLimits
from gateway.cards import build_schema
from gateway.config import OFF
from gateway.errors import (
    BadRequest,
    ConfigError,
    DocumentNotFound,
    DocumentNotTrusted,
    DocumentsNotSupported,
)
from gateway.events import to_nobody
from gateway.graphql import Documents
from gateway.graphql.operations import ReadyDocument
from gateway.graphql.trusted import (
    Mode,
    TrustedDocuments,
    id_of,
)
from tests.stack import DOCUMENT_LIMITS

SCHEMA = build_schema()._schema
CARD = 'query Card { card(id: "123e4567-e89b-12d3-a456-426614174000") { id } }'
TYPENAME = "query Typename { __typename }"
OTHER = "{ __typename }"


def sha256(text: str) -> str:
    """The id of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def documents(**changes: Any) -> Documents:
    """Documents with suggestions and introspection, and changes."""
    given: dict[str, Any] = {
        "introspection": True,
        "suggestions": True,
    }
    return Documents(SCHEMA, DOCUMENT_LIMITS, **(given | changes))


@pytest.mark.parametrize("source", [CARD, "{", "{ nonsense }"])
def test_a_document_is_prepared_once(source: str) -> None:
    """The same text gives the same document, or the same errors, without any work."""
    kept = documents()
    assert kept.prepare(source) is kept.prepare(source)


def large(number: int) -> str:
    """One of many documents that come to more than a MiB each."""
    return f"query Q{number} {{" + " ".join(f"a{i}: __typename" for i in range(900)) + "}"


@pytest.mark.slow
def test_what_was_used_least_lately_is_dropped() -> None:
    """What documents come to in memory is bounded; those in use stay."""
    kept = documents()
    first, second = kept.prepare(CARD), kept.prepare(TYPENAME)
    for number in range(20):
        kept.prepare(large(number))
        assert kept.prepare(CARD) is first
    assert kept.prepare(TYPENAME) is not second


@pytest.mark.slow
def test_trusted_documents_are_not_driven_out() -> None:
    """However many others are sent, what is trusted stays prepared."""
    kept = documents(is_trusted={CARD}.__contains__)
    first, second = kept.prepare(CARD), kept.prepare(TYPENAME)
    for number in range(20):
        kept.prepare(large(number))
    assert kept.prepare(CARD) is first
    assert kept.prepare(TYPENAME) is not second


BRANCHING = (
    "query Q{}($a:Boolean!,$b:Boolean!,$c:Boolean!,$d:Boolean!)"
    "{{...F@include(if:$a)@skip(if:$b) x:__typename@include(if:$c)@skip(if:$d)}}"
)
CONDITIONS = [
    dict(zip("abcd", values, strict=True)) for values in itertools.product([True, False], repeat=4)
]


def branching(kept: Documents, number: int) -> None:
    """Run all operations of a document under all conditions, once each."""
    fragment = " ".join(f"a{i}: __typename" for i in range(500))
    source = "".join(BRANCHING.format(f"{number}x{i}") for i in range(5))
    prepared = kept.prepare(source + f"fragment F on Query {{{fragment}}}")
    assert isinstance(prepared, ReadyDocument)
    for i, values in itertools.product(range(5), CONDITIONS):
        operation = prepared.operation(f"Q{number}x{i}")
        assert operation
        result = operation.run(None, values)
        assert isinstance(result, ExecutionResult)
        assert not result.errors


@pytest.mark.slow
def test_what_plans_come_to_counts_as_well() -> None:
    """Documents whose few texts have many plans drive out others, as their plans are made."""
    kept = documents()
    first = kept.prepare(CARD)
    for number in range(4):
        branching(kept, number)
    assert kept.prepare(CARD) is not first


@pytest.mark.parametrize(
    "source",
    [
        '{ card(id: 1) "it\'s\\" 4111" { id } }',
        '{ card """4111""" }',
        "{ card(id: 1) 4111 }",
        "{ card(id: .4111) { id } }",
        '{ card(id: "\\u{4111411}") { id } }',
        '{ card(id: "\\u4111") { id } } "4111',
        '{ card(id: {pan: "4111"}) { id } }',
        "{ card(id: [4111]) { id } }",
        '{ card(id: "1") @include(if: 4111) { id } }',
        'query($id: ID = ["4111"]) { card(id: $id) { id } }',
        '{ card(id: "4111") { id } card(id: "2") { id } }',
        'mutation { issueVirtualCard(input: {accountId: {x: "4111"}}) { __typename } }',
    ],
)
@pytest.mark.parametrize("suggestions", [True, False])
def test_no_error_quotes_a_value(source: str, suggestions: bool) -> None:
    """Whatever is wrong with a document, its literals are not in the messages."""
    errors = documents(suggestions=suggestions).prepare(source)
    assert isinstance(errors, list)
    assert "411" not in "".join(error.message for error in errors)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{", "Syntax Error"),
        ("query A { __typename } query A { __typename }", "'A'"),
        ("{ __typename } fragment Mine on Query { __typename }", "'Mine'"),
        ("{ ...Mine }", "'Mine'"),
        ("query($mine: ID) { __typename }", "'$mine'"),
        ("{ card(id: $mine) { id } }", "'$mine'"),
    ],
)
def test_errors_of_the_document_itself_are_always_told(source: str, words: str) -> None:
    """What is wrong whatever the schema says is told in full, with suggestions off too."""
    errors = documents(suggestions=False).prepare(source)
    assert isinstance(errors, list)
    assert words in errors[0].message
    assert errors[0].locations


def manifest(tmp_path: Path, content: Any) -> Path:
    """A file with this content as JSON, or as it is when it is bytes."""
    path = tmp_path / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def apollo(*operations: Any, **changes: Any) -> Any:
    """Apollo's manifest with these operations, and changes."""
    given = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    return given | changes


OPERATION = {"id": sha256(CARD), "name": "Card", "type": "query", "body": CARD}
FLAT = {sha256(CARD): CARD, "typename-1": TYPENAME}
APOLLO = apollo(OPERATION, OPERATION | {"id": "typename-1", "body": TYPENAME})


@pytest.mark.parametrize("content", [FLAT, APOLLO, {f"sha256:{sha256(CARD)}": CARD}])
def test_both_forms_of_manifest_are_read(tmp_path: Path, content: Any) -> None:
    """Apollo's manifest and the flat form give documents by id, with or without the prefix."""
    trusted = TrustedDocuments.load(manifest(tmp_path, content))
    assert trusted.find(sha256(CARD)) == CARD
    assert trusted.find(f"sha256:{sha256(CARD)}") == CARD
    assert trusted.find(sha256(OTHER)) is None
    assert trusted.knows(CARD)
    assert not trusted.knows(CARD + " ")
    assert trusted.knows(CARD)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "not a manifest"),
        ({}, "not a manifest"),
        (apollo(format="other"), "format"),
        (apollo(version=2), "version 1"),
        (apollo(operations={}), "operations"),
        (apollo(1), "operation 1"),
        (apollo(OPERATION, OPERATION | {"id": ""}), "operation 2"),
        (apollo(OPERATION | {"body": None}), "operation 1"),
        (apollo(OPERATION, OPERATION), "operation 2"),
        ({"a": 1}, "entry 1"),
        ({"a": " "}, "entry 1"),
        ({sha256(OTHER): CARD}, "not the hash"),
        ({sha256(OTHER): "\ud800"}, "not the hash"),
        ({"a": CARD, "sha256:a": OTHER}, "entry 2 has the id of an earlier one"),
        (b'{"a": "{b}", "c": "{d}", "a": "{e}"}', "name of its entry 3 twice"),
    ],
)
def test_a_malformed_manifest_is_named(tmp_path: Path, content: Any, words: str) -> None:
    """What is wrong with a manifest is said in a sentence with its path."""
    path = manifest(tmp_path, content)
    with pytest.raises(ConfigError, match=words) as caught:
        TrustedDocuments.load(path)
    assert str(path) in caught.value.message


MD5 = hashlib.md5(CARD.encode(), usedforsecurity=False).hexdigest()
SHA1 = hashlib.sha1(CARD.encode(), usedforsecurity=False).hexdigest()


def test_several_manifests_are_read_as_one(tmp_path: Path) -> None:
    """Manifests of several frontends and tools are used together; equal entries are fine, and ids
    that are no SHA-256 are taken as they are: MD5 of Relay, SHA-1 of GraphQL Code Generator."""
    contents = [APOLLO, FLAT, {SHA1: CARD}, {MD5: CARD}, {f"sha256:{sha256(OTHER)}": OTHER}]
    paths = [tmp_path / f"{number}.json" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content))
    trusted = TrustedDocuments.load(*paths)
    assert [trusted.find(one) for one in (SHA1, MD5, sha256(CARD))] == [CARD] * 3
    assert (trusted.find("typename-1"), trusted.find(sha256(OTHER))) == (TYPENAME, OTHER)


def test_one_id_with_two_texts_is_refused(tmp_path: Path) -> None:
    """Two manifests with different texts under one id are named, with the entry."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(FLAT))
    second.write_text(json.dumps(apollo(OPERATION, {"id": "typename-1", "body": OTHER})))
    with pytest.raises(ConfigError) as caught:
        TrustedDocuments.load(first, second)
    assert caught.value.message == f"{second}: entry 2 has the id of another text in {first}."


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    """A manifest that is not there is a sentence too."""
    with pytest.raises(ConfigError, match="no such file"):
        TrustedDocuments.load(tmp_path / "none.json")


def by_apollo(document_id: Any, **changes: Any) -> Any:
    """Apollo's way to ask for a document by its id."""
    persisted = {"version": 1, "sha256Hash": document_id} | changes
    return {"extensions": {"persistedQuery": persisted}}


IN_ALL: tuple[Mode, ...] = ("off", "prefer", "only")
RESOLVED: list[tuple[tuple[Mode, ...], Any, str | type[BadRequest]]] = [
    (("prefer", "only"), {"documentId": sha256(CARD)}, CARD),
    (("prefer", "only"), {"documentId": f"sha256:{sha256(CARD)}"}, CARD),
    (("prefer", "only"), {"documentId": "typename-1"}, TYPENAME),
    (("prefer", "only"), by_apollo(sha256(CARD)), CARD),
    (IN_ALL, {"query": CARD} | by_apollo(sha256(CARD)), CARD),
    (("prefer", "only"), {"query": TYPENAME, "documentId": "typename-1"}, TYPENAME),
    (IN_ALL, {"query": OTHER} | by_apollo(sha256(CARD)), BadRequest),
    (IN_ALL, {"query": OTHER, "documentId": sha256(CARD)}, BadRequest),
    (IN_ALL, {"query": f"{CARD} ", "documentId": sha256(CARD)}, BadRequest),
    (("prefer", "only"), {"query": OTHER, "documentId": "typename-1"}, BadRequest),
    (("off",), {"query": OTHER, "documentId": "typename-1"}, OTHER),
    (("off", "prefer"), {"query": OTHER, "documentId": "another-1"}, OTHER),
    (IN_ALL, {"query": OTHER} | by_apollo("0" * 64), BadRequest),
    (IN_ALL, {"documentId": sha256(OTHER)} | by_apollo(sha256(CARD)), BadRequest),
    (("prefer",), {"documentId": f"sha256:{sha256(CARD)}"} | by_apollo(sha256(CARD)), CARD),
    (("off",), {"documentId": sha256(CARD)}, DocumentsNotSupported),
    (("off",), by_apollo(sha256(OTHER)), DocumentsNotSupported),
    (("prefer", "only"), {"documentId": sha256(OTHER)}, DocumentNotFound),
    (IN_ALL, {"query": CARD}, CARD),
    (("off", "prefer"), {"query": OTHER}, OTHER),
    (("off", "prefer"), {"query": OTHER} | by_apollo(sha256(OTHER)), OTHER),
    (("only",), {"query": OTHER}, DocumentNotTrusted),
    (("only",), {"query": "{ not GraphQL"}, DocumentNotTrusted),
    (("only",), {"query": OTHER} | by_apollo(sha256(OTHER)), DocumentNotTrusted),
    (IN_ALL, {}, BadRequest),
    (IN_ALL, {"query": " "}, BadRequest),
    (IN_ALL, {"query": 1, "documentId": sha256(CARD)}, BadRequest),
    (IN_ALL, {"documentId": 1}, BadRequest),
    (IN_ALL, {"documentId": ""}, BadRequest),
    (IN_ALL, by_apollo(1), BadRequest),
    *(
        (IN_ALL, by_apollo(sha256(CARD), version=version), BadRequest)
        for version in (2, 0, -1, 1.5, "1", True, None, [1])
    ),
    (("prefer", "only"), by_apollo(sha256(CARD), version=1.0), CARD),
    (IN_ALL, {"extensions": {"persistedQuery": 1}}, BadRequest),
    (IN_ALL, {"extensions": {"tracing": True}}, BadRequest),
]


@pytest.mark.parametrize(
    ("mode", "parameters", "answer"),
    [(mode, given, answer) for modes, given, answer in RESOLVED for mode in modes],
)
def test_what_a_request_asks_for(
    mode: Mode, parameters: Any, answer: str | type[BadRequest]
) -> None:
    """Each mode gives the text by id or as it was sent, or refuses without looking into it."""
    trusted = TrustedDocuments(FLAT)
    if isinstance(answer, str):
        assert trusted.resolve(parameters, mode) == answer
    else:
        with pytest.raises(answer) as caught:
            trusted.resolve(parameters, mode)
        assert type(caught.value) is answer


@pytest.mark.slow
async def test_a_dropped_document_leaves_no_garbage() -> None:
    """What was kept is freed when it is dropped: the collector comes late to what is old."""
    context: Any = SimpleNamespace(
        caller=Caller.anyone(), limits=RateLimits({"card": OFF}, reads=[], store="", emit=to_nobody)
    )
    context.deadline = math.inf
    context.loaders = SimpleNamespace(cards=AsyncMock(load=AsyncMock(return_value=None)))
    kept = documents()
    prepared = kept.prepare(CARD)
    assert isinstance(prepared, ReadyDocument)
    operation = prepared.operation(None)
    assert operation
    result = operation.run(context, {})
    assert not isinstance(result, ExecutionResult)
    assert (await result).data == {"card": None}
    assert prepared.node.loc
    assert prepared.node.loc.start_token.next is prepared.node.loc.end_token.prev is None
    gc.collect()  # what graphql-core's validation leaves behind is collected while it is young
    gc.disable()
    try:
        dropped = [weakref.ref(one) for one in (prepared, operation, *prepared.node.definitions)]
        del prepared, operation, result
        for number in range(20):
            kept.prepare(large(number))
        assert [one() for one in dropped] == [None] * 3
        for refused in REFUSED:
            kept.prepare(refused)
        assert gc.collect() < 200, "what was refused is left to the collector"
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["id", "doc_id", "docId", "queryId", "operationId"])
@pytest.mark.parametrize("mode", IN_ALL)
def test_ids_of_other_conventions_are_told_the_name_here(mode: Mode, name: str) -> None:
    """Who sends an id as other servers take it learns that it is documentId; a text goes on."""
    trusted = TrustedDocuments(FLAT)
    with pytest.raises(BadRequest, match=f"documentId, not as {name}"):
        trusted.resolve({name: sha256(CARD)}, mode)
    assert trusted.resolve({name: "x", "query": CARD}, mode) == CARD


def test_without_manifests_no_id_is_supported() -> None:
    """Where there is no trusted document, Apollo's clients are told to stop sending hashes."""
    with pytest.raises(DocumentsNotSupported):
        TrustedDocuments({}).resolve(by_apollo(sha256(CARD)), "prefer")


_LONG = " ".join(f"a{i}: __typename" for i in range(300))
REFUSED = [
    f"{{ {_LONG} ]",
    f"{{ {_LONG} nonsense }}",
    f"{{ {_LONG} a0: card }}",
    f"query($a: ID) {{ {_LONG} }}",
    f"{{ card(id: [{'1 ' * 500}]) {{ id }} {_LONG} }}",
    "{ a(b: " + "[" * 100 + "]" * 100 + ") }",
]


def test_apollos_clients_understand_an_unknown_id() -> None:
    """Code and message of an unknown id are those that Apollo's clients react to."""
    error = DocumentNotFound()
    assert (error.code, error.message) == ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
    unsupported = DocumentsNotSupported()
    assert (unsupported.code, unsupported.message) == (
        "PERSISTED_QUERY_NOT_SUPPORTED",
        "PersistedQueryNotSupported",
    )
    assert DocumentNotTrusted().code == "DOCUMENT_NOT_TRUSTED"


def test_an_id_is_read_without_its_prefix() -> None:
    """The prefix sha256: of the appendix on persisted documents is understood."""
    assert id_of({"documentId": "sha256:ab"}) == id_of({"documentId": "ab"}) == "ab"


def test_every_trusted_document_is_prepared_like_any_other() -> None:
    """Trusted texts pass through the same checks."""
    for text in FLAT.values():
        assert isinstance(documents().prepare(text), ReadyDocument)
