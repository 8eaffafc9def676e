"""Trusted documents: texts that were known when the frontend was built, asked for by their id.

Two requests are understood: ``documentId`` of the GraphQL-over-HTTP appendix on persisted
documents, with or without its prefix ``sha256:``, and Apollo's ``extensions.persistedQuery``,
version 1. Nothing is ever registered at run time: whoever may register may run anything.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from gateway.errors import BadRequest, ConfigError, DocumentNotFound, DocumentNotTrusted

Mode: TypeAlias = Literal["off", "prefer", "only"]

APOLLO = "apollo-persisted-query-manifest"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = "sha256:"


class TrustedDocuments:
    """The documents of a manifest, by id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = {_plain(name): text for name, text in texts.items()}
        self._known = frozenset(self._texts.values())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read Apollo's manifest or a flat ``{id: text}``; raises ConfigError in a sentence."""
        try:
            manifest = json.loads(path.read_bytes())
        except OSError as error:
            reason = (error.strerror or "not readable").lower()
            raise ConfigError([f"Cannot read {path}: {reason}."]) from error
        except (ValueError, RecursionError):
            raise ConfigError([f"{path} is not JSON in UTF-8."]) from None
        if not isinstance(manifest, dict) or not manifest:
            raise ConfigError([f"{path} is not a manifest of documents: a JSON object is needed."])
        return cls(_apollo(manifest, path) if "format" in manifest else _flat(manifest, path))

    def find(self, document_id: str) -> str | None:
        """The text under an id, or None."""
        return self._texts.get(_plain(document_id))

    def knows(self, text: str) -> bool:
        """Whether this very text is in the manifest."""
        return text in self._known

    def resolve(self, parameters: Mapping[str, Any], mode: Mode) -> str:
        """The text that a request's parameters ask for, which may be unknown except in ``only``.

        A known id wins over a text beside it. Raises BadRequest, DocumentNotFound and, in
        ``only`` and before anything is parsed, DocumentNotTrusted.
        """
        text = _text(parameters)
        document_id = id_of(parameters)
        if mode != "off" and document_id is not None:
            known = self.find(document_id)
            if known is not None:
                return known
        if text is None and document_id is None:
            raise BadRequest("query must be text: a GraphQL document.")
        if text is None:
            raise DocumentNotFound
        if mode == "only" and not self.knows(text):
            raise DocumentNotTrusted
        return text


def id_of(parameters: Mapping[str, Any]) -> str | None:
    """The document's id in a request's parameters; raises BadRequest when unreadable."""
    given = parameters.get("documentId")
    if given is None:
        given = _apollo_id(parameters.get("extensions"))
    if given is None:
        return None
    if not isinstance(given, str) or not given:
        raise BadRequest("documentId must be text: the id of a document.")
    return _plain(given)


def _apollo_id(extensions: Any) -> Any:
    persisted = extensions.get("persistedQuery") if isinstance(extensions, Mapping) else None
    if persisted is None:
        return None
    if not isinstance(persisted, Mapping) or persisted.get("version") != 1:
        raise BadRequest("extensions.persistedQuery must be an object of version 1.")
    found = persisted.get("sha256Hash")
    if not isinstance(found, str) or not found:
        raise BadRequest("extensions.persistedQuery.sha256Hash must be text.")
    return found


def _text(parameters: Mapping[str, Any]) -> str | None:
    text = parameters.get("query")
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("query must be text: a GraphQL document.")
    return text


def _plain(document_id: str) -> str:
    return document_id.removeprefix(_PREFIX)


def _apollo(manifest: Mapping[str, Any], path: Path) -> dict[str, str]:
    if manifest["format"] != APOLLO or manifest.get("version") != 1:
        raise ConfigError([f"{path}: the format must be {APOLLO}, version 1."])
    operations = manifest.get("operations")
    if not isinstance(operations, list):
        raise ConfigError([f"{path}: operations must be a list."])
    texts: dict[str, str] = {}
    for number, operation in enumerate(operations, start=1):
        name, body = _id_and_body(operation)
        if not name or not body:
            raise ConfigError([f"{path}: operation {number} needs an id and a body."])
        if name in texts:
            raise ConfigError([f"{path}: operation {number} has the id of an earlier one."])
        texts[name] = body
    return texts


def _id_and_body(operation: Any) -> tuple[str, str]:
    """Both as text; empty where there is none."""
    given = operation if isinstance(operation, dict) else {}
    name, body = given.get("id"), given.get("body")
    return (
        _plain(name) if isinstance(name, str) else "",
        body if isinstance(body, str) and body.strip() else "",
    )


def _flat(manifest: Mapping[str, Any], path: Path) -> dict[str, str]:
    for number, (name, text) in enumerate(manifest.items(), start=1):
        if not isinstance(text, str) or not text.strip() or not name:
            raise ConfigError([f"{path}: entry {number} must be an id with a document's text."])
        plain = _plain(name)
        if _SHA256.fullmatch(plain) and hashlib.sha256(text.encode()).hexdigest() != plain:
            raise ConfigError([f"{path}: the id of entry {number} is not the hash of its text."])
    return dict(manifest)
