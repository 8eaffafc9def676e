"""The preparation of documents that are not known yet: one at a time, the callers in turn.

To parse and to validate takes the event loop's thread. After each preparation the loop has at
least as much time for everything else before the next one begins, so that whoever sends costly
texts slows down those who send new texts to half, and nobody else. Callers take turns: many texts
of one caller wait for each other.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar

from gateway.errors import Overloaded

T = TypeVar("T")
MOST_WAITING = 100  # documents of one caller


class PreparationQueue:
    """Waits for its turn and prepares; for one event loop. ``patience`` is in seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, caller: str, prepare: Callable[[], T]) -> T:
        """What ``prepare`` gives; raises Overloaded where the caller has too many waiting."""
        if self._busy:
            await self._wait(caller)
        self._busy = True
        began = time.perf_counter()
        try:
            return prepare()
        finally:
            took = time.perf_counter() - began
            asyncio.get_running_loop().call_later(took, self._next)

    async def _wait(self, caller: str) -> None:
        own = self._waiting.setdefault(caller, deque())
        if len(own) >= MOST_WAITING:
            raise _too_busy()
        turn = asyncio.get_running_loop().create_future()
        own.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._next()  # it was this one's turn, which somebody else may have
            raise _too_busy() if isinstance(error, TimeoutError) else error from None

    def _next(self) -> None:
        """Let the next caller's document be prepared; those that nobody waits for are left out."""
        while self._waiting:
            caller, own = self._waiting.popitem(last=False)
            turn = own.popleft()
            if own:
                self._waiting[caller] = own
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False


def _too_busy() -> Overloaded:
    return Overloaded("Too many documents wait to be prepared; send it again in a moment.")
