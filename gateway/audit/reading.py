"""Reads the lines of audit trails back from files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.chain import parted

_START = b'{"chain":"'
_OWNER = re.compile(rb'\{"chain":"([0-9a-f]{16})","seq":(\d{1,18}),')


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line: where it stands, its place in its chain, its HMAC and what that is of."""

    file: Path
    number: int
    chain: str
    seq: int
    body: bytes
    mac: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the line says."""
        found: dict[str, Any] = msgspec.json.decode(self.body + b"}")
        return found


@dataclass(frozen=True, slots=True)
class Fragment:
    """The beginning of a line, which a full disk or a power cut has left.

    Not ``is_torn``: it ends as a whole line ends, and so was none that anybody began to write.
    """

    file: Path
    number: int
    text: bytes
    is_torn: bool


def read_lines(file: Path) -> Iterator[Line | Fragment]:
    """The lines of a file, in their order; raises OSError."""
    with file.open("rb") as stream:
        for number, text in enumerate(stream, 1):
            if text != b"\n":
                yield from _of_one(file, number, text)


def _of_one(file: Path, number: int, text: bytes) -> Iterator[Line | Fragment]:
    """What stands between two line breaks: where a write was cut off, another line may follow."""
    last = text.rfind(_START)
    if last > 0:
        yield Fragment(file, number, text[:last], is_torn=b'"mac":"' not in text[:last])
        text = text[last:]
    yield _line(file, number, text) or Fragment(
        file, number, text.rstrip(b"\n"), is_torn=not text.endswith(b"\n") and b'"mac"' not in text
    )


def _line(file: Path, number: int, text: bytes) -> Line | None:
    owner, parts = _OWNER.match(text), parted(text)
    if owner is None or parts is None:
        return None
    return Line(file, number, owner[1].decode(), int(owner[2]), *parts)
