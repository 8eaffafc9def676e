"""The engine in this process's memory: SQLite without a file, for one process and its life."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import apsw

from gateway.ledger.store import CardTaken


class MemoryEngine:
    """Runs statements at once, in the thread of the event loop: there is no disk to wait for."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._connection: apsw.Connection | None = None

    async def start(self, schema: Sequence[str], new_store: str, values: Mapping[str, Any]) -> None:
        """Make the tables, which are always new."""
        self._connection = apsw.Connection(":memory:")
        for statement in schema:
            self._connection.execute(statement)
        await self.execute(new_store, values)

    async def execute(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one statement; raises CardTaken."""
        assert self._connection is not None  # noqa: S101 (it is started)
        return run(self._connection, statement, {**values, "now": self._now()})

    async def aclose(self) -> None:
        """Give the memory back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def run(
    connection: apsw.Connection, statement: str, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """The rows of one statement on SQLite; ``values`` hold the time, too."""
    try:
        return connection.execute(in_sqlite(statement), values).fetchall()
    except apsw.ConstraintError:
        # The primary keys are in conflict clauses: the one index left is that of the cards.
        raise CardTaken from None


@lru_cache(maxsize=64)
def in_sqlite(statement: str) -> str:
    """A statement as SQLite takes it."""
    return statement.format(now=":now", skip_locked="")
