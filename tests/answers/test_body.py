"""Which bodies are read, and how much of one: no more than the bound comes in or out."""

import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from gateway.answers import (
    BODY_LIMIT,
    BodyTooLarge,
    CodingBroken,
    CodingNotAccepted,
    UnusableBody,
    whole_body,
)

WHOLE = b'{"id": "1"}' * 20
FULL = b"x" * BODY_LIMIT


class Pieces:
    """A body in pieces; counts those that were asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.read += 1
            yield piece


def cut(data: bytes, size: int = 7) -> Pieces:
    """These bytes in small pieces."""
    return Pieces(*(data[at : at + size] for at in range(0, len(data), size)))


async def read(pieces: Pieces, coding: str = "", length: str = "") -> bytes | type[UnusableBody]:
    """The body, or the class of what is wrong with it."""
    try:
        return await whole_body(pieces, coding=coding, length=length)
    except UnusableBody as error:
        return type(error)


@pytest.mark.parametrize("coding", ["", "identity", "Identity", " identity , "])
async def test_a_plain_body_is_read_as_it_is(coding: str) -> None:
    """Without a coding, or with the one that was asked for, the bytes are those that came."""
    assert await read(cut(WHOLE), coding) == WHOLE


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip", "identity, gzip"])
async def test_gzip_is_inflated(coding: str) -> None:
    """A proxy may compress whatever was asked for."""
    assert await read(cut(gzip.compress(WHOLE)), coding) == WHOLE


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip, br"])
async def test_other_codings_are_not_accepted(coding: str) -> None:
    """Another coding, or two, is refused and not taken for the bytes of the body."""
    assert await read(cut(WHOLE), coding) is CodingNotAccepted


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_no_bytes_are_an_empty_body(coding: str) -> None:
    """An answer without content has none to decode, whatever its fields say."""
    assert await read(Pieces(b"", b""), coding) == b""


BROKEN = {
    "plain": WHOLE,
    "zlib without gzip": zlib.compress(WHOLE),
    "cut": gzip.compress(WHOLE)[:-1],
    "cut in its header": gzip.compress(WHOLE)[:5],
    "wrong checksum": gzip.compress(WHOLE)[:-8] + b"\0" * 8,
    "trailing bytes": gzip.compress(WHOLE) + b"{}",
    "a cut second member": gzip.compress(WHOLE) + gzip.compress(b"")[:-1],
    "bytes after zeros": gzip.compress(WHOLE) + b"\0\0{}",
    "zeros before": b"\0" + gzip.compress(WHOLE),
    "only zeros": b"\0" * 20,
    "many members": gzip.compress(WHOLE) + gzip.compress(b"") * 1000,
}
MEMBERS = {
    "two": gzip.compress(WHOLE[:5]) + gzip.compress(WHOLE[5:]),
    "an empty one at the end": gzip.compress(WHOLE) + gzip.compress(b""),
    "an empty one at first": gzip.compress(b"") + gzip.compress(WHOLE),
    "zeros at the end": gzip.compress(WHOLE) + b"\0" * 512,
}


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize("body", MEMBERS.values(), ids=MEMBERS)
async def test_gzip_may_have_members_and_padding(body: bytes, size: int) -> None:
    """RFC 1952 permits members one after another, and gzip's own tool zeros after them."""
    assert await read(cut(body, size), "gzip") == WHOLE


@pytest.mark.parametrize("size", [1, 1_000_000])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_broken_gzip_is_refused(body: bytes, size: int) -> None:
    """What is no gzip, ends too early or has more after its end is no body, however it is cut."""
    assert await read(cut(body, size), "gzip") is CodingBroken


@pytest.mark.parametrize(("body", "coding"), [(FULL, ""), (gzip.compress(FULL), "gzip")])
async def test_as_much_as_the_bound_is_read(body: bytes, coding: str) -> None:
    """A body of exactly the bound is whole."""
    assert await read(cut(body, 60_000), coding, str(len(body))) == FULL


TOO_LONG = {
    "plain": (FULL + b"x", ""),
    "inflated": (gzip.compress(FULL + b"x"), "gzip"),
    "inflated from one piece": (gzip.compress(FULL * 200), "gzip"),
    # Blocks without content: nothing comes out, however much comes in.
    "gzip of nothing": (gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 300_000, "gzip"),
}


@pytest.mark.parametrize("case", TOO_LONG)
async def test_more_than_the_bound_is_not_read(case: str) -> None:
    """Reading stops with the piece that is too much."""
    body, coding = TOO_LONG[case]
    pieces = Pieces(body, *[b"more"] * 10)
    assert await read(pieces, coding) is BodyTooLarge
    assert pieces.read == 1


@pytest.mark.parametrize("length", [str(BODY_LIMIT + 1), "9" * 5000, "00002000000"])
async def test_a_length_above_the_bound_is_refused_unread(length: str) -> None:
    """Where the answer says that it is too long, none of it is read."""
    pieces = cut(WHOLE)
    assert await read(pieces, length=length) is BodyTooLarge
    assert pieces.read == 0


@pytest.mark.parametrize("length", ["", "x", "-1", "٣", str(BODY_LIMIT)])
async def test_other_lengths_decide_nothing(length: str) -> None:
    """A length within the bound, or none that can be read, leaves it to the bytes."""
    assert await read(cut(WHOLE), length=length) == WHOLE
