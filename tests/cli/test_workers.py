"""Several workers behind one address: who answers, and what happens when one of them ends."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.workers import refuse_memory
from gateway.cli.workers.restarts import Restarts
from gateway.errors import ConfigError
from tests.clicks import clicks_in_flight, http_client
from tests.commands import Command
from tests.examples import mostly_long
from tests.pair import Pair, pair
from tests.processes import ROOT, Process
from tests.stack import environment
from tests.tokens import IdentityProvider
from tests.waiting import PATIENCE

process = pytest.mark.process
STARTED = r'"worker":(\d),"pid":(\d+),"event":"worker_started"'


def workers_of(gateway: Process, number: int = 2) -> dict[int, int]:
    """The next workers that come up: their numbers, and those of their processes."""
    matches = [gateway.wait_for(STARTED) for _ in range(number)]
    return {int(match[1]): int(match[2]) for match in matches}


def ask(connection: http.client.HTTPConnection) -> int:
    """Run one operation over a connection, which stays open; the status."""
    body = json.dumps({"query": "{ __typename }"})
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@contextlib.contextmanager
def connections(url: str, number: int) -> Iterator[list[http.client.HTTPConnection]]:
    """Connections that are open at the same time."""
    address = url.removeprefix("http://")
    opened = [http.client.HTTPConnection(address, timeout=PATIENCE) for _ in range(number)]
    with contextlib.ExitStack() as stack:
        for one in opened:
            stack.callback(one.close)
        yield opened


def answers(gateway: Process) -> Counter[int]:
    """How many operations each worker has answered, by the log of a gateway that has ended."""
    lines = [json.loads(line) for line in gateway.lines if line.startswith("{")]
    return Counter(line["worker"] for line in lines if line["event"] == "operation")


@process
@pytest.mark.long
async def test_workers_give_a_caller_one_name(tmp_path: Path) -> None:
    """The random key that callers are hashed with is one for all workers, and is said once."""
    idp = IdentityProvider(tmp_path)
    settings: dict[str, Any] = idp.settings()
    async with pair(tmp_path, workers="2", **settings) as one:
        workers_of(one.gateway)
        bearer = {"Authorization": f"Bearer {idp.token()}"}
        for _ in range(4):
            async with http_client() as client:
                body = {"query": "{ __typename }"}
                await client.post(f"{one.url}/graphql", json=body, headers=bearer)
        assert one.gateway.stop() == 0
    lines = [json.loads(line) for line in one.gateway.lines if line.startswith("{")]
    callers = {(line["worker"], line["caller"]) for line in lines if line["event"] == "operation"}
    assert len(callers) == 2
    assert len({name for _, name in callers}) == 1
    assert [line["event"] for line in lines].count("subject_key_is_random") == 1


@process
@pytest.mark.parametrize(
    ("batches", "at_once", "each"),
    [(100, 1, 1), pytest.param(1000, 1, 1, marks=pytest.mark.long), (1, 50, 2)],
)
async def test_workers_get_equal_shares(
    tmp_path: Path, batches: int, at_once: int, each: int
) -> None:
    """Two workers answer half of the connections each, short ones and those that stay open."""
    async with pair(tmp_path, workers="2") as one:
        workers_of(one.gateway)
        for _ in range(batches):
            with connections(one.url, at_once) as opened:
                assert {ask(connection) for connection in opened * each} == {200}
        assert one.gateway.stop() == 0
    half = batches * at_once * each // 2
    assert answers(one.gateway) == {1: half, 2: half}


@process
async def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """While a place is empty the other worker answers all; then both answer again."""
    async with pair(tmp_path, workers="2") as one:
        before = workers_of(one.gateway)
        os.kill(before[1], signal.SIGKILL)
        with connections(one.url, 20) as opened:
            assert {ask(connection) for connection in opened} == {200}
        one.gateway.wait_for('"worker":1,.*"exit_code":-9,.*"worker_ended".*')
        after = workers_of(one.gateway, 1)
        assert after.keys() == {1}
        assert after[1] not in before.values()
        with connections(one.url, 20) as opened:
            assert {ask(connection) for connection in opened} == {200}
        assert one.gateway.stop() == 0
    assert answers(one.gateway).keys() == {1, 2}


@process
async def test_a_connection_outlives_the_worker_that_did_not_take_it(tmp_path: Path) -> None:
    """What waited for a worker that has died is answered by another, and nothing is lost."""
    async with pair(tmp_path, workers="2") as one, http_client() as client:
        workers = workers_of(one.gateway)
        os.kill(workers[1], signal.SIGSTOP)
        asked = [asyncio.create_task(client.get(f"{one.url}/healthz")) for _ in range(10)]
        done, waiting = await waited_for(asked, 5)
        os.kill(workers[1], signal.SIGKILL)
        assert {(await task).status_code for task in [*done, *waiting]} == {200}
        assert one.gateway.stop() == 0


async def waited_for(
    tasks: list[asyncio.Task[httpx.Response]], number: int
) -> tuple[set[asyncio.Task[httpx.Response]], set[asyncio.Task[httpx.Response]]]:
    """Those that have ended once ``number`` have, and the others."""
    done: set[asyncio.Task[httpx.Response]] = set()
    pending = set(tasks)
    while len(done) < number:
        ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        done |= ended
    return done, pending


def end(one: Pair, how: str) -> int:
    """End a gateway the way it is told; its exit code."""
    if how != "Ctrl-C twice":
        return one.gateway.stop(signal.Signals[how])
    workers = [int(pid) for _, pid in re.findall(STARTED, one.gateway.output)]
    for _ in range(2):  # a terminal sends it to the whole process group
        for pid in [*workers, one.gateway.pid]:
            os.kill(pid, signal.SIGINT)
        one.gateway.wait_for("server_ends")
    return one.gateway.end()


@process
@pytest.mark.parametrize(
    ("how", "code"),
    mostly_long(
        [("SIGTERM", 0), ("SIGINT", 0), ("Ctrl-C twice", 0), ("SIGKILL", -signal.SIGKILL)],
        "SIGTERM",
        "SIGKILL",
    ),
)
async def test_clicks_in_flight_are_answered_at_the_end(
    tmp_path: Path, how: str, code: int
) -> None:
    """However the supervisor ends, its workers answer what they have, and end too."""
    async with pair(tmp_path, faults={"latency": 3}, workers="2") as one, http_client() as client:
        workers_of(one.gateway)
        tasks = await clicks_in_flight(client, one, 10)
        # The output of a process ends when the last one that has inherited it has ended.
        ending = asyncio.create_task(asyncio.to_thread(end, one, how))
        results = await asyncio.gather(*tasks)
        assert await ending == code
    assert len({result["card"]["id"] for result in results}) == 10
    assert "Traceback" not in one.gateway.output
    assert one.gateway.output.count("supervisor_is_gone") == (2 if how == "SIGKILL" else 0)


@process
async def test_a_worker_that_is_ended_alone_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM to one worker lets it answer what it has, while another takes its place."""
    async with pair(tmp_path, faults={"latency": 3}, workers="2") as one, http_client() as client:
        workers = workers_of(one.gateway)
        tasks = await clicks_in_flight(client, one, 10)
        os.kill(workers[2], signal.SIGTERM)
        results = await asyncio.gather(*tasks)
        one.gateway.wait_for('"worker":2,.*"exit_code":0,.*"worker_ended"')
        workers_of(one.gateway, 1)
        assert one.gateway.stop() == 0
    assert len({result["card"]["id"] for result in results}) == 10


