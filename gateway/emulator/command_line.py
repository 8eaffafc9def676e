"""The options of `gateway emulator`, read from text: each is checked under its own name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from gateway.emulator.fault_texts import read_faults
from gateway.emulator.faults import Faults
from gateway.emulator.hosts import host_name
from gateway.emulator.options import GUIDE_ACCOUNT, EmulatorOptions
from gateway.errors import ConfigError
from gateway.uuids import is_uuid

LONGEST = 315_360_000
"""Seconds of ten years: the longest time that an option takes."""
_NOT_GIVEN: tuple[object, ...] = (None, [], ())
_NOT_IN_OPTIONS = {"port", "host", "allowed_host", "account", "sparse_cards", "faults"}


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was asked for: where to bind, which hosts to answer, what to do and what goes wrong."""

    host: str
    hosts: tuple[str, ...]
    options: EmulatorOptions
    faults: Faults


def read_command_line(texts: Mapping[str, Any]) -> CommandLine:
    """The options by parameter name, as they were typed, None where they were not.

    Credentials that were not typed are made up. Raises ConfigError with one sentence for each
    option that cannot be used, without its value.
    """
    given = _defaults() | {name: text for name, text in texts.items() if text not in _NOT_GIVEN}
    values, problems = {}, []
    for name, text in given.items():
        try:
            values[name] = _READERS.get(name, _as_it_is)(text)
        except ValueError as error:
            problems.append(f"--{name.replace('_', '-')}: {error}.")
    if problems:
        raise ConfigError(problems)
    chosen = {name: value for name, value in values.items() if name not in _NOT_IN_OPTIONS}
    options = EmulatorOptions(
        accounts=values["account"], rich_cards=not values["sparse_cards"], **chosen
    )
    hosts = (values["host"], *values["allowed_host"])
    return CommandLine(values["host"], hosts, options, values["faults"])


def _defaults() -> dict[str, Any]:
    made_up = {"api_key": str(uuid4()), "api_secret": uuid4().hex}
    return {**made_up, "account": [GUIDE_ACCOUNT], "allowed_host": []}


def _as_it_is(value: Any) -> Any:
    return value


def _uuid(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000")
    return text


def _secret(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text, and not empty")
    return text


def _seconds(text: str, *, most: float, above_zero: bool = False) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= most or (above_zero and not seconds):
        reach = f"above 0, up to {most}" if above_zero else f"from 0 to {most}"
        raise ValueError(f"must be a number of seconds {reach}")
    return seconds


def _choice(text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        *most, last = choices
        raise ValueError(f"must be {', '.join(most)} or {last}")
    return choices[text]


def _each(texts: list[str], read: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(map(read, texts))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "host": host_name,
    "allowed_host": partial(_each, read=host_name),
    "api_key": _uuid,
    "api_secret": _secret,
    "account": partial(_each, read=_uuid),
    "second_card": partial(
        _choice, choices={name: name for name in ("409", "400", "issue_failed")}
    ),
    "inactive_account": partial(
        _choice, choices={name: name for name in ("404", "409", "issue_failed")}
    ),
    "activation_delay": partial(_seconds, most=LONGEST),
    "capture_delay": partial(_seconds, most=LONGEST),
    "token_lifetime": partial(_seconds, most=LONGEST, above_zero=True),
    "max_signature_age": partial(_seconds, most=LONGEST, above_zero=True),
    "latency": partial(_seconds, most=3600),
    "bad_signature_status": partial(_choice, choices={"400": 400, "401": 401}),
    "reused_key_status": partial(_choice, choices={"422": 422, "409": 409}),
    "error_body": partial(_choice, choices={"json": "json", "text": "text"}),
    "faults": read_faults,
}
