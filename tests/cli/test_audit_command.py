"""`gateway audit verify` and `gateway audit find`: what they print, and what they refuse."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import Chain, Head
from tests.commands import Command

KEY = "k" * 32
CARD, ACCOUNT = uuid.UUID(int=7), uuid.UUID(int=8)


def call(**facts: Any) -> list[dict[str, Any]]:
    """The two lines of a call."""
    known = {
        "call": uuid.uuid4().hex,
        "caller": "somebody",
        "operation": "issueVirtualCard",
        "account": ACCOUNT,
        "card": None,
        "key": uuid.UUID(int=9),
        "request_id": "request-1",
    }
    begun = {"time": "2026-11-27T20:00:00Z", "event": "begun", **known}
    ended = {"time": "2026-11-27T20:00:01Z", "event": "ended", **known, "outcome": "done"}
    return [begun, ended | {"card": CARD, "replayed": False} | facts]


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the lines of three calls, of which one has no end; the settings name it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_AUDIT_FILE", "audit.jsonl")
    monkeypatch.setenv("GATEWAY_AUDIT_KEY", KEY)
    file = tmp_path / "audit.jsonl"
    write(file, [*call(), *call(replayed=True), call()[0]])
    return file


def write(file: Path, calls: list[dict[str, Any]]) -> Head:
    """Write lines to a file, and say where their chain ends."""
    chain, lines = Chain(KEY.encode()), []
    for facts in calls:
        line, chain.head = chain.sealed(facts)
        lines.append(line)
    file.write_bytes(b"".join(lines))
    return chain.head


def test_a_trail_that_nobody_changed_is_said_to_be_so(trail: Path, command: Command) -> None:
    """The file of the settings is read where none is named, and where it ends is printed."""
    code, printed = command("audit", "verify")
    assert code == 0
    assert "All 5 lines are as they were written." in printed
    assert "ends with line 5:" in printed


def test_what_was_changed_is_named(trail: Path, command: Command) -> None:
    """File and line of each change are printed, and the exit code is 1."""
    lines = trail.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"somebody", b"anybody!")
    trail.write_bytes(b"".join([*lines[:3], lines[4]]))
    code, printed = command("audit", "verify", "audit.jsonl")
    assert code == 1
    assert "audit.jsonl line 2: is not as it was written." in printed
    assert "Line 4 is missing in chain" in printed


def test_a_cut_end_is_found_by_the_head_of_the_log(trail: Path, command: Command) -> None:
    """Without a head a shorter file looks whole; with it, what is missing is named."""
    head = write(trail, [*call(), *call()])
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:2]))
    assert command("audit", "verify")[0] == 0
    code, printed = command("audit", "verify", "--head", str(head))
    assert code == 1
    assert f"Lines 3 to 4 are missing in chain {head.chain}." in printed


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (["--card", str(CARD)], 2),
        (["--account", str(ACCOUNT)], 3),
        (["--key", str(uuid.UUID(int=9))], 3),
        (["--request", "request-1", "--card", str(CARD)], 2),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_calls_are_found(trail: Path, command: Command, wanted: list[str], count: int) -> None:
    """By card, account, key and request; each with who asked for it and what came of it."""
    code, printed = command("audit", "find", *wanted)
    assert code == 0
    assert printed.count("issueVirtualCard") == printed.count("somebody") == count
    assert "issueVirtualCard  done, replayed" in printed
    assert ("no end is known" in printed) == (count == 3)


def test_a_card_that_is_in_no_line_is_not_found(trail: Path, command: Command) -> None:
    """The exit code says that there is no such call."""
    code, printed = command("audit", "find", "--card", str(ACCOUNT))
    assert (code, "The trail has no such call." in printed) == (1, True)


def test_who_finds_is_told_of_changes(trail: Path, command: Command) -> None:
    """An answer from a trail that was changed says so."""
    trail.write_bytes(trail.read_bytes().replace(b"somebody", b"anybody!", 1))
    printed = command("audit", "find", "--card", str(CARD))[1]
    assert "audit.jsonl line 1: is not as it was written." in printed


@pytest.mark.parametrize(
    ("arguments", "unset", "refusal"),
    [
        ("verify", "GATEWAY_AUDIT_KEY", "GATEWAY_AUDIT_KEY: is not set"),
        ("verify", "GATEWAY_AUDIT_FILE", "Name a FILE, or set GATEWAY_AUDIT_FILE."),
        ("verify no.jsonl", "", "no.jsonl cannot be read"),
        ("verify --head x", "", "a head is of the form CHAIN:SEQ:MAC"),
        ("find", "", "Give at least one of --card, --account, --key and --request."),
    ],
)
def test_what_is_missing_is_said(
    trail: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    unset: str,
    refusal: str,
) -> None:
    """A command that cannot answer says what it needs, in one line and without a traceback."""
    if unset:
        monkeypatch.delenv(unset)
    code, printed = command("audit", *arguments.split())
    assert (code, refusal in printed) == (2, True)
