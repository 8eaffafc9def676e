"""Work that begins in small portions, so that no caller holds up the others.

One event loop does everything. Where a caller sends much at once, all of it would begin in the same
iteration of the loop, and whoever else asks would wait for several such iterations: for the arrival
of the request, for its document, for its call to the provider, for the answer. Here work begins
until an iteration has taken ``PORTION``; the rest waits for the following ones, callers in turn.
"""

import asyncio
import time
from collections import OrderedDict, deque

PORTION = 0.015  # seconds of one iteration in which more work may begin
_MOST = 64  # pieces of work that wait and begin in one iteration


class Turns:
    """Whose work may begin now; for one event loop."""

    def __init__(self) -> None:
        self._began: float | None = None
        """When the first work of this iteration of the loop began."""
        self._many = 1
        """How many begin in the next iteration: as many as take a portion, by what the last took.
        With one at a time the iterations themselves would cost a quarter of all."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def wait(self, caller: str) -> None:
        """Wait until work of this caller may begin, which is at once where nothing waits."""
        if not self._waiting and self._has_time():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._watch()
        await turn

    def _has_time(self) -> bool:
        self._watch()
        return self._began is not None and time.perf_counter() < self._began + PORTION

    def _watch(self) -> None:
        """See to it that the next iteration is noticed."""
        if self._began is None:
            self._began = time.perf_counter()
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """A new iteration: some of those that wait may begin, and others after them."""
        began, self._began = self._began, None
        if not self._waiting:
            return
        is_short = began is not None and time.perf_counter() < began + PORTION
        self._many = min(2 * self._many, _MOST) if is_short else max(self._many // 2, 1)
        for _ in range(self._many):
            self._let_one_begin()
        self._watch()

    def _let_one_begin(self) -> None:
        while self._waiting:
            caller, own = self._waiting.popitem(last=False)
            turn = own.popleft()
            while own and turn.done():  # whoever waited has gone
                turn = own.popleft()
            if own:
                self._waiting[caller] = own
            if not turn.done():
                turn.set_result(None)
                return
