"""The ledger that all replicas share: a file, or a database whose server can be killed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.ledger import Engine, SqliteEngine, Store, Windows
from tests.ledger_files import begin
from tests.postgres import Cluster, cluster

ENGINES = ("sqlite", "postgres")


class Contents(NamedTuple):
    """What a ledger says in the end: its rows by their state, and whether it may have lost some."""

    rows: dict[str, int]
    is_certain: bool


@dataclass(frozen=True)
class SharedLedger:
    """A ledger as a setting, as an engine, and with the server that it is on, if there is one."""

    setting: str
    engine: Callable[[], Engine]
    cluster: Cluster | None = None

    def contents(self) -> Contents:
        """What is in it."""
        return asyncio.run(self._contents())

    async def _contents(self) -> Contents:
        store = Store(self.engine(), Windows(), is_complete=True)
        await store.start()
        tally, facts = await store.tally(), await store.facts()
        await store.aclose()
        rows = {state.value: count for state, count in tally.items() if count}
        return Contents(rows, facts.is_certain)


@contextlib.contextmanager
def shared_ledger(engine: str, folder: Path) -> Iterator[SharedLedger]:
    """One that has lost nothing, for the length of a block."""
    with _on_postgres() if engine == "postgres" else _in_file(folder / "ledger.db") as ledger:
        asyncio.run(begin(ledger.engine()))
        yield ledger


@contextlib.contextmanager
def _in_file(path: Path) -> Iterator[SharedLedger]:
    yield SharedLedger(f"sqlite:{path}", lambda: SqliteEngine(path, time.time))


@contextlib.contextmanager
def _on_postgres() -> Iterator[SharedLedger]:
    from gateway.ledger.postgres import PostgresEngine  # its driver is not on every platform

    with cluster() as server:
        url = server.url()
        yield SharedLedger(url, lambda: PostgresEngine(url), server)
