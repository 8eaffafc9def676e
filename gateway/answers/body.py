"""The body of an answer, read piece by piece and decoded within a bound.

``identity`` is asked for, but a proxy may compress whatever was asked: ``gzip`` is inflated here
(RFC 9110, 8.4.1.3; RFC 1952), so that the bound holds for the decoded bytes and not only for
those received. Any other coding is not accepted, nor are two codings.
"""

import zlib
from collections.abc import AsyncIterable, Iterator
from typing import Protocol

BODY_LIMIT = 1024 * 1024
"""Bytes of a body, before and after decoding."""
ACCEPTED = "identity"
"""What ``Accept-Encoding`` says: a compressed answer would save nothing here."""
_PIECE = 64 * 1024  # bytes that are inflated at once
_MOST_MEMBERS = 64  # gzip members of a body; servers send one
_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a gzip header and trailer
_DIGITS_OF_LIMIT = len(str(BODY_LIMIT))


class UnusableBody(Exception):
    """The body of a whole answer cannot be used; the part that was read is dropped."""


class BodyTooLarge(UnusableBody):
    """It has more bytes than BODY_LIMIT; the rest was not read."""


class CodingNotAccepted(UnusableBody):
    """Its ``Content-Encoding`` is neither ``identity`` nor ``gzip``."""


class CodingBroken(UnusableBody):
    """It says that it is gzip, and is not, or ends too early, or other data follows its end."""


class _Decoder(Protocol):
    def parts(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes of a piece, in parts of a bounded size."""

    def end(self) -> None:
        """Check that nothing is missing."""


async def whole_body(pieces: AsyncIterable[bytes], *, coding: str, length: str) -> bytes:
    """Read a body to its end; raises UnusableBody, and what ``pieces`` raises.

    ``coding`` and ``length`` are the values of ``Content-Encoding`` and ``Content-Length``, empty
    where there is no such field. A body of no bytes is empty in any coding.
    """
    if _says_too_much(length):
        raise BodyTooLarge
    body, received = bytearray(), 0
    decoder: _Decoder | None = None
    async for piece in pieces:
        if not piece:
            continue
        if (received := received + len(piece)) > BODY_LIMIT:
            raise BodyTooLarge
        decoder = decoder or _decoder(coding)
        for part in decoder.parts(piece):
            body += part
            if len(body) > BODY_LIMIT:
                raise BodyTooLarge
    if decoder is not None:
        decoder.end()
    return bytes(body)


def _says_too_much(length: str) -> bool:
    digits = length.strip().lstrip("0")
    if not (digits.isascii() and digits.isdigit()):
        return False
    return len(digits) > _DIGITS_OF_LIMIT or int(digits) > BODY_LIMIT


def _decoder(coding: str) -> _Decoder:
    names = [name for part in coding.lower().split(",") if (name := part.strip())]
    match [name for name in names if name != "identity"]:
        case []:
            return _Identity()
        case ["gzip" | "x-gzip"]:
            return _Gzip()
        case _:
            raise CodingNotAccepted


class _Identity:
    def parts(self, data: bytes) -> Iterator[bytes]:
        yield data

    def end(self) -> None:
        """Nothing can be missing."""


class _Gzip:
    """Members of gzip, one after another (RFC 1952, 2.2), and zero bytes after the last one.

    There is a bound on the members: many empty ones would cost much time.
    """

    def __init__(self) -> None:
        self._inflating = zlib.decompressobj(_GZIP)
        self._members = 1

    def parts(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflating.eof and not (data := self._next_member(data)):
                return
            yield from self._inflated(data)
            data = self._inflating.unused_data

    def _next_member(self, data: bytes) -> bytes:
        """Begin with another member, where there is one in these bytes; its bytes."""
        if not (data := data.lstrip(b"\0")):
            return data
        if (members := self._members + 1) > _MOST_MEMBERS:
            raise CodingBroken
        self._inflating, self._members = zlib.decompressobj(_GZIP), members
        return data

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        rest, part = data, b"-"
        while rest or part:
            try:
                part = self._inflating.decompress(rest, _PIECE)
            except zlib.error:
                raise CodingBroken from None
            yield part
            rest = self._inflating.unconsumed_tail
            if self._inflating.eof:
                return

    def end(self) -> None:
        if not self._inflating.eof:
            raise CodingBroken
