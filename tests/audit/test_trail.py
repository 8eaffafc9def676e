"""Each modifying call leaves two lines: one before anything is sent, one with what came of it."""

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import events
from gateway.audit import verified
from gateway.callers.subjects import hashed_with
from tests.stack import ADDRESS, ISSUE, Stack, issue_input, running
from tests.tokens import IdentityProvider
from tests.waiting import until

KEY = "k" * 32
SUBJECT = "somebody@example.com"
CLIENT_KEY = "123e4567-e89b-42d3-a456-426614174000"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the trail is kept."""
    return tmp_path / "audit.jsonl"


def audited(file: Path, **changes: Any) -> Any:
    """A stack with an audit trail."""
    return running(**({"audit_file": str(file), "audit_key": KEY} | changes))


def lines_of(*files: Path) -> list[dict[str, Any]]:
    """What the trail says, which is as it was written."""
    assert verified(files, KEY.encode()).findings == ()
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def test_a_click_is_two_lines(file: Path) -> None:
    """Who, what, for which account, under which key, in which request, and what came of it."""
    async with audited(file) as stack:
        answer = await stack.post(ISSUE, issue_input())
        card = answer.json()["data"]["issueVirtualCard"]["card"]
    begun, ended = lines_of(file)
    assert (begun["event"], ended["event"]) == ("begun", "ended")
    assert begun["call"] == ended["call"]
    assert begun["caller"] == "anyone"
    assert begun["operation"] == "issueVirtualCard"
    assert begun["account"] == card["accountId"]
    assert (begun["card"], ended["card"]) == (None, card["id"])
    assert begun["key"] == stack.wire.sent("POST", "/accounts/")[0].headers["Idempotency-Key"]
    assert begun["request_id"] == answer.headers["X-Request-Id"]
    assert begun["process"] == os.getpid()
    assert (ended["outcome"], ended["replayed"]) == ("done", False)


async def test_the_first_line_is_on_the_disk_before_a_byte_leaves(file: Path) -> None:
    """When the provider gets the request, the trail has its line."""
    seen: list[int] = []

    def look(request: httpx.Request) -> None:
        if "/accounts/" in request.url.path:
            seen.append(len(file.read_text().splitlines()))

    async with audited(file) as stack:
        stack.wire.answer = look
        await stack.issue()
    assert seen == [1]


async def test_repeats_and_conflicts_have_lines_of_their_own(file: Path) -> None:
    """A replay says that it is one, and a key that another input has had ends with its code."""
    async with audited(file) as stack:
        first = await stack.issue(idempotencyKey=CLIENT_KEY)
        await stack.issue(idempotencyKey=CLIENT_KEY)
        other = ADDRESS | {"city": "Leeds"}
        await stack.issue(idempotencyKey=CLIENT_KEY, billingAddress=other)
    ends = [line for line in lines_of(file) if line["event"] == "ended"]
    assert [line["outcome"] for line in ends] == ["done", "done", "IDEMPOTENCY_CONFLICT"]
    assert [line.get("replayed") for line in ends] == [False, True, None]
    assert ends[1]["card"] == first["card"]["id"]


async def test_a_call_about_a_card_names_it(file: Path) -> None:
    """The card stands in both lines, and its account where the answer shows it."""
    async with audited(file) as stack:
        card = (await stack.issue())["card"]
        await stack.simulate(card["id"])
    begun, ended = lines_of(file)[2:]
    assert begun["card"] == ended["card"] == card["id"]
    assert ended["operation"] == "simulateCardIssue"


async def test_what_is_refused_before_anything_is_sent_has_no_line(file: Path) -> None:
    """Input that is wrong, and reads, are no modifying calls."""
    async with audited(file) as stack:
        await stack.issue(accountId="no account")
        await stack.card(CLIENT_KEY)
    assert lines_of(file) == []


async def test_a_caller_that_goes_away_leaves_the_end_of_its_call(file: Path) -> None:
    """The second line has the card of a call that was answered after its caller had gone."""
    gate = asyncio.Event()
    async with audited(file, mutation_deadline=0.2) as stack:
        inner = stack.wire.handle_async_request

        async def held(request: httpx.Request) -> httpx.Response:
            response: httpx.Response = await inner(request)
            if "/accounts/" in request.url.path:
                await gate.wait()
            return response

        stack.wire.handle_async_request = held
        assert (await stack.issue())["__typename"] == "OutcomeUnknown"
        assert len(lines_of(file)) == 1
        gate.set()
        await until("the second line", lambda: len(file.read_text().splitlines()) == 2)
    assert lines_of(file)[1]["outcome"] == "done"
    assert lines_of(file)[1]["card"]


@pytest.mark.parametrize("subjects", ["raw", "hashed"])
async def test_callers_are_named_as_the_setting_says(
    file: Path, tmp_path: Path, subjects: str
) -> None:
    """By the subject of their token, or by its keyed hash, whatever the log does."""
    identity, key = IdentityProvider(tmp_path), "s" * 32
    given = identity.settings(audit_subjects=subjects, subject_key=key, log_subjects="hashed")
    async with audited(file, **given) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token(sub=SUBJECT)}"
        await stack.issue()
    name = SUBJECT if subjects == "raw" else hashed_with(key)(SUBJECT)
    assert {line["caller"] for line in lines_of(file)} == {name}


def fill_disk(file: Path) -> None:
    """From now on each write to the file fails, as on a disk that is full."""
    file.unlink()
    file.symlink_to("/dev/full")


def make_room(file: Path) -> None:
    """Let writes succeed again."""
    file.unlink()


def rotate(file: Path) -> Path:
    """Rename the file, as log rotation does."""
    return file.rename(file.with_suffix(".1"))


async def test_without_its_line_a_call_is_refused(file: Path) -> None:
    """Where the disk is full nothing is sent, and the client may come again with its key."""
    kept: list[events.Event] = []
    async with audited(file, sinks=[kept.append]) as stack:
        fill_disk(file)
        refused = await stack.issue(idempotencyKey=CLIENT_KEY)
        assert refused["__typename"] == "GatewayUnavailable"
        assert (refused["code"], refused["retryable"]) == ("AUDIT_UNAVAILABLE", True)
        assert stack.wire.sent("POST", "/accounts/") == []
        ready = (await stack.client.get("/readyz")).json()
        assert ready["audit"] == "no space left on device"
        make_room(file)
        assert (await stack.issue(idempotencyKey=CLIENT_KEY))["__typename"].endswith("Success")
        assert (await stack.client.get("/readyz")).json()["audit"] == "ok"
    changes = [event.problem for event in kept if isinstance(event, events.AuditChanged)]
    assert changes == ["no space left on device", None]
    assert [line["event"] for line in lines_of(file)] == ["begun", "ended"]


async def test_where_that_is_set_a_call_goes_on_without_its_line(file: Path) -> None:
    """With `continue` a full disk stops nobody; the end is written once there is room."""
    async with audited(file, audit_on_failure="continue") as stack:
        fill_disk(file)
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        make_room(file)
        await until("the kept line", lambda: file.exists() and file.read_text() != "")
    [ended] = lines_of(file)
    assert (ended["event"], ended["outcome"]) == ("ended", "done")


async def test_a_chain_goes_on_over_log_rotation(file: Path) -> None:
    """A file that is renamed is followed by one of the old name, in the same chain."""
    async with audited(file) as stack:
        await stack.issue()
        rotated = rotate(file)
        await stack.issue()
    assert len({line["chain"] for line in lines_of(file, rotated)}) == 1
    assert [line["seq"] for line in lines_of(rotated, file)] == [1, 2, 3, 4]


async def test_the_log_has_the_head_of_the_chain(file: Path) -> None:
    """At the end it is said how many lines were written, which proves that none was cut off."""
    kept: list[events.Event] = []
    async with audited(file, sinks=[kept.append]) as stack:
        await stack.issue()
    [head] = [event.head for event in kept if isinstance(event, events.AuditHead)]
    last = lines_of(file)[-1]
    assert head == f"{last['chain']}:2:{last['mac']}"


def test_nobody_else_may_read_it(file: Path) -> None:
    """The file is its owner's alone."""

    async def issue() -> None:
        async with audited(file) as stack:
            await stack.issue()

    asyncio.run(issue())
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"audit_key": ""}, "GATEWAY_AUDIT_KEY: is not set"),
        ({"audit_key": "short"}, "GATEWAY_AUDIT_KEY: must have at least 32 bytes"),
    ],
)
async def test_a_trail_needs_a_key(file: Path, given: Any, problem: str) -> None:
    """A chain without a secret would prove nothing."""
    with pytest.raises(Exception, match=problem):
        async with audited(file, **given):
            pass


