"""The admin listener of real processes: metrics and the version, apart from what callers reach."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from tests.pair import Pair, pair
from tests.processes import children_of
from tests.stack import ISSUE, issue_input
from tests.waiting import PATIENCE, waiting_for

pytestmark = pytest.mark.process
METRICS = r"Metrics at (http://\S+)/metrics"
ISSUED = frozenset({("field", "issueVirtualCard"), ("kind", "mutation"), ("status", "200")})


class Admin:
    """A client of a gateway and of its admin listener; each request has a new connection."""

    def __init__(self, both: Pair, client: httpx.AsyncClient) -> None:
        self.both = both
        self.client = client
        self.url = both.gateway.wait_for(METRICS)[1]

    async def issue(self) -> None:
        """Issue a card."""
        body = {"query": ISSUE, "variables": issue_input()}
        answer = await self.client.post(f"{self.both.url}/graphql", json=body)
        assert "IssueVirtualCardSuccess" in answer.text

    async def samples(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """The samples of this name, by their labels."""
        text = (await self.client.get(f"{self.url}/metrics")).text
        families = text_string_to_metric_families(text)
        found = [one for family in families for one in family.samples if one.name == name]
        return {frozenset(one.labels.items()): one.value for one in found}

    async def counted(self, cards: int) -> None:
        """Wait until so many cards are counted, which workers tell every two seconds."""
        async with waiting_for(f"{cards} cards to be counted"):
            while (found := await self.samples("gateway_requests_total")) != {ISSUED: cards}:
                assert sum(found.values()) <= cards
                await asyncio.sleep(0.05)

    async def until(self, name: str, number: int, *, other_than: object = None) -> None:
        """Wait until so many samples have this name, and are not what they were."""
        async with waiting_for(f"{number} of {name}"):
            while True:
                found = await self.samples(name)
                if len(found) == number and found != other_than:
                    return
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def administered(folder: Path, **settings: str) -> AsyncIterator[Admin]:
    """A gateway with an admin listener."""
    async with pair(folder, faults=None, admin_port="0", **settings) as both:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits) as client:
            yield Admin(both, client)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_all_requests_are_counted_whoever_answered_them(tmp_path: Path, workers: str) -> None:
    """Counts of several workers are added up, and the version is there beside them."""
    async with administered(tmp_path, workers=workers) as admin:
        for _ in range(6):
            await admin.issue()
        await admin.counted(6)
        version = (await admin.client.get(f"{admin.url}/version")).json()
        await admin.until("process_start_time_seconds", int(workers))
    assert version["version"] == __version__


async def test_callers_reach_no_metrics(tmp_path: Path) -> None:
    """The port of callers has neither metrics nor the version, and the admin port no GraphQL."""
    async with administered(tmp_path) as admin:
        paths = [f"{admin.both.url}/metrics", f"{admin.both.url}/version", f"{admin.url}/graphql"]
        answers = [await admin.client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [404] * 3


async def test_no_count_falls_when_a_worker_is_killed(tmp_path: Path) -> None:
    """The worker that is started anew goes on with the counts; gauges are those of living ones."""
    async with administered(tmp_path, workers="2") as admin:
        for _ in range(4):
            await admin.issue()
        await admin.counted(4)
        began = await admin.samples("process_start_time_seconds")
        first = admin.both.gateway.wait_for(r'"worker":1,"pid":(\d+),"event":"worker_started"')
        os.kill(int(first[1]), signal.SIGKILL)
        await admin.until("process_start_time_seconds", 2, other_than=began)
        for _ in range(4):
            await admin.issue()
        await admin.counted(8)


async def test_the_admin_process_is_started_anew(tmp_path: Path) -> None:
    """Where the process that shows metrics ends, callers notice nothing, and a new one starts."""
    async with administered(tmp_path, workers="2") as admin:
        first = admin.both.gateway.wait_for(r'"pid":(\d+),"event":"admin_started"')
        os.kill(int(first[1]), signal.SIGKILL)
        admin.both.gateway.wait_for('"event":"admin_ended"')
        admin.both.gateway.wait_for('"event":"admin_started"')
        await admin.issue()
        await admin.counted(1)


def folders_of(pid: int) -> set[Path]:
    """Where the files of metrics are that a process has in its memory."""
    maps = Path(f"/proc/{pid}/maps").read_text().split()
    return {Path(word).parent for word in maps if "/card-gateway-metrics-" in word}


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """After an orderly end there is no process any more, and no file of the metrics."""
    async with administered(tmp_path, workers="2") as admin:
        gateway = admin.both.gateway
        await admin.until("process_start_time_seconds", 2)
        kept = {folder for child in children_of(gateway.pid) for folder in folders_of(child)}
        assert len(kept) == 1
        assert gateway.stop() == 0
    assert not kept.pop().exists()
