"""A bound on the calls to the provider that run at the same time, with places for each caller.

    a place is free that this call may take → it takes it at once
    else                                    → it waits in its caller's queue, within a limit
    a call ends                             → its place goes to the caller whose turn it is

Nobody waits while there is a place that they may take, and turns go round: between two calls of
one caller each other caller that waits has one. Each step takes the same time however many wait.
"""

import asyncio
from collections import OrderedDict
from typing import TypeAlias

from gateway.errors import Overloaded

_Waiting: TypeAlias = "asyncio.Future[None]"


class _Turns:
    """Calls of one kind that wait: a queue for each caller, and the callers by their turn."""

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[_Waiting, None]] = {}
        self._turns: OrderedDict[str, int] = OrderedDict()  # ascending; without those who may not

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def first(self) -> int | None:
        """The turn that comes first; None: nobody may have a place."""
        return next(iter(self._turns.values()), None)

    def add(self, caller: str, call: _Waiting) -> None:
        """Let a call wait behind those of its caller; who has no turn has none yet."""
        self._queues.setdefault(caller, OrderedDict())[call] = None

    def remove(self, caller: str, call: _Waiting) -> None:
        """The call, if it is still there, waits no more."""
        queue = self._queues.get(caller, OrderedDict())
        queue.pop(call, None)
        if not queue:
            self._queues.pop(caller, None)
            self._turns.pop(caller, None)

    def next(self) -> tuple[str, _Waiting]:
        """The oldest call of the caller whose turn it is."""
        caller = next(iter(self._turns))
        return caller, next(iter(self._queues[caller]))

    def admit(self, caller: str, turn: int) -> None:
        """Give a caller who waits the last turn."""
        if caller in self._queues:
            self._turns[caller] = turn
            self._turns.move_to_end(caller)

    def suspend(self, caller: str) -> None:
        """Pass a caller over until it is admitted again; its calls go on waiting."""
        self._turns.pop(caller, None)

    def has_turn(self, caller: str) -> bool:
        """Whether the caller is among those who may have a place."""
        return caller in self._turns


class ConcurrencyLimit:
    """Places for calls in flight: ``most`` at once, each waited for at most ``wait`` seconds.

    ``async with limit.place(caller, reads=…)`` holds a place for one attempt; raises Overloaded.
    Waiting to repeat takes no place.

    Of each ten places one is kept for calls that change something, and at least one where there
    are two. One more of each ten is kept for reads of callers who do not have all the others: a
    caller whose reads the provider answers slowly leaves room for those who come later.
    """

    def __init__(self, *, most: int, wait: float) -> None:
        self.most = most
        self._free = most
        self._free_for_reads = most - (max(most // 10, 1) if most > 1 else 0)
        self._share = self._free_for_reads - most // 10  # places for one caller's reads
        self._wait = wait
        self._reads_of: dict[str, int] = {}  # places that they hold
        self._reads, self._changes = _Turns(), _Turns()
        self._turn = 0

    @property
    def is_crowded(self) -> bool:
        """Whether a call waits for a place."""
        return bool(self._reads or self._changes)

    @property
    def in_use(self) -> int:
        """How many places are taken."""
        return self.most - self._free

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return len(self._reads) + len(self._changes)

    def place(self, caller: str, *, reads: bool) -> "_Place":
        """A place for a call of this caller; ``reads``: it changes nothing."""
        return _Place(self, caller, reads)

    def take(self, caller: str, *, reads: bool) -> bool:
        """Take a place if there is one; nobody who waits could have had it."""
        if self._free == 0 or (reads and not self._may_read(caller)):
            return False
        self._grant(caller, reads=reads)
        return True

    async def wait(self, caller: str, *, reads: bool) -> None:
        """Wait for a place and take it; raises Overloaded."""
        call: _Waiting = asyncio.get_running_loop().create_future()
        turns = self._reads if reads else self._changes
        turns.add(caller, call)
        if not turns.has_turn(caller) and (not reads or self._is_below_share(caller)):
            turns.admit(caller, self._next_turn())
        try:
            async with asyncio.timeout(self._wait):
                await call
        except BaseException as error:
            self._leave(turns, caller, call, reads=reads)
            if isinstance(error, TimeoutError):
                raise Overloaded("The gateway is busy; try again in a moment.") from None
            raise

    def give_back(self, caller: str, *, reads: bool) -> None:
        """End of a call: its place is for whoever's turn it is."""
        self._free += 1
        if reads:
            self._free_for_reads += 1
            self._hold_one_less(caller)
            if not self._reads.has_turn(caller):
                self._reads.admit(caller, self._next_turn())
        self._hand_out()

    def _leave(self, turns: _Turns, caller: str, call: _Waiting, *, reads: bool) -> None:
        if call.done() and not call.cancelled():  # a place was given to one who goes away
            self.give_back(caller, reads=reads)
        else:
            turns.remove(caller, call)

    def _hand_out(self) -> None:
        while self._free and (turns := self._next_turns()) is not None:
            caller, call = turns.next()
            turns.remove(caller, call)
            if not call.done():  # else it was cancelled, and its task has not run since
                self._grant(caller, reads=turns is self._reads)
                call.set_result(None)

    def _next_turns(self) -> _Turns | None:
        """Whose first caller is served next, of those for whom there is a place."""
        change = self._changes.first
        read = self._reads.first if self._free_for_reads else None
        if read is None:
            return None if change is None else self._changes
        return self._changes if change is not None and change < read else self._reads

    def _grant(self, caller: str, *, reads: bool) -> None:
        self._turn += 1
        for turns in (self._reads, self._changes):
            if turns.has_turn(caller):
                turns.admit(caller, self._turn)
        self._free -= 1
        if reads:
            self._free_for_reads -= 1
            self._reads_of[caller] = self._reads_of.get(caller, 0) + 1
            if not self._is_below_share(caller):
                self._reads.suspend(caller)

    def _hold_one_less(self, caller: str) -> None:
        self._reads_of[caller] -= 1
        if not self._reads_of[caller]:
            del self._reads_of[caller]

    def _may_read(self, caller: str) -> bool:
        return self._free_for_reads > 0 and self._is_below_share(caller)

    def _is_below_share(self, caller: str) -> bool:
        return self._reads_of.get(caller, 0) < self._share

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


class _Place:
    """Holds a place for the length of a block."""

    __slots__ = ("_caller", "_limit", "_reads")

    def __init__(self, limit: ConcurrencyLimit, caller: str, reads: bool) -> None:
        self._limit, self._caller, self._reads = limit, caller, reads

    async def __aenter__(self) -> None:
        if not self._limit.take(self._caller, reads=self._reads):
            await self._limit.wait(self._caller, reads=self._reads)

    async def __aexit__(self, *_error: object) -> None:
        self._limit.give_back(self._caller, reads=self._reads)
