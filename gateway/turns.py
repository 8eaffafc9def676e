"""Work that begins in small portions, so that no caller holds up the others.

One event loop does everything. Where a caller sends much at once, all of it would begin in the same
iteration of the loop, and whoever else asks would wait for several such iterations: for the arrival
of the request, for its document, for its call to the provider, for the answer. Here work begins
until an iteration has taken ``PORTION``; the rest waits for the following ones, callers in turn.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")
PORTION = 0.015  # seconds of one iteration in which more work may begin
_MOST = 64  # pieces of work that wait and begin in one iteration


class RoundRobin(Generic[T]):
    """What waits, by caller: a caller's in the order in which it came, and the callers in turn."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def count(self, caller: str) -> int:
        """How much of this caller waits."""
        return len(self._queues.get(caller, ()))

    def add(self, caller: str, waiting: T) -> None:
        """Let something wait, behind what waits of its caller."""
        self._queues.setdefault(caller, deque()).append(waiting)

    def next(self) -> T:
        """Take what has waited longest of the caller whose turn it is; raises KeyError."""
        caller, own = self._queues.popitem(last=False)
        first = own.popleft()
        if own:
            self._queues[caller] = own
        return first

    def remove(self, caller: str, waiting: T) -> None:
        """Take something away that need not wait any longer, if it still does."""
        own = self._queues.get(caller, deque())
        with contextlib.suppress(ValueError):
            own.remove(waiting)
        if not own:
            self._queues.pop(caller, None)


class Turns:
    """Whose work may begin now; for one event loop."""

    def __init__(self) -> None:
        self._began = 0.0
        """When the first work of this iteration of the loop began; 0: none has."""
        self._many = 1
        """How many begin in the next iteration: as many as take a portion, by what the last took.
        With one at a time the iterations themselves would cost a quarter of all."""
        self._waiting = RoundRobin[asyncio.Future[None]]()

    async def wait(self, caller: str) -> None:
        """Wait until work of this caller may begin, which is at once where nothing waits."""
        self._watch()
        if not self._waiting and self._has_time():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(caller, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(caller, turn)
            raise

    def _has_time(self) -> bool:
        return time.perf_counter() < self._began + PORTION

    def _watch(self) -> None:
        """See to it that the next iteration is noticed."""
        if not self._began:
            self._began = time.perf_counter()
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """A new iteration: some of those that wait may begin, and others after them."""
        is_short, self._began = self._has_time(), 0.0
        if not self._waiting:
            return
        self._many = min(2 * self._many, _MOST) if is_short else max(self._many // 2, 1)
        for _ in range(self._many):
            self._let_one_begin()
        self._watch()

    def _let_one_begin(self) -> None:
        while self._waiting:
            turn = self._waiting.next()
            if not turn.done():  # else it was cancelled, and its task has not run since
                turn.set_result(None)
                return
