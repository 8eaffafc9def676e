"""Which settings are in force, and where each of them comes from, in texts that may be shown."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.card_numbers import without_card_numbers
from gateway.config.loading import Loadable
from gateway.config.sources import PREFIX, Sources

NOT_SET = "not set"
_CREDENTIALS = re.compile(r"(?<=://)[^/]*@")  # the user information of a URL (RFC 3986, 3.2.1)
_QUERY = re.compile(r"(?<=\?).*")


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: its variable, its value as it may be shown, and where that comes from.

    Of a secret the value is ``set``, of a setting with a problem ``refused``. ``is_given`` is
    whether the value stands in one of the sources.
    """

    variable: str
    value: str
    origin: str
    is_given: bool


def effective(kind: type[Loadable]) -> tuple[list[Effective], tuple[str, ...]]:
    """The settings of this class as ``load`` finds them, and the problems that it would raise."""
    settings, found, problems = kind.inspected()
    values = dict(found.values if settings is None else settings)
    refused = {problem.partition(":")[0] for problem in problems}
    return [*_each(kind, values, found, refused)], problems


def _each(
    kind: type[Loadable], values: Mapping[str, Any], found: Sources, refused: set[str]
) -> Iterator[Effective]:
    for name, field in kind.model_fields.items():
        variable = PREFIX + name.upper()
        value = values.get(name, _default(field))
        is_given = name in found.origins
        text = "refused" if is_given and variable in refused else _shown(value, field)
        origin = found.origins[name] if is_given else _without_source(value, field)
        yield Effective(variable, text, origin, is_given)


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _without_source(value: Any, field: FieldInfo) -> str:
    """Where a value comes from that stands nowhere: some are made of other settings."""
    if field.is_required():
        return "required"
    is_made = field.default_factory is not None or value != _default(field)
    return "computed" if is_made else "default"


def _shown(value: Any, field: FieldInfo) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "" or value == () or value == {}:
        return NOT_SET
    return "set" if _is_secret(field) else _visible(_text(value))


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in {field.annotation, *get_args(field.annotation)}


def _text(value: Any) -> str:
    """As it would be written into a source."""
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return json.dumps([str(one) for one in value], ensure_ascii=False)
        case Mapping():
            return json.dumps(dict(value), ensure_ascii=False)
    return str(value)


def _visible(text: str) -> str:
    """In one line, without credentials, queries and card numbers."""
    line = "".join(one if one.isprintable() else "?" for one in text)
    return without_card_numbers(_hidden_in_urls(line))


def _hidden_in_urls(text: str) -> str:
    return _QUERY.sub("…", _CREDENTIALS.sub("…@", text)) if "://" in text else text
