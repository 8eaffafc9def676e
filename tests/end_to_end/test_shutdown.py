"""The end of a process: what is in flight is finished, and nothing is lost."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.clicks import clicks_in_flight, http_client, ledger_of
from tests.pair import pair
from tests.processes import children_of, started
from tests.waiting import PATIENCE

pytestmark = pytest.mark.process
FEW_AND_MANY = pytest.mark.parametrize("clicks", [20, pytest.param(100, marks=pytest.mark.long)])


@FEW_AND_MANY
async def test_sigterm_lets_clicks_in_flight_end(tmp_path: Path, clicks: int) -> None:
    """After SIGTERM slow mutations are all answered, new ones are refused, and it exits 0."""
    async with pair(tmp_path, faults={"latency": 3}) as one, http_client() as client:
        tasks = await clicks_in_flight(client, one, clicks)
        stopping = asyncio.create_task(asyncio.to_thread(one.gateway.stop, signal.SIGTERM))
        results = await asyncio.gather(*tasks)
        assert await stopping == 0
        cards = {result["card"]["id"] for result in results}
        assert len(cards) == clicks


@FEW_AND_MANY
async def test_clicks_of_clients_that_left_end_before_the_exit(tmp_path: Path, clicks: int) -> None:
    """Clicks whose clients have gone are carried out before the process exits too."""
    async with pair(tmp_path, faults={"latency": 3}) as one, http_client() as client:
        tasks = await clicks_in_flight(client, one, clicks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        code = await asyncio.to_thread(one.gateway.stop, signal.SIGTERM)
        ledger = await ledger_of(client, one)
        assert code == 0
        assert [key for key in ledger["keys"] if key["card"] is None] == []
        assert one.gateway.output.count('"outcome":"success"') >= clicks


async def test_half_a_body_does_not_hold_the_exit(tmp_path: Path) -> None:
    """A request that never ends is dropped at SIGTERM, and the process exits in order at once."""
    half = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with pair(tmp_path) as one:
        with socket.create_connection(("127.0.0.1", int(one.url.rpartition(":")[2]))) as client:
            client.sendall(half + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b'{"query":')
            assert await asyncio.to_thread(one.gateway.stop, signal.SIGTERM) == 0
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")
        assert "Traceback" not in one.gateway.output


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_gateway_that_ends_is_not_ready_and_still_serves(
    tmp_path: Path, workers: str
) -> None:
    """After SIGTERM `/readyz` is 503 while new connections are answered; a second one ends that."""
    async with (
        pair(tmp_path, readiness_delay="300", workers=workers) as one,
        http_client() as client,
    ):
        assert (await client.get(f"{one.url}/readyz")).status_code == 200
        os.kill(one.gateway.pid, signal.SIGTERM)
        one.gateway.wait_for('"event":"server_ends"')
        answers = [await _alone(one.url, path) for path in ("/readyz", "/healthz")]
        assert [answer.status_code for answer in answers] == [503, 200]
        assert [answer.headers["connection"] for answer in answers] == ["close"] * 2
        assert one.gateway.stop(signal.SIGTERM) == 0


async def test_a_signal_to_all_processes_at_once_is_one_signal(tmp_path: Path) -> None:
    """SIGTERM to supervisor and workers, as systemd sends it, does not shorten the delay."""
    async with pair(tmp_path, readiness_delay="300", workers="2") as one:
        for _ in range(2):
            one.gateway.wait_for('"event":"worker_started"')
        for pid in (*children_of(one.gateway.pid), one.gateway.pid):
            os.kill(pid, signal.SIGTERM)
        for _ in range(2):
            assert one.gateway.wait_for(r'"readiness_delay":([\d.]+)')[1] != "0"
        for _ in range(4):
            assert (await _alone(one.url, "/healthz")).status_code == 200
        assert one.gateway.stop(signal.SIGTERM) == 0


async def _alone(url: str, path: str) -> httpx.Response:
    """The answer over a connection of its own."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        return await client.get(url + path)


async def test_the_grace_period_is_bounded(tmp_path: Path) -> None:
    """A provider that never answers does not keep the process beyond its grace period."""
    slow = {"latency": 3600}
    async with pair(tmp_path, faults=slow, shutdown_grace="1") as one, http_client() as client:
        tasks = await clicks_in_flight(client, one, 5)
        code = await asyncio.to_thread(one.gateway.stop, signal.SIGTERM)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert code == 0


def test_a_signal_while_it_starts_is_not_lost() -> None:
    """SIGTERM ends the process too when it comes before the first request can be answered."""
    with started("emulator", "--port", "0") as emulator:
        emulator.wait_for("register-key")  # printed before the server runs
        assert emulator.stop() in {0, -signal.SIGTERM}