@process
async def test_settings_that_no_worker_can_use_are_one_line(tmp_path: Path) -> None:
    """What is found wrong when the application is built ends the command, and is said once."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text("no manifest")
    settings = environment(GATEWAY_AUTH="none", GATEWAY_PORT="0", GATEWAY_WORKERS="2")
    gateway = Process("serve", **settings, GATEWAY_DOCUMENTS=str(manifest), cwd=str(tmp_path))
    assert gateway.end() == 2
    assert gateway.output.count("GATEWAY_DOCUMENTS: ") == 1
    assert "Traceback" not in gateway.output


def test_a_port_in_use_is_one_line_before_any_worker_starts(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The socket is bound once, by the supervisor: one line, and the exit code 2."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for name, value in environment(GATEWAY_AUTH="none", GATEWAY_PORT=port).items():
            monkeypatch.setenv(name, value)
        code, printed = command("serve", "--workers", "2")
    assert (code, printed.count("\n")) == (2, 1)
    assert "address already in use; choose another port with GATEWAY_PORT." in printed


SUPERVISOR = """
import signal, socket, sys, time
from gateway.cli.workers import Service, Supervisor, supervisor
from gateway.cli.workers.channel import READY
from gateway.telemetry import configure_logging

def fails(number, channel):
    return 3

def stays(number, channel):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.tell(READY)
    while True:
        signal.pause()

configure_logging("info", readable=False)
supervisor.MARGIN = 0.5
listener = socket.create_server(("127.0.0.1", 0))
work = globals()[sys.argv[1]]
sys.exit(Supervisor(Service(listener, 2, work), readiness_delay=0, end=0.5).run())
"""


@contextlib.contextmanager
def supervised(work: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor whose workers do what is named, and its log."""
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, work], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        yield running


@process
def test_workers_that_never_come_up_end_the_supervisor() -> None:
    """Each failed start is a line of the log, and after a few the exit code says so."""
    with supervised("fails") as running:
        log = running.communicate(timeout=PATIENCE)[1]
    assert running.returncode == 3
    assert log.count('"exit_code":3,"next_start_in":0.1,"event":"worker_ended"') == 2
    assert log.count('"exit_code":3,"next_start_in":0.2,"event":"worker_ended"') == 2
    assert log.count("no_worker_can_start") == 1


@process
def test_a_worker_that_does_not_end_is_killed_in_the_end() -> None:
    """What still lives well after the drain time is killed, and the exit code is not 0."""
    with supervised("stays") as running:
        assert running.stderr is not None
        while "worker_started" not in running.stderr.readline():
            pass
        running.terminate()
        log = running.communicate(timeout=PATIENCE)[1]
    assert running.returncode == 1
    assert log.count("worker_is_killed") >= 1


def test_the_wait_for_the_next_start_grows() -> None:
    """It doubles from a tenth of a second to ten seconds, and is short again after a minute."""
    restarts = Restarts()
    waits = [restarts.wait_after(59) for _ in range(9)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert [restarts.wait_after(60), restarts.wait_after(1)] == [0.1, 0.2]


def test_several_workers_need_a_ledger_in_common() -> None:
    """A ledger in memory is for one process; others are for any number."""
    with pytest.raises(ConfigError, match=r"^GATEWAY_LEDGER: memory is for one process"):
        refuse_memory("memory", 2)
    refuse_memory("memory", 1)
    refuse_memory("sqlite:ledger.db", 2)
