"""Log lines on real pipes: nobody waits for whoever reads them."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.telemetry import DirectWriter, QueuedWriter
from gateway.telemetry.log_writers import ATOMIC, MOST_BYTES, MOST_LINES
from tests.pair import URL
from tests.processes import ROOT, children_of
from tests.stack import environment
from tests.waiting import PATIENCE

process = pytest.mark.process
REQUESTS = 200  # each is a line: several times what a pipe of a page takes
PAGE = 4096
DEATHS = 5


def say_dropped(count: int) -> str:
    """The line of a count."""
    return f"dropped {count}\n"


@contextlib.contextmanager
def pipe(pages: int = 1) -> Iterator[tuple[int, int]]:
    """A pipe that holds so many pages: the end to read from, and the one to write to."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, pages * PAGE)
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


class Reader:
    """Reads a pipe to its end, in a thread, from the moment in which it is made."""

    def __init__(self, descriptor: int) -> None:
        self._pieces: list[bytes] = []
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self._descriptor, 65_536):
            self._pieces.append(piece)

    def lines(self) -> list[str]:
        """All lines, once nobody can write any more."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the pipe has no end"
        text = b"".join(self._pieces).decode()
        assert text.endswith("\n") or not text
        return text.splitlines()


def counted(lines: list[str]) -> tuple[list[str], int]:
    """The lines that are no counts, and the sum of the counts."""
    kept = [line for line in lines if not line.startswith("dropped ")]
    return kept, sum(int(line.split()[1]) for line in lines if line.startswith("dropped "))


def written_unread(lines: list[str]) -> list[str]:
    """What comes out of a pipe that nobody read before all lines were logged."""
    with pipe() as (read, write):
        writer = QueuedWriter(write, say_dropped)
        for line in lines:
            writer.write(f"{line}\n")
        reader = Reader(read)
        writer.finish()
        os.close(write)
        return reader.lines()


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    """Without a reader only so many lines wait; what comes out is whole, in order, and with the
    number of those that are missing."""
    lines = [f"{number:06} {'x' * 100} end" for number in range(3 * MOST_LINES)]
    kept, dropped = counted(written_unread(lines))
    assert len(kept) + dropped == len(lines)
    assert kept == sorted(set(kept) & set(lines))
    assert MOST_LINES <= len(kept) <= MOST_LINES + 2 * ATOMIC // len(lines[0]) + 2


def test_long_lines_are_bounded_in_bytes() -> None:
    """However long lines are, what waits is bounded, and each is written as a whole."""
    lines = [f"{number:06} {'é' * 10_000} end" for number in range(1000)]
    kept, dropped = counted(written_unread(lines))
    assert len(kept) + dropped == len(lines)
    assert kept == sorted(set(kept) & set(lines))
    size = sum(len(line.encode()) for line in kept)
    assert MOST_BYTES - 30_000 <= size <= MOST_BYTES + 30_000 + PAGE


def test_a_line_that_is_no_text_is_written() -> None:
    """Half a character of a text is written as its number."""
    assert written_unread(["a \ud800 b"]) == ["a \\ud800 b"]


def test_lines_of_several_processes_do_not_mix() -> None:
    """Two writers on one pipe: each line comes out whole, and those of each in their order."""
    with pipe() as (read, write):
        writers = [QueuedWriter(write, say_dropped) for _ in range(2)]
        for number in range(5000):
            for name, writer in zip("ab", writers, strict=True):
                writer.write(f"{name} {number} {'x' * (number % 1000)}\n")
        threads = [threading.Thread(target=writer.finish) for writer in writers]
        for thread in threads:
            thread.start()
        reader = Reader(read)
        for thread in threads:
            thread.join(PATIENCE)
        os.close(write)
        lines = reader.lines()
    expected = [f"{number} {'x' * (number % 1000)}" for number in range(5000)]
    for name in "ab":
        assert [line[2:] for line in lines if line[0] == name] == expected


@pytest.mark.parametrize("kind", [QueuedWriter, DirectWriter])
@pytest.mark.parametrize("how", ["reader gone", "descriptor closed"])
def test_what_cannot_be_written_stops_nobody(kind: Any, how: str) -> None:
    """A pipe without a reader, or a descriptor that is none, raises nothing and takes no time."""
    with pipe() as (read, write):
        writer = kind(write, say_dropped)
        os.close(read if how == "reader gone" else write)
        for _ in range(1000):
            writer.write("line\n")
        writer.finish()


def test_after_a_failure_the_count_is_written() -> None:
    """Lines that a full disk did not take are counted like others."""
    with pipe() as (read, write):
        writer = QueuedWriter(write, say_dropped)
        broken = os.dup(write)
        with open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), write)
        writer.write("lost\n")
        writer.finish()
        os.dup2(broken, write)
        os.close(broken)
        writer.write("kept\n")
        writer.finish()
        os.close(write)
        assert Reader(read).lines() == ["kept", "dropped 1"]


def test_a_process_without_threads_drops_what_has_no_room() -> None:
    """Where there is no queue a line that finds the pipe full is dropped, counted, and the count
    is written before the next line that finds room."""
    fill = "x" * (PAGE - 1) + "\n"
    with pipe(2) as (read, write):
        writer = DirectWriter(write, say_dropped)
        for line in (fill, fill, "lost\n", "lost\n"):
            writer.write(line)
        assert os.read(read, 2 * PAGE) == 2 * fill.encode()
        writer.write("kept\n")
        for line in (fill, "lost\n"):
            writer.write(line)
        assert os.read(read, 2 * PAGE) == f"dropped 2\nkept\n{fill}".encode()
        writer.finish()
        os.close(write)
        assert Reader(read).lines() == ["dropped 1"]


SCRIPT = """
import sys
import structlog
from gateway.telemetry import QueuedWriter, configure_logging

