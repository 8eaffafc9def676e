"""Ledgers that have lost nothing, for gateways that are started as processes."""

import asyncio
import time
from pathlib import Path

from gateway.ledger import Engine, SqliteEngine, Store, Windows


async def begin(engine: Engine) -> None:
    """Make the tables of a ledger whose first day is over."""
    store = Store(engine, Windows(uncertain_for=0.0), is_complete=True)
    await store.start()
    await store.aclose()


async def make_ledger(path: Path) -> str:
    """Make one in a file; the setting that names it."""
    await begin(SqliteEngine(path, time.time))
    return f"sqlite:{path}"


def ledger_in(folder: Path) -> str:
    """The same, where no event loop runs."""
    return asyncio.run(make_ledger(folder / "ledger.db"))
