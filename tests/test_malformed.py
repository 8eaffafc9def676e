"""Malformed requests by the thousand over a few kept-alive connections; hypothesis makes them up.

TEST_FUZZ=10000 sends that many, other ones each time.
"""

import asyncio
import json
import os
import random
import re
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.malformed import Message, messages
from tests.pair import Pair, pair
from tests.unmeasured import unmeasured

LONG_RUN = int(os.environ.get("TEST_FUZZ", "0"))
REQUESTS = LONG_RUN or 2_000
AT_ONCE = 5  # so that the gateway works on one while another is on its way
NOISE = 4_000_000  # bytes by which a process may grow without a leak
IDLE = 3  # seconds; the gateway closes what is idle for 5, as it may


class Connection:
    """A connection that is to last; it begins anew only after it idled."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=20)
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
        if time.monotonic() - self._used > IDLE:
            self.renew()
        self._socket.sendall(bytes(message))

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer; fails when the connection was dropped."""
        status, headers = self._head()
        while status == 100:
            status, headers = self._head()
        body = self._reader.read(int(headers["content-length"]))
        self._used = time.monotonic()
        return status, headers, body

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
            database=None,
            deadline=None,
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


def memory_of(process_id: int) -> int:
    """Bytes of memory that a process holds; only Linux tells, elsewhere it is 0."""
    if sys.platform != "linux":
        return 0
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.timeout(120 + REQUESTS // 20)
async def test_malformed_requests_are_answered(tmp_path: Path) -> None:
    """Whatever is sent to /graphql, the answer is JSON with errors or data and never a 5xx, the
    connection is kept, and the gateway's memory stays flat."""
    with unmeasured():
        async with pair(tmp_path, log_level="error", max_idempotency_records="100") as both:
            memory = await rage_on(both)
    megabytes = [round(one / 1e6, 1) for one in memory]
    print(f"megabytes: {megabytes}")
    warm = memory[len(memory) // 3]
    assert memory[-1] - warm < NOISE, megabytes


async def rage_on(both: Pair) -> list[int]:
    """Send all requests, a tenth at a time; the gateway's memory before and after each."""
    seeds = random.Random(time.time_ns() if LONG_RUN else 0)
    process_id = both.gateway._process.pid
    storm = Storm(int(both.url.rpartition(":")[2]))
    began, memory = time.monotonic(), [memory_of(process_id)]
    try:
        while storm.statuses.total() < REQUESTS:
            await asyncio.to_thread(storm.rage, REQUESTS // 10, seeds.randrange(2**32))
            memory.append(memory_of(process_id))
    finally:
        storm.close()
    rate = storm.statuses.total() / (time.monotonic() - began)
    print(f"{storm.statuses}, {rate:.0f}/s")
    return memory
