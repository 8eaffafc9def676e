"""The preparation of documents that are not known yet: one at a time, the callers in turn.

To parse and to validate takes the event loop's thread. After each preparation the loop has at
least as much time for everything else before the next one begins: costly texts take at most half
of the loop's time, and only requests with new texts wait for longer. Callers take turns: many texts
of one caller wait for each other. A text for which several callers wait is prepared once, at the
first turn of any of them: after a start all clients send the same few texts.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.errors import Overloaded
from gateway.runtime import look_at
from gateway.turns import RoundRobin

T = TypeVar("T")
MOST_WAITING = 100  # texts of one caller


class PreparationQueue(Generic[T]):
    """Prepares texts in the turns of their callers; for one event loop.

    ``patience`` is the longest time in seconds that a request waits for its text.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._busy = False
        self._waiting = RoundRobin[_Text[T]]()
        self._texts: dict[str, _Text[T]] = {}

    async def run(self, caller: str, source: str, prepare: Callable[[], T]) -> T:
        """What ``prepare`` gives for this text, perhaps another caller's ``prepare``.

        Raises Overloaded where the caller has too many texts waiting, or waits for too long.
        """
        text = self._texts.get(source) or _Text(source, prepare)
        text.waiters += 1
        try:
            self._add(caller, text)
            if text.prepared.done():
                return text.prepared.result()
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(text.prepared)
        except TimeoutError:
            raise _too_busy() from None
        finally:
            text.waiters -= 1
            self._forget(text)

    def _add(self, caller: str, text: "_Text[T]") -> None:
        """Let the caller wait for a text, unless it does already."""
        if caller not in text.callers:
            if self._waiting.count(caller) >= MOST_WAITING:
                raise _too_busy()
            self._waiting.add(caller, text)
            text.callers.add(caller)
            self._texts[text.source] = text
        if not self._busy:
            self._next()

    def _next(self) -> None:
        """Prepare the next caller's text, unless it was prepared at the turn of another one."""
        self._busy = False
        while self._waiting and not self._busy:
            text = self._waiting.next()
            if not text.prepared.done():
                del self._texts[text.source]
                self._prepare(text)

    def _forget(self, text: "_Text[T]") -> None:
        """Take a text away for which nobody waits any more: it costs its callers no turn."""
        if text.waiters or self._texts.get(text.source) is not text:
            return
        del self._texts[text.source]
        for caller in text.callers:
            self._waiting.remove(caller, text)

    def _prepare(self, text: "_Text[T]") -> None:
        self._busy = True
        began = time.perf_counter()
        text.run()
        asyncio.get_running_loop().call_later(time.perf_counter() - began, self._next)


class _Text(Generic[T]):
    """A text that is to be prepared, and who waits for it."""

    def __init__(self, source: str, prepare: Callable[[], T]) -> None:
        self.source = source
        self.callers: set[str] = set()
        self.waiters = 0
        self.prepared: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.prepared.add_done_callback(look_at)  # nobody may be left to see its error
        self._make = prepare

    def run(self) -> None:
        """Prepare it, and tell whoever waits."""
        try:
            self.prepared.set_result(self._make())
        except Exception as error:
            self.prepared.set_exception(error)


def _too_busy() -> Overloaded:
    return Overloaded("Too many new documents wait to be parsed; send this one again in a moment.")
