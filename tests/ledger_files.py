"""Ledgers in files that have lost nothing, for gateways that are started as processes."""

import asyncio
import time
from pathlib import Path

from gateway.ledger import SqliteEngine, Store, Windows


async def make_ledger(path: Path) -> str:
    """Make one whose first day is over; the setting that names it."""
    engine = SqliteEngine(path, time.time)
    store = Store(engine, Windows(uncertain_for=0.0), is_complete=True)
    await store.start()
    await store.aclose()
    return f"sqlite:{path}"


def ledger_in(folder: Path) -> str:
    """The same, where no event loop runs."""
    return asyncio.run(make_ledger(folder / "ledger.db"))