configure_logging("info", readable=False, writer=QueuedWriter)
log = structlog.get_logger()
for number in range(int(sys.argv[1])):
    log.info("line", number=number)
print("logged", flush=True)
sys.stdin.readline()
log.info("last")
"""


@process
def test_the_log_says_how_many_lines_were_dropped() -> None:
    """A process whose lines nobody reads goes on; the log then says how many are missing, once the
    reader reads, and its last line is there."""
    count = 2 * MOST_LINES
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "logged\n"
        assert running.stdin is not None
        assert running.stderr is not None
        lines = [json.loads(running.stderr.readline())]
        while lines[-1]["event"] != "log_lines_dropped":
            lines.append(json.loads(running.stderr.readline()))
        running.stdin.write("\n")
        running.stdin.close()
        lines += map(json.loads, running.stderr)
    said = [line for line in lines if line["event"] == "log_lines_dropped"]
    kept = [line["number"] for line in lines if line["event"] == "line"]
    assert kept == sorted(set(kept))
    assert sum(line["lines"] for line in said) == count - len(kept) > 0
    assert {line["level"] for line in said} == {"error"}
    assert lines[-1]["event"] == "last"


# Commands that serve.


class Unread:
    """A command whose stderr is a pipe of one page, which is read only when the test says so."""

    def __init__(self, *arguments: str, folder: Path, **settings: str) -> None:
        self._read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PAGE)
        given = {"XDG_DATA_HOME": str(folder), "PYTHONPATH": str(ROOT), **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdout=subprocess.PIPE,
            stderr=write,
            cwd=folder,
            env={**os.environ, **given},
        )
        os.close(write)

    def address(self, descriptor: int | None = None) -> str:
        """Where it serves, by what it says on this descriptor; no more than that is read."""
        text = ""
        while not (found := re.search(URL + r"(?=\D)", text)):
            piece = os.read(self._read if descriptor is None else descriptor, 1)
            assert piece, text
            text += piece.decode()
        return found[0]

    def stop(self) -> list[str]:
        """Read from now on, and end it in order; the rest of its lines."""
        reader = Reader(self._read)
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        return reader.lines()

    def close(self) -> None:
        """Give back what it has."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self._read)


@contextlib.contextmanager
def unread(*arguments: str, folder: Path, **settings: str) -> Iterator[Unread]:
    """Run a command for the length of a block."""
    running = Unread(*arguments, folder=folder, **settings)
    try:
        yield running
    finally:
        running.close()


