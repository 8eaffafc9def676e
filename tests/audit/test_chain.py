"""A chain of lines shows what was changed in it, whatever that is."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import Chain, Head, read_lines, verified
from gateway.audit.chain import mac_of
from gateway.audit.reading import Line

KEY = b"a key that is known to nobody else"
CHAINS, LINES = 2, 6


def facts(number: int) -> dict[str, Any]:
    """What a line may say."""
    return {
        "event": "begun",
        "card": str(uuid.UUID(int=number)),
        "caller": "“names” may be anything",
    }


def trail() -> tuple[list[bytes], list[Head]]:
    """Lines of two processes in turn, and where each stood at last."""
    chains = [Chain(KEY) for _ in range(CHAINS)]
    lines = []
    for number in range(LINES):
        chain = chains[number % CHAINS]
        line, chain.head = chain.sealed(facts(number))
        lines.append(line)
    return lines, [chain.head for chain in chains]


TRAIL, HEADS = trail()


def findings(lines: list[bytes], folder: Path, heads: list[Head] | None = None) -> tuple[Any, ...]:
    """What is found in a file of these lines."""
    file = folder / f"{uuid.uuid4()}.jsonl"
    file.write_bytes(b"".join(lines))
    found = verified([file], KEY, HEADS if heads is None else heads)
    file.unlink()
    return found.findings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are."""
    return tmp_path_factory.mktemp("audit")


def test_what_was_written_verifies(folder: Path) -> None:
    """Lines of several chains in one file hold, with their heads and without."""
    assert findings(TRAIL, folder) == findings(TRAIL, folder, []) == ()


@given(line=st.integers(0, LINES - 1), place=st.integers(0), to=st.integers(0, 255))
def test_any_changed_byte_is_found(folder: Path, line: int, place: int, to: int) -> None:
    """Whichever byte of whichever line is another one, the last of a chain too, shows by itself."""
    changed = bytearray(TRAIL[line])
    place %= len(changed) - 1  # without the line break, which is none of the line
    if changed[place] != to:
        changed[place] = to
        lines = [*TRAIL[:line], bytes(changed), *TRAIL[line + 1 :]]
        assert findings(lines, folder, [])


@given(line=st.integers(0, LINES - 1))
def test_any_dropped_line_is_found(folder: Path, line: int) -> None:
    """A line that is not there is missing in its chain; the last one by the head of the log."""
    assert findings([*TRAIL[:line], *TRAIL[line + 1 :]], folder)


@given(one=st.integers(0, LINES - 1), other=st.integers(0, LINES - 1))
def test_any_swapped_lines_are_found(folder: Path, one: int, other: int) -> None:
    """Lines of a chain stand in their order; the order of two processes is in their times alone."""
    if one % CHAINS == other % CHAINS and one != other:
        lines = TRAIL.copy()
        lines[one], lines[other] = lines[other], lines[one]
        assert findings(lines, folder, [])


@given(line=st.integers(0, LINES - 1), to=st.integers(0, LINES))
def test_any_repeated_line_is_found(folder: Path, line: int, to: int) -> None:
    """A line stands once, wherever the copy was put."""
    assert findings([*TRAIL[:to], TRAIL[line], *TRAIL[to:]], folder, [])


@given(end=st.integers(0, len(b"".join(TRAIL)) - 2))
def test_any_cut_is_found_with_the_heads(folder: Path, end: int) -> None:
    """Wherever the file ends too early, the heads of the log say what is missing."""
    assert findings([b"".join(TRAIL)[:end]], folder)


def test_a_line_made_with_another_key_is_found(folder: Path) -> None:
    """Who does not have the key cannot write a line that holds."""
    forged = Chain(b"another key")
    forged.head = HEADS[0]
    assert findings([*TRAIL, forged.sealed(facts(9))[0]], folder, [])


def test_a_chain_of_somebody_else_does_not_hold(folder: Path) -> None:
    """A whole chain can only be made with the key."""
    assert findings([*TRAIL, Chain(b"another key").sealed(facts(9))[0]], folder, [])


def test_a_write_that_was_cut_off_is_no_change(folder: Path) -> None:
    """The beginning of a line that was written again, or never acknowledged, is nothing wrong."""
    again = [*TRAIL[:3], TRAIL[3][:70] + b"\n", *TRAIL[3:]]
    beside_another = [*TRAIL[:4], TRAIL[5][:70] + TRAIL[4], TRAIL[5]]
    at_the_end = [*TRAIL, TRAIL[0][:5]]
    del beside_another[4]
    lines = [*TRAIL[:4], TRAIL[5][:70] + TRAIL[4], TRAIL[5]]
    assert findings(again, folder) == findings(lines, folder) == findings(at_the_end, folder) == ()


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    """The parts of a chain that rotation has made are put together."""
    files = [tmp_path / name for name in ("a", "b", "c")]
    for number, file in enumerate(files):
        file.write_bytes(b"".join(TRAIL[2 * number : 2 * number + 2]))
    assert verified(reversed(files), KEY, HEADS).findings == ()
    assert verified([files[0], files[2]], KEY, HEADS).findings


def test_a_head_stands_for_files_that_were_deleted(tmp_path: Path) -> None:
    """Where old files are gone, the head of the log from that time proves what comes after."""
    chain, lines, heads = Chain(KEY), [], []
    for number in range(4):
        line, chain.head = chain.sealed(facts(number))
        lines.append(line)
        heads.append(chain.head)
    file = tmp_path / "rest.jsonl"
    file.write_bytes(b"".join(lines[2:]))
    assert verified([file], KEY).findings
    assert verified([file], KEY, [heads[1]]).findings == ()
    other = heads[1]._replace(mac=mac_of(KEY, "", b"another line"))
    assert verified([file], KEY, [other]).findings


def test_a_lost_chain_is_found_by_its_head(folder: Path) -> None:
    """A process whose lines are all gone shows by what the log says of it."""
    assert findings(TRAIL, folder, [*HEADS, Head("0" * 16, 3, "0" * 64)])


@given(st.binary(max_size=300))
def test_no_file_is_too_odd_to_be_read(folder: Path, content: bytes) -> None:
    """Whatever a file holds, reading it ends with lines, fragments and findings."""
    assert findings([*TRAIL, content], folder, HEADS) is not None


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    """What a line says comes back."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(TRAIL[0])
    [line] = read_lines(file)
    assert isinstance(line, Line)
    assert {**facts(0), "chain": HEADS[0].chain, "seq": 1} == line.facts
    shutil.rmtree(tmp_path)
