"""Finds what was changed in audit trails: what is not there, or is not as it was written."""

import hmac
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.chain import Head, mac_of
from gateway.audit.reading import Fragment, Line, read_lines


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where; ``line`` is None where it is about lines that are not there."""

    problem: str
    file: Path | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in some files: whole lines, where each chain ends, and what is wrong."""

    lines: tuple[Line, ...]
    heads: tuple[Head, ...]
    findings: tuple[Finding, ...]


def verified(files: Iterable[Path], key: bytes, heads: Collection[Head] = ()) -> Verified:
    """Compare all lines with their chains; ``heads`` are where chains have stood, by the log.

    A head says that lines up to it were written, and stands for those of files that are not there
    any more. Raises OSError.
    """
    chains: defaultdict[str, list[Line]] = defaultdict(list)
    findings: list[Finding] = []
    fragments: list[Fragment] = []
    for file in files:
        for one in read_lines(file):
            if isinstance(one, Line):
                chains[one.chain].append(one)
            else:
                fragments.append(one)
    for chain, lines in chains.items():
        findings += _of_chain(lines, key, {head.seq: head for head in heads if head.chain == chain})
    findings += _of_fragments(fragments, chains.values())
    findings += _of_lost_chains(heads, chains)
    ends = tuple(Head(lines[-1].chain, lines[-1].seq, lines[-1].mac) for lines in chains.values())
    whole = tuple(line for lines in chains.values() for line in lines)
    return Verified(whole, ends, tuple(findings))


def _of_chain(lines: list[Line], key: bytes, heads: dict[int, Head]) -> Iterator[Finding]:
    """One chain; within a file its lines stand in their order, and files may come in any."""
    yield from _out_of_order(lines)
    lines.sort(key=lambda line: line.seq)
    before = _begin(lines[0], heads)
    if before is None:
        yield _missing(lines[0].chain, 1, lines[0].seq - 1)
    last_seq, last_mac = lines[0].seq - 1, before
    for line in lines:
        if line.seq == last_seq:
            yield _at(line, f"is line {line.seq} of chain {line.chain} once more")
            continue
        if line.seq != last_seq + 1:
            yield _missing(line.chain, last_seq + 1, line.seq - 1)
            last_mac = None
        if not _holds(line, last_mac, key):
            yield _at(line, "is not as it was written")
        if line.seq in heads and heads[line.seq].mac != line.mac:
            yield _at(line, f"is not line {line.seq} of its chain by the head that was given")
        last_seq, last_mac = line.seq, line.mac
    if heads and max(heads) > last_seq:
        yield _missing(lines[0].chain, last_seq + 1, max(heads))


def _out_of_order(lines: list[Line]) -> Iterator[Finding]:
    last: dict[Path, int] = {}
    for line in lines:
        if line.seq < last.get(line.file, 0):
            yield _at(line, f"stands after a later line of chain {line.chain}")
        last[line.file] = line.seq


def _begin(first: Line, heads: dict[int, Head]) -> str | None:
    """The HMAC that the first line follows; None: nobody knows it."""
    if first.seq == 1:
        return ""
    return heads[first.seq - 1].mac if first.seq - 1 in heads else None


def _holds(line: Line, before: str | None, key: bytes) -> bool:
    """After lines that are missing nothing can be compared: that they are was told."""
    return before is None or hmac.compare_digest(
        mac_of(key, before, line.body).encode(), line.mac.encode()
    )


def _of_fragments(
    fragments: Iterable[Fragment], chains: Collection[list[Line]]
) -> Iterator[Finding]:
    """The beginning of a line is nothing wrong where it was written again, or never acknowledged:

    what is missing shows in its chain.
    """
    for one in fragments:
        again = any(line.body.startswith(one.text) for lines in chains for line in lines)
        if not (one.is_torn or again):
            yield Finding("is not a whole line of an audit trail", one.file, one.number)


def _of_lost_chains(heads: Iterable[Head], chains: Collection[str]) -> Iterator[Finding]:
    for head in heads:
        if head.chain not in chains:
            yield _missing(head.chain, 1, head.seq)


def _missing(chain: str, first: int, last: int) -> Finding:
    what = f"line {first} is" if first == last else f"lines {first} to {last} are"
    return Finding(f"{what} missing in chain {chain}")


def _at(line: Line, problem: str) -> Finding:
    return Finding(problem, line.file, line.number)
