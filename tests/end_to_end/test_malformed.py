"""Malformed requests by the thousand over a few kept connections; hypothesis makes them up."""

import asyncio
import json
import random
import re
import socket
import time
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.malformed import Message, messages
from tests.pair import Pair, pair
from tests.processes import memory_of
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

AT_ONCE = 5  # so that the gateway works on one while another is on its way
NOISE = 4_000_000  # bytes by which a process may grow without a leak
IDLE = 3  # seconds; the gateway may close what is idle for 5


class Connection:
    """A connection that has to last; it begins anew only after it idled."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        self._used = time.monotonic()

    def renew(self) -> None:
        """Begin again with a new socket."""
        self.close()
        self._connect()

    def close(self) -> None:
        """Give the socket back."""
        self._reader.close()
        self._socket.close()

    def send(self, message: Message) -> None:
        """Send a request; its answer is to be read before the next one is sent."""
        self._message = message
        try:
            self._socket.sendall(bytes(message))
        except OSError:
            self._send_again()

    def _send_again(self) -> None:
        """Begin anew where the gateway closed the connection because it idled; else fail."""
        idled = time.monotonic() - self._used
        assert idled > IDLE, f"the connection was dropped after {idled:.1f} s"
        self.renew()
        self._socket.sendall(bytes(self._message))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer; fails when the connection was dropped."""
        if self._is_dropped():
            self._send_again()
        status, headers = self._head()
        while status == 100:
            status, headers = self._head()
        body = self._reader.read(int(headers["content-length"]))
        self._used = time.monotonic()
        return status, headers, body

    def _is_dropped(self) -> bool:
        """Wait for the first byte of the answer; True where the connection ended before it."""
        try:
            return not self._reader.peek(1)
        except ConnectionResetError:
            return True

    def _head(self) -> tuple[int, dict[str, str]]:
        line, headers = self._line(), {}
        assert re.match(r"HTTP/1\.1 \d{3} ", line), f"the connection was dropped: {line!r}"
        while field := self._line():
            name, _, value = field.partition(": ")
            headers[name.lower()] = value
        return int(line[9:12]), headers

    def _line(self) -> str:
        return self._reader.readline().decode("latin-1").rstrip("\r\n")


def check(status: int, headers: dict[str, str], body: bytes) -> None:
    """What holds for every answer."""
    assert status < 500, body
    assert "connection" not in headers, "the connection is going to be dropped"
    assert "json" in headers["content-type"], body
    answer = json.loads(body)
    assert answer.get("errors") or "data" in answer, body
    for error in answer.get("errors", []):
        assert error["message"], body
        assert error["extensions"]["code"] != "INTERNAL", body
        assert error["extensions"]["requestId"], body


class Storm:
    """Sends messages over a handful of connections, checks the answers and counts them."""

    def __init__(self, port: int) -> None:
        self._connections = [Connection(port) for _ in range(AT_ONCE)]
        self.statuses: Counter[int] = Counter()

    def rage(self, count: int, seed: int) -> None:
        """Send about so many messages; of those answered wrongly the smallest is shown."""

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=-(-count // AT_ONCE),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(messages(), min_size=1, max_size=AT_ONCE))
        def answered(batch: list[Message]) -> None:
            self._exchange(batch)

        with unmeasured():
            answered()

    def _exchange(self, batch: list[Message]) -> None:
        used = self._connections[: len(batch)]
        try:
            for connection, message in zip(used, batch, strict=True):
                connection.send(message)
            for connection in used:
                status, headers, body = connection.answer()
                self.statuses[status] += 1
                check(status, headers, body)
        except (OSError, AssertionError):
            for connection in used:  # hypothesis now looks for a smaller case
                connection.renew()
            raise

    def close(self) -> None:
        """Give the sockets back."""
        for connection in self._connections:
            connection.close()


@pytest.mark.process
@pytest.mark.parametrize("requests", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(3600)
async def test_malformed_requests_are_answered(tmp_path: Path, requests: int) -> None:
    """Whatever is sent to /graphql, the answer is JSON with errors or data and never a 5xx, the
    connection is kept, and the gateway's memory stays flat."""
    with unmeasured():
        async with pair(tmp_path, log_level="error", max_idempotency_records="100") as both:
            memory = await rage_on(both, requests)
    megabytes = [round(one / 1e6, 1) for one in memory]
    print(f"megabytes: {megabytes}")
    warm = memory[len(memory) // 3]
    assert memory[-1] - warm < NOISE, megabytes


async def rage_on(both: Pair, requests: int) -> list[int]:
    """Send so many requests, a tenth at a time; the gateway's memory before and after each.

    They are the same ones in every run, unless hypothesis is told to take other ones.
    """
    seeds = random.Random(0 if hypothesis.settings().derandomize else time.time_ns())
    process_id = both.gateway._process.pid
    storm = Storm(int(both.url.rpartition(":")[2]))
    began, memory = time.monotonic(), [memory_of(process_id)]
    try:
        while storm.statuses.total() < requests:
            await asyncio.to_thread(storm.rage, requests // 10, seeds.randrange(2**32))
            memory.append(memory_of(process_id))
    finally:
        storm.close()
    rate = storm.statuses.total() / (time.monotonic() - began)
    print(f"{storm.statuses}, {rate:.0f}/s")
    return memory
