"""Reading manifests of trusted documents, as several tools write them.

Apollo's manifest is an object with a list of operations. All others are flat, ``{id: text}``:
those of GraphQL Code Generator (``persisted-documents.json``), of Relay's compiler and our own. In
these an id that is a SHA-256 is compared with the text; all other ids are taken as they are.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

APOLLO = "apollo-persisted-query-manifest"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = "sha256:"


def without_prefix(document_id: str) -> str:
    """The id without the prefix of the appendix on persisted documents."""
    return document_id.removeprefix(_PREFIX)


def hash_of(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hex digits."""
    # JSON can make a text of half a character, which has no UTF-8; nobody's hash is that of it.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def is_hash(document_id: str) -> bool:
    """Whether an id, without its prefix, is a SHA-256."""
    return _SHA256.fullmatch(document_id) is not None


def read_manifests(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of all manifests by id; raises ConfigError in a sentence.

    Two manifests may share entries, and may not have two texts for one id.
    """
    texts: dict[str, str] = {}
    places: dict[str, Path] = {}
    for path in paths:
        for number, (name, text) in enumerate(_read(path).items(), start=1):
            if texts.setdefault(name, text) != text:
                raise ConfigError(
                    [f"{path}: entry {number} has the id of another text in {places[name]}."]
                )
            places.setdefault(name, path)
    return texts


def _read(path: Path) -> dict[str, str]:
    try:
        manifest = json.loads(path.read_bytes(), object_pairs_hook=_without_repetition)
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise ConfigError([f"Cannot read {path}: {reason}."]) from error
    except _Repeated as error:
        raise ConfigError([f"{path}: an object has the name of its entry {error} twice."]) from None
    except (ValueError, RecursionError):
        raise ConfigError([f"{path} is not JSON in UTF-8."]) from None
    if not isinstance(manifest, dict) or not manifest:
        raise ConfigError([f"{path} is not a manifest of documents: a JSON object is needed."])
    return _apollo(manifest, path) if "format" in manifest else _flat(manifest, path)


class _Repeated(Exception):
    """The number of an entry whose name an earlier one of its object has."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of equal names the last one would silently win."""
    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(pairs, start=1):
        if name in found:
            raise _Repeated(number)
        found[name] = value
    return found


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
        without_prefix(name) if isinstance(name, str) else "",
        body if isinstance(body, str) and body.strip() else "",
    )


def _flat(manifest: Mapping[str, Any], path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, (name, text) in enumerate(manifest.items(), start=1):
        plain = without_prefix(name)
        if not isinstance(text, str) or not text.strip() or not plain:
            raise ConfigError([f"{path}: entry {number} must be an id with a document's text."])
        if is_hash(plain) and hash_of(text) != plain:
            raise ConfigError([f"{path}: the id of entry {number} is not the hash of its text."])
        if texts.setdefault(plain, text) != text:
            raise ConfigError([f"{path}: entry {number} has the id of an earlier one."])
    return texts
