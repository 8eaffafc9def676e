"""Where settings come from: a file of settings that a running gateway takes up anew, then the
environment, then ``.env``, then a folder of secret files.

A name that begins with ``GATEWAY_`` and is none of ours is a problem wherever it stands: a
misspelt setting that is ignored could leave a protection off. What platforms put into the
environment by themselves is passed over.
"""

import difflib
import io
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from gateway.config.files import Unreadable, file_reason, read_text

PREFIX = "GATEWAY_"
ENV_FILE = ".env"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
IGNORE = f"{PREFIX}IGNORE"
RELOAD_FILE = f"{PREFIX}RELOAD_FILE"
RELOADABLE = frozenset({"mutations", "log_level", "rate_limits", "documents", "jwt_keys"})
"""Settings that SIGHUP brings into effect; all others are read at the start alone."""

# Kubernetes describes every Service of a namespace to every pod, under names made of the Service's.
_SERVICE_NAME = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_OF_CGI = f"{PREFIX}INTERFACE"  # RFC 3875

# What is shown of an unknown name. To the parser of .env, `NAME:value` is a name.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")

log = logging.getLogger(__name__)


@dataclass
class Sources:
    """What stands under the names of settings, and what is wrong there."""

    values: dict[str, str] = field(default_factory=dict)
    """Texts by field, none of them empty."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where each of them stands."""
    problems: dict[str, str] = field(default_factory=dict)
    """Reasons by variable, or by file."""

    @property
    def complete(self) -> bool:
        """Whether all sources could be read: else what seems to be missing may be there."""
        return not {ENV_FILE, SECRETS_DIR, RELOAD_FILE} & self.problems.keys()


class _Entry(NamedTuple):
    name: str  # as it is written there
    content: str | Path  # a secret is read when it is known to be one
    place: str
    line: int | None = None

    @property
    def origin(self) -> str:
        return self.place if self.line is None else f"{self.place} line {self.line}"

    def read(self) -> str:
        text = self.content if isinstance(self.content, str) else read_text(self.content)
        return text.strip()


def read_sources(environ: Mapping[str, str], env_file: Path, fields: Collection[str]) -> Sources:
    """The settings among ``fields``; an earlier source wins, and an empty text is not set."""
    found = Sources()
    entries = [*_in_environment(environ), *_in_env_file(env_file, ENV_FILE, found)]
    if file := _first(entries, RELOAD_FILE):
        entries = [*_in_reload_file(Path(file), found), *entries]
    ignored = {_OF_CGI, *re.split(r"[\s,]+", _first(entries, IGNORE).upper())}
    if folder := _first(entries, SECRETS_DIR):
        entries += _in_folder(Path(folder), found)
    known = {PREFIX + name.upper(): name for name in fields}
    for entry in entries:
        name = entry.name.upper()
        if name in known and name not in ignored:
            _take(entry, known[name], found)
        elif name not in ignored:
            found.problems.setdefault(_shown(entry.name), _unknown(entry, known))
    return found


def _take(entry: _Entry, name: str, found: Sources) -> None:
    try:
        if name not in found.values and (text := entry.read()):
            text.encode()
            found.values[name] = text
            found.origins[name] = entry.origin
    except UnicodeEncodeError:  # bytes of the environment that are no UTF-8
        found.problems[entry.name.upper()] = "is not text in UTF-8"
    except Unreadable as error:
        found.problems[entry.name.upper()] = f"its file in {entry.place} cannot be read: {error}"


def _in_environment(environ: Mapping[str, str]) -> Iterator[_Entry]:
    for name, text in sorted(environ.items()):  # GATEWAY_PORT comes before gateway_port
        if name.upper().startswith(PREFIX) and not _is_injected(name.upper(), text):
            yield _Entry(name, text, "the environment")


def _is_injected(name: str, text: str) -> bool:
    """Whether a variable describes a Kubernetes Service, and is no setting."""
    if not (name.endswith("_PORT") and _SERVICE_ADDRESS.match(text)):
        return bool(_SERVICE_NAME.search(name))
    if name == f"{PREFIX}PORT":
        log.warning(
            "GATEWAY_PORT is ignored: it holds the address of a Kubernetes Service that is named "
            "gateway. `enableServiceLinks: false` in the pod's specification leaves it out."
        )
    return True


def _in_reload_file(path: Path, found: Sources) -> list[_Entry]:
    """The entries of the file of reloadable settings, which has to be there and has no others."""
    if not path.exists():
        found.problems[RELOAD_FILE] = "names a file that is not there"
    entries = _in_env_file(path, RELOAD_FILE, found)
    for entry in entries:
        if entry.name.upper().removeprefix(PREFIX).lower() not in RELOADABLE:
            reason = f"is read at the start alone, and cannot stand in the file of {RELOAD_FILE}"
            found.problems.setdefault(_shown(entry.name), reason)
    return entries


def _in_env_file(path: Path, label: str, found: Sources) -> list[_Entry]:
    """The entries of a file such as ``.env``, which need not be there; lines that cannot be read
    are problems of the ``label``.
    """
    try:
        # Read once: it may be a pipe.
        lines = list(parse_stream(io.StringIO(read_text(path))))
    except Unreadable as error:
        if isinstance(error.__cause__, FileNotFoundError) and not path.is_symlink():
            return []
        found.problems[label] = f"cannot be read: {error}"
        return []
    wrong = [line for line in lines if _is_malformed(line)]
    for line in wrong:
        found.problems[f"{label} line {_number(line)}"] = "is not of the form NAME=value"
    rest = "".join(line.original.string for line in lines if line not in wrong)
    values = dotenv_values(stream=io.StringIO(rest))
    numbers = {line.key: _number(line) for line in lines}  # of several, the last one holds
    return [
        _Entry(name, text or "", label, numbers[name])
        for name, text in values.items()
        if name.upper().startswith(PREFIX)
    ]


def _is_malformed(line: Binding) -> bool:
    name = line.key or ""
    if not name.upper().startswith(PREFIX):
        return line.error
    return line.value is None or not _NAME.fullmatch(name)


def _number(line: Binding) -> int:
    """The line's number in the file; the parser counts from the blank lines before it."""
    text = line.original.string
    return line.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _in_folder(folder: Path, found: Sources) -> list[_Entry]:
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError) as error:
        why = (
            "it is not a directory" if isinstance(error, NotADirectoryError) else file_reason(error)
        )
        found.problems[SECRETS_DIR] = f"names a folder that cannot be read: {why}"
        return []
    return [
        _Entry(name, folder / name, SECRETS_DIR)
        for name in names
        if name.upper().startswith(PREFIX)
    ]


def _first(entries: Sequence[_Entry], name: str) -> str:
    texts = (entry.read() for entry in entries if entry.name.upper() == name)
    return next((text for text in texts if text), "")


def _unknown(entry: _Entry, known: Collection[str]) -> str:
    own = {name.removeprefix(PREFIX): name for name in known}
    near = difflib.get_close_matches(entry.name.upper().removeprefix(PREFIX), own, n=1)
    advice = (
        f"did you mean {own[near[0]]}?"
        if near
        else f"what other programs need can be listed in {IGNORE}"
    )
    return f"is not a setting (in {entry.place}); {advice}"


def _shown(name: str) -> str:
    match = _NAME.match(name)
    return match[0] if match else PREFIX