async def test_hashed_names_need_a_key_that_lasts(file: Path, tmp_path: Path) -> None:
    """A trail whose hashes end with the process could answer nobody's question."""
    identity = IdentityProvider(tmp_path)
    with pytest.raises(Exception, match=r"GATEWAY_AUDIT_SUBJECTS: .*GATEWAY_SUBJECT_KEY"):
        async with audited(file, **identity.settings(subject_key="")):
            pass


async def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    """Who wants a trail learns at the start that there can be none."""
    with pytest.raises(Exception, match=r"GATEWAY_AUDIT_FILE: .* cannot be opened: no such file"):
        async with audited(tmp_path / "missing" / "audit.jsonl"):
            pass


async def test_the_trail_holds_nothing_of_a_card_but_its_id(file: Path) -> None:
    """Neither address, name, masked number, access token nor the client's key is in a line."""
    async with audited(file) as stack:
        issued = await stack.issue(idempotencyKey=CLIENT_KEY)
        token = stack.wire.exchanges[-1][0].headers["Authorization"].split()[1]
    text = json.dumps(lines_of(file))
    secret = [*ADDRESS.values(), CLIENT_KEY, token, issued["card"]["name"] or "no name"]
    assert [one for one in secret if one in text.replace("GB", "")] == []


async def clicks(stack: Stack, number: int) -> None:
    """So many clicks at once."""
    await asyncio.gather(*[stack.issue(idempotencyKey=str(uuid.uuid4())) for _ in range(number)])


async def test_lines_of_many_calls_at_once_are_one_chain(file: Path) -> None:
    """Calls that begin and end in any order leave whole lines with numbers in a row."""
    async with audited(file) as stack:
        await clicks(stack, 20)
    lines = lines_of(file)
    assert [line["seq"] for line in lines] == list(range(1, 41))
    assert len({line["call"] for line in lines}) == 20
