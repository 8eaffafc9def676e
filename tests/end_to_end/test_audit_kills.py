"""An audit trail under real processes: kills, several workers in one file, and the commands."""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.audit import Line, read_lines, verified
from tests.clicks import click, http_client, ledger_of
from tests.examples import mostly_long
from tests.pair import URL, Pair, pair
from tests.processes import Process, run, started
from tests.waiting import PATIENCE, waiting_for

pytestmark = pytest.mark.process
KEY = "k" * 32
AUDIT = {"audit_key": KEY, "audit_file": "audit.jsonl"}


async def clicks_until(client: httpx.AsyncClient, url: str, ended: asyncio.Event) -> None:
    """Click, again and again, whatever comes of it."""
    while not ended.is_set():
        try:
            await click(client, url)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            await asyncio.sleep(0)


async def kill_under_load(client: httpx.AsyncClient, one: Pair, gateway: Process, url: str) -> None:
    """Kill a gateway once some more calls have reached the provider, while others go on."""
    ended = asyncio.Event()
    before = len((await ledger_of(client, one))["keys"])
    clients = [asyncio.create_task(clicks_until(client, url, ended)) for _ in range(8)]
    most = before + random.randint(5, 25)
    async with waiting_for("calls to reach the provider"):
        while len((await ledger_of(client, one))["keys"]) < most:
            pass
    gateway.stop(signal.SIGKILL)
    ended.set()
    await asyncio.gather(*clients)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """What the trail says, which is as it was written."""
    assert verified([file], KEY.encode()).findings == ()
    return [line.facts for line in read_lines(file) if isinstance(line, Line)]


async def begun_for_all_cards(client: httpx.AsyncClient, one: Pair, file: Path) -> int:
    """How many cards there are; the key of each has a line that it was begun."""
    begun = {line["key"] for line in lines_of(file) if line["event"] == "begun"}
    made = [key for key in (await ledger_of(client, one))["keys"] if key["card"]]
    assert {key["key"] for key in made} <= begun
    return len(made)


@pytest.mark.parametrize("kills", mostly_long([2, 25], 2))
async def test_a_kill_leaves_a_chain_that_verifies(tmp_path: Path, kills: int) -> None:
    """Whenever a gateway is killed, its chain holds, and each card has a line that it was begun."""
    async with pair(tmp_path, faults=None, **AUDIT) as one, http_client() as client:
        await kill_under_load(client, one, one.gateway, one.url)
        for _ in range(1, kills):
            with started("serve", **one.environment) as another:
                await kill_under_load(client, one, another, another.wait_for(URL)[0])
        file = tmp_path / "audit.jsonl"
        assert await begun_for_all_cards(client, one, file) > kills
    assert len({line["chain"] for line in lines_of(file)}) == kills


async def test_workers_share_a_file(tmp_path: Path) -> None:
    """Each worker has a chain of its own in it, also the one that takes a killed worker's place."""
    async with pair(tmp_path, faults=None, workers="2", **AUDIT) as one, http_client() as client:
        found = one.gateway.wait_for(r'"pid":(\d+),"event":"worker_started"')
        await asyncio.gather(*[click(client, one.url) for _ in range(20)])
        os.kill(int(found[1]), signal.SIGKILL)
        one.gateway.wait_for('"event":"worker_started"')
        one.gateway.wait_for('"event":"worker_started"')
        await asyncio.gather(*[click(client, one.url) for _ in range(20)])
        assert await begun_for_all_cards(client, one, tmp_path / "audit.jsonl") == 40
        assert one.gateway.stop() == 0
    lines = lines_of(tmp_path / "audit.jsonl")
    assert sum(line["event"] == "ended" for line in lines) >= 39
    assert 2 <= len({line["chain"] for line in lines}) <= 3


async def test_the_commands_answer_who_issued_a_card(tmp_path: Path) -> None:
    """`audit find` shows the call of a card, and `audit verify` what somebody has changed."""
    async with pair(tmp_path, faults=None, **AUDIT) as one, http_client() as client:
        card = (await click(client, one.url))["card"]["id"]
        assert one.gateway.stop() == 0
        output = one.gateway.output
    file, environment = tmp_path / "audit.jsonl", {**one.environment, "cwd": str(tmp_path)}
    code, printed = run("audit", "find", "--card", card, **environment)
    assert code == 0
    assert "issueVirtualCard  done" in printed
    assert "anyone" in printed
    head = output.partition('"head":"')[2].partition('"')[0]
    code, printed = run("audit", "verify", "--head", head, **environment)
    assert (code, "All 2 lines are as they were written." in printed) == (0, True)
    file.write_bytes(file.read_bytes().replace(b'"anyone"', b'"nobody"'))
    code, printed = run("audit", "verify", str(file), **environment)
    assert code == 1
    assert f"{file} line 1: is not as it was written." in printed
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    code, printed = run("audit", "verify", "--head", head, **environment)
    assert code == 1
    assert "Line 2 is missing in chain" in printed


async def test_a_stream_can_hold_the_trail(tmp_path: Path) -> None:
    """Lines on standard output are the trail where that is what was named."""
    settings = {"audit_key": KEY, "audit_file": "/dev/stdout"}
    async with pair(tmp_path, faults=None, **settings) as one, http_client() as client:
        await click(client, one.url)
        async with waiting_for("the second line", PATIENCE):
            await asyncio.to_thread(one.gateway.wait_for, '^{"chain":.*"event":"ended"')
