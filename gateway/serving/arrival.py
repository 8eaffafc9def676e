"""Which part of a request comes, and how many bytes of it have come: each part has its bounds.

::

    NOTHING ──► HEAD ──► BODY ──► NOTHING ...
                  │        └ framing: chunk sizes, extensions and trailer fields
                  └ bytes of the target and of the fields, number of fields

What arrives is parsed in pieces, and a piece is counted for a part when all of it belongs to it.
"""

from collections.abc import Sequence
from enum import Enum, auto

from gateway.errors import BadRequest
from gateway.serving import bounds as most

PIECE = most.HEAD // 2  # bytes that are parsed before they are counted

_TOO_LONG = f"The target of the request is longer than {most.REQUEST_LINE} bytes; use POST."
_TOO_LARGE = f"The header section is larger than {most.HEAD} bytes."
_TOO_MANY = f"The header section has more than {most.FIELDS} fields."
_FRAMING = "The chunks of the body have too many extensions, trailer fields or size lines."


class Part(Enum):
    """What of a request is to come next."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Arrival:
    """How far the last request of a connection has come."""

    def __init__(self) -> None:
        self.part = Part.NOTHING
        self.count = 0
        """Bytes of the head, of the framing, or of a body that nobody takes, by the part."""
        self.steps = 0
        """How often the part has changed."""
        self._body = 0
        """Bytes of the body."""

    def enter(self, part: Part) -> None:
        """Another part is to come."""
        self.part = part
        self.steps += 1
        self.count = self._body = 0

    def add(self, size: int, steps: int) -> None:
        """Count a parsed piece for the part that it ends in, if it began there: at ``steps``."""
        self.count = self.count + size if self.steps == steps else 0

    def add_body(self, size: int, *, is_taken: bool) -> None:
        """Count bytes of the body; those that are taken are no framing, as their piece will be."""
        self._body += size
        if is_taken:
            self.count -= size

    def error(
        self, target: bytes, fields: Sequence[tuple[bytes, bytes]], *, is_taken: bool
    ) -> BadRequest | None:
        """What is too large or too many, of a head or of the framing of a body that is taken."""
        if len(fields) > most.FIELDS:
            return BadRequest(_TOO_MANY, status=431)
        if self.part is Part.HEAD and len(target) > most.REQUEST_LINE:
            return BadRequest(_TOO_LONG, status=414)
        if not self.count:  # less than two pieces, and so within all other bounds
            return None
        if self.part is not Part.BODY:
            return BadRequest(_TOO_LARGE, status=431) if self._is_head_too_large(fields) else None
        is_too_much = is_taken and self.count > most.FRAMING + 8 * self._body
        return BadRequest(_FRAMING) if is_too_much else None

    def _is_head_too_large(self, fields: Sequence[tuple[bytes, bytes]]) -> bool:
        size = sum(len(name) + len(value) + 4 for name, value in fields)
        return size > most.HEAD or self.count > most.HEAD + PIECE
