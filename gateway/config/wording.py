"""How a refused value is worded: what it must be, and never what it is."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic_core import PydanticCustomError

NOT_SET = "not_set"  # the type of our own errors about what another setting needs

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    UUID: "a UUID",
    Path: "a path",
}


def expected(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a value of this type must be, to follow "must be"; ``metadata`` holds its bounds."""
    if get_origin(annotation) in {Union, UnionType}:
        [annotation] = [one for one in get_args(annotation) if one is not NoneType]
    if get_origin(annotation) is Literal:
        return one_of(get_args(annotation))
    kind = _KINDS.get(annotation, "text")
    return kind + _within(metadata) if annotation in {int, float} else kind


def one_of(choices: Iterable[Any]) -> str:
    """The choices in a row: off, prefer or only."""
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def _within(metadata: Iterable[Any]) -> str:
    bounds = {
        name: str(value)
        for one in metadata
        for name in ("ge", "gt", "le")
        if (value := getattr(one, name, None)) is not None
    }
    match bounds:
        case {"ge": least, "le": most}:
            return f" from {least} to {most}"
        case {"gt": least, "le": most}:
            return f" above {least} and at most {most}"
        case {"ge": least}:
            return f", {least} or more"
    return ""


def not_set(words: str) -> PydanticCustomError:
    """The error about a setting that is missing because of another one."""
    return PydanticCustomError(NOT_SET, "{words}", {"words": words})


def reason(problem: Mapping[str, Any], must_be: str) -> str:
    """Why a value is refused, from one of pydantic's errors and what the value must be."""
    match problem["type"]:
        case "missing":
            return "is not set"
        case "value_error" | "not_set":  # these are ours
            return str(problem["msg"]).removeprefix("Value error, ")
    return f"must be {must_be}"
