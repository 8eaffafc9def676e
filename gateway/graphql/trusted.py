"""Trusted documents: texts that were known when the frontend was built, asked for by their id.

Two requests are understood: ``documentId`` of the GraphQL-over-HTTP appendix on persisted
documents, with or without its prefix ``sha256:``, and Apollo's ``extensions.persistedQuery``,
version 1. Nothing is ever registered at run time: whoever may register may run anything.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from gateway.errors import (
    BadRequest,
    DocumentNotFound,
    DocumentNotTrusted,
    DocumentsNotSupported,
)
from gateway.graphql.manifest_files import hash_of, is_hash, read_manifests, without_prefix

Mode: TypeAlias = Literal["off", "prefer", "only"]

# What other conventions call a document's id: Relay's and Facebook's, and those of older servers.
_OTHER_NAMES = ("id", "doc_id", "docId", "queryId", "query_id", "operationId")


class TrustedDocuments:
    """The documents of all manifests, by id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = {without_prefix(name): text for name, text in texts.items()}
        self._known = frozenset(self._texts.values())

    @classmethod
    def load(cls, *paths: Path) -> Self:
        """Read manifests, of Apollo's form or flat ``{id: text}``; raises ConfigError."""
        return cls(read_manifests(paths))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrustedDocuments) and self._texts == other._texts

    __hash__ = None  # type: ignore[assignment]  # they can change

    def become(self, others: "TrustedDocuments") -> None:
        """From now on these are the documents of other manifests."""
        self._texts, self._known = others._texts, others._known

    def find(self, document_id: str) -> str | None:
        """The text under an id, or None."""
        return self._texts.get(without_prefix(document_id))

    def knows(self, text: str) -> bool:
        """Whether this very text is in a manifest."""
        return text in self._known

    def resolve(self, parameters: Mapping[str, Any], mode: Mode) -> str:
        """The text that a request's parameters ask for, which may be unknown except in ``only``.

        An id beside a text has to be that text's. Raises BadRequest, DocumentNotFound,
        DocumentsNotSupported and, in ``only`` and before anything is parsed, DocumentNotTrusted.
        """
        text = _text(parameters)
        document_id = id_of(parameters)
        known = None if mode == "off" or document_id is None else self.find(document_id)
        if text is not None and document_id is not None:
            _check_together(document_id, text, known)
        if known is not None:
            return known
        if text is None:
            raise self._without_text(parameters, document_id, mode)
        if mode == "only" and not self.knows(text):
            raise DocumentNotTrusted
        return text

    def _without_text(
        self, parameters: Mapping[str, Any], document_id: str | None, mode: Mode
    ) -> BadRequest:
        """Why a request without a text has none under an id either."""
        if document_id is not None:
            used = mode != "off" and self._texts
            return DocumentNotFound() if used else DocumentsNotSupported()
        for name in _OTHER_NAMES:
            if parameters.get(name) is not None:
                return BadRequest(f"Send the document's id as documentId, not as {name}.")
        return BadRequest("query must be text: a GraphQL document.")


def _check_together(document_id: str, text: str, known: str | None) -> None:
    """Refuse an id beside the text of another document: nobody could say which one is meant."""
    if known is not None:
        fits = known == text
    else:
        fits = not is_hash(document_id) or document_id == hash_of(text)
    if not fits:
        raise BadRequest("query is not the document of the id beside it; send one of them.")


def id_of(parameters: Mapping[str, Any]) -> str | None:
    """The document's id in a request's parameters; raises BadRequest when unreadable."""
    given = parameters.get("documentId")
    by_apollo = _apollo_id(parameters.get("extensions"))
    if given is None:
        return by_apollo
    if not isinstance(given, str) or not given:
        raise BadRequest("documentId must be text: the id of a document.")
    plain = without_prefix(given)
    if by_apollo not in (None, plain):
        raise BadRequest("documentId and extensions.persistedQuery name two documents; send one.")
    return plain


def _apollo_id(extensions: Any) -> str | None:
    persisted = extensions.get("persistedQuery") if isinstance(extensions, Mapping) else None
    if persisted is None:
        return None
    if not isinstance(persisted, Mapping) or not _is_one(persisted.get("version")):
        raise BadRequest("extensions.persistedQuery must be an object of version 1.")
    found = persisted.get("sha256Hash")
    if not isinstance(found, str) or not found:
        raise BadRequest("extensions.persistedQuery.sha256Hash must be text.")
    return without_prefix(found)


def _is_one(version: Any) -> bool:
    """Whether it is JSON's number 1, which may be written 1.0; true is none, but equals 1 here."""
    return isinstance(version, int | float) and not isinstance(version, bool) and version == 1


def _text(parameters: Mapping[str, Any]) -> str | None:
    text = parameters.get("query")
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("query must be text: a GraphQL document.")
    return text
