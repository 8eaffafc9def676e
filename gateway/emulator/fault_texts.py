"""Faults as text: read from JSON, and described for people."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from gateway.emulator.faults import Faults

EXAMPLE = '{"status_chance": 0.1}'
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_NAME_BEFORE_VALUE = re.compile(r'"(\w+)"\s*:\s*$')


@dataclass(frozen=True, slots=True)
class FaultText:
    """One fault in words: ``value`` says what it may be, ``default`` is JSON text."""

    name: str
    value: str
    meaning: str
    default: str


def describe_faults() -> list[FaultText]:
    """Every fault, in the order of the code."""
    return [_describe(field) for field in msgspec.structs.fields(Faults)]


def read_faults(text: str | bytes) -> Faults:
    """Faults from a JSON object; raises ValueError with every fault that cannot be what it is."""
    content = _parse(text)
    if problems := list(_problems(content)):
        raise _not_as_specified("; ".join(problems))
    try:
        return msgspec.convert(content, Faults)
    except msgspec.ValidationError as error:  # what several faults are together
        raise _not_as_specified(str(error)) from error


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        # Python's reader takes NaN and Infinity, so that the fault that is one can be named.
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_as_specified(_malformed(error)) from error
    if not isinstance(content, dict):
        raise _not_as_specified(f"they must be a JSON object such as {EXAMPLE}")
    return content


def _malformed(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        name = _NAME_BEFORE_VALUE.search(error.doc[: error.pos])
        if name and name[1] in _FIELDS:
            return f"{name[1]} must be {_describe(_FIELDS[name[1]]).value}"
        return f"they are not JSON from character {error.pos + 1} on; write {EXAMPLE}"
    return f"they are not JSON; write {EXAMPLE}"


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        field = _FIELDS.get(name)
        if field is None:
            yield f"{_shown(name)}: there is no such fault; {_suggestion(name)}"
        elif not _fits(value, field.type):
            yield f"{name} must be {_describe(field).value}"


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else "a name"


def _suggestion(name: str) -> str:
    meant = get_close_matches(name.lower().replace("-", "_"), _FIELDS, n=1)
    # "drop" is less alike than a typing error is, and yet it is clear what is meant.
    meant += [field for field in _FIELDS if name and field.startswith(f"{name.lower()}_")]
    return f"did you mean {meant[0]}?" if meant else f"the faults are {', '.join(_FIELDS)}"


def _not_as_specified(reason: str) -> ValueError:
    return ValueError(f"the faults are not as specified: {reason}")


def _describe(field: msgspec.structs.FieldInfo) -> FaultText:
    described, bare = field.type.__metadata__[-1], field.type.__origin__
    types = getattr(bare, "__args__", ())
    value = next((kind.__metadata__[-1].title for kind in types if kind is not type(None)), None)
    return FaultText(
        name=field.name,
        value=f"{value} or null" if value else field.type.__metadata__[0].title,
        meaning=described.description,
        default=msgspec.json.encode(field.default).decode(),
    )


_FIELDS = {field.name: field for field in msgspec.structs.fields(Faults)}
