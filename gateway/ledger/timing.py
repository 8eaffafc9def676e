"""How long the store of the ledger takes, step by step."""

import time
from collections.abc import Sequence
from typing import Any

from gateway.events import Sink, StoreStepEnded
from gateway.ledger import sql
from gateway.ledger.store import Engine, Values

_STEPS = {
    text: name.lower()
    for name, text in vars(sql).items()
    if name.isupper() and not name.startswith("_") and isinstance(text, str)
}


class TimedEngine:
    """An engine whose statements are each told, with the name that ``sql`` has for it."""

    def __init__(self, engine: Engine, emit: Sink) -> None:
        self._engine = engine
        self._emit = emit

    async def start(self, schema: Sequence[str], new_store: str, values: Values) -> None:
        """Connect, as the engine does."""
        await self._engine.start(schema, new_store, values)

    async def execute(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        """Run one statement, as the engine does, and tell how long it took."""
        began, failed = time.perf_counter(), True
        try:
            found = await self._engine.execute(statement, values)
            failed = False
            return found
        finally:
            took = time.perf_counter() - began
            self._emit(StoreStepEnded(step=_STEPS[statement], duration=took, failed=failed))

    async def aclose(self) -> None:
        """Give up connections and threads, as the engine does."""
        await self._engine.aclose()
