"""Captured HTTP requests as text: an HTTP/1.1 message (RFC 9112), or its header section alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from gateway.signing import Message

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rf"({_NAME}) ([!-~]+)(?: HTTP/[0-9.]+)?")
_ABSOLUTE = re.compile(r"(https?)://([^/?]*)", re.IGNORECASE)
_FIELD = re.compile(rf"({_NAME}):(.*)")
_LONGEST = 65_536  # bytes of a header section: twice what the gateway's own server takes
_OTHER = "a header field, such as Host: a.example"
_FIRST = f"a request line, such as POST /v1/cards HTTP/1.1, and not {_OTHER}"


class Malformed(ValueError):
    """A text is no captured request; the message says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A request as it was captured.

    ``method`` and ``target`` are empty and ``body`` is None where the text is a header section
    alone. ``fields`` are names in lower case and values, in their order, one for each line.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes | None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a request, or a header section; lines may end with LF alone. Raises Malformed."""
        head, *rest = re.split(rb"\r?\n\r?\n", raw.lstrip(b"\r\n"), maxsplit=1)
        if len(head) > _LONGEST:
            raise Malformed("its header section is longer than 64 KiB")
        first, *others = re.split(r"\r?\n", head.decode("latin-1").rstrip("\r\n"))
        if (request := _REQUEST_LINE.fullmatch(first)) is None:
            return cls("", "", tuple(_fields([first, *others], 1)), rest[0] if any(rest) else None)
        captured = cls(request[1], request[2], tuple(_fields(others, 2)), b"".join(rest))
        return replace(captured, body=captured._body_of_its_length())

    def _body_of_its_length(self) -> bytes:
        """The body without the line breaks that a file may have after it."""
        body, length = self.body or b"", self.field("content-length") or ""
        size = int(length) if re.fullmatch(r"[0-9]{1,9}", length) else len(body)
        return body if body[size:].strip(b"\r\n") else body[:size]

    def field_lines(self, name: str) -> list[str]:
        """The values of a field, one for each of its lines."""
        return [value for own, value in self.fields if own == name]

    def field(self, name: str) -> str | None:
        """The value of a field, its lines joined as RFC 9421 section 2.1 joins them."""
        lines = self.field_lines(name)
        return ", ".join(lines) if lines else None

    def as_message(self) -> Message:
        """The request as RFC 9421 sees it. Unless the target says http, its scheme is https."""
        headers: dict[str, str] = {}
        for name, value in self.fields:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Message(self.method, self._authority(), self._path(), headers)

    def _authority(self) -> str:
        """In lower case, without the scheme's default port and without credentials (2.2.3)."""
        absolute = _ABSOLUTE.match(self.target)
        named = (absolute[2] if absolute else self.field("host") or "").lower()
        is_plain = absolute is not None and absolute[1].lower() == "http"
        return named.rpartition("@")[2].removesuffix(":80" if is_plain else ":443")

    def _path(self) -> str:
        """The escaped path without the query; an empty one is a slash (section 2.2.6)."""
        return _ABSOLUTE.sub("", self.target.partition("?")[0]) or "/"


def _fields(lines: list[str], first: int) -> Iterator[tuple[str, str]]:
    """Names and values; a line that begins with a blank continues the one before it (2.1)."""
    name, value = "", ""
    for number, line in enumerate(lines, first):
        field = _FIELD.fullmatch(line)
        if line[:1] in {" ", "\t"} and name:
            value = f"{value} {line.strip()}"
        elif field is None:
            raise Malformed(f"line {number} is not {_FIRST if number == 1 else _OTHER}")
        else:
            if name:
                yield name, value
            name, value = field[1].lower(), field[2].strip(" \t")
    if name:
        yield name, value