def asked(address: str, count: int, *, anew: bool = False) -> list[int]:
    """The statuses of so many requests, over one connection or over a new one each time."""
    body = {"query": "{ __typename }"}
    close = {"Connection": "close"} if anew else {}
    with httpx.Client(timeout=PATIENCE) as client:
        url = f"{address}/graphql"
        return [client.post(url, json=body, headers=close).status_code for _ in range(count)]


SERVE = environment(GATEWAY_AUTH="none", GATEWAY_PORT="0", GATEWAY_READINESS_DELAY="0")


@process
def test_serve_answers_while_nobody_reads_its_log(tmp_path: Path) -> None:
    """`gateway serve` answers all requests, and each has its line once the log is read."""
    with unread("serve", folder=tmp_path, **SERVE) as gateway:
        assert asked(gateway.address(), REQUESTS) == [200] * REQUESTS
        lines = [json.loads(line) for line in gateway.stop() if line.startswith("{")]
    assert [line["event"] for line in lines].count("operation") == REQUESTS


@process
def test_serve_ends_while_nobody_reads_its_log(tmp_path: Path) -> None:
    """The last lines are waited for, and not for ever."""
    with unread("serve", folder=tmp_path, **SERVE) as gateway:
        assert asked(gateway.address(), REQUESTS) == [200] * REQUESTS
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE) == 0


@process
def test_workers_go_on_while_nobody_reads_their_log(tmp_path: Path) -> None:
    """Neither workers nor their supervisor wait for the reader: a worker that dies is replaced,
    connections are handed out, and no line is cut."""
    with unread("serve", "--workers", "2", folder=tmp_path, **SERVE) as gateway:
        address, pid = gateway.address(), gateway.process.pid
        assert asked(address, REQUESTS) == [200] * REQUESTS
        for _ in range(DEATHS):
            workers = children_of(pid)
            os.kill(workers[0], signal.SIGKILL)
            until(lambda gone=workers: len(set(children_of(pid)) - set(gone)) == 1)
            assert asked(address, 4, anew=True) == [200] * 4
        lines = [json.loads(line) for line in gateway.stop() if line.startswith("{")]
    events = {line["event"] for line in lines}
    assert "operation" in events
    assert events & {"worker_ended", "log_lines_dropped"}


def until(holds: Any) -> None:
    """Wait until something holds that no event tells of."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, f"waited {PATIENCE:g} s in vain"
        time.sleep(0.01)


@process
def test_dev_goes_on_while_nobody_reads_its_log(tmp_path: Path) -> None:
    """`gateway dev` answers all requests, too, each of which is a line."""
    with unread("dev", "--port", "0", folder=tmp_path) as server:
        assert server.process.stdout is not None
        address = server.address(server.process.stdout.fileno())
        assert asked(address, REQUESTS) == [200] * REQUESTS
        assert len(server.stop()) >= REQUESTS


@process
@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.long), "2"])
def test_serve_needs_no_stderr(tmp_path: Path, workers: str) -> None:
    """`gateway serve` whose stderr is closed from the start serves and ends in order."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {**SERVE, "GATEWAY_PORT": str(port), "GATEWAY_WORKERS": workers}
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec "{sys.executable}" -m gateway serve 2>&-'],
        cwd=tmp_path,
        env={**os.environ, **given, "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    ) as gateway:
        until(lambda: gateway.poll() is not None or listens(port))
        assert asked(f"http://127.0.0.1:{port}", 10, anew=True) == [200] * 10
        gateway.terminate()
        assert gateway.wait(PATIENCE) == 0


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@process
@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.long), "2"])
def test_serve_goes_on_when_the_reader_of_its_log_ends(tmp_path: Path, workers: str) -> None:
    """`gateway serve` whose stderr is a pipe that lost its reader serves and ends in order."""
    with unread("serve", "--workers", workers, folder=tmp_path, **SERVE) as gateway:
        address = gateway.address()
        devnull = os.open(os.devnull, os.O_RDONLY)
        os.dup2(devnull, gateway._read)
        os.close(devnull)
        assert asked(address, 50) == [200] * 50
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE) == 0
