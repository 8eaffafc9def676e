"""Equal reads in flight become one: whoever asks for a card that is being read waits for that call.

    nobody reads this card   → read it
    it is being read         → wait for the same answer, or the same error
    it was changed meanwhile → ``forget``: the next one reads it anew
    calls wait for places    → only reads of the same caller are joined

Only what is in flight is shared, nothing is kept; and only the card is shared, never what its
caller may see of it, which is decided for each caller afterwards. A read that waits, waits in the
queue of the caller who began it: nobody is made to wait there by another caller.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from uuid import UUID

from gateway.runtime import look_at
from gateway.telemetry import caller_id

T = TypeVar("T")
_EVERYBODY = None


class SingleFlight(Generic[T]):
    """Reads by id, one at a time for each id; while it ``is_crowded``, for each id and caller."""

    def __init__(
        self, read: Callable[[UUID], Awaitable[T]], *, is_crowded: Callable[[], bool]
    ) -> None:
        self._read = read
        self._is_crowded = is_crowded
        self._reads: dict[UUID, dict[str | None, asyncio.Future[T]]] = {}

    async def get(self, card_id: UUID) -> T:
        """What reading gives; raises what it raises. A caller that goes away stops no other."""
        who = caller_id.get() if self._is_crowded() else _EVERYBODY
        while (read := self._reads.get(card_id, {}).get(who)) is not None:
            await asyncio.wait([read])  # which a caller that goes away does not cancel
            if not read.cancelled():
                return read.result()
        return await self._start(card_id, who)

    def forget(self, card_id: UUID) -> None:
        """Let nobody join a read that began before now: the card may have changed."""
        self._reads.pop(card_id, None)

    async def _start(self, card_id: UUID, who: str | None) -> T:
        read: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._reads.setdefault(card_id, {})[who] = read
        read.add_done_callback(look_at)  # nobody may be waiting for it
        try:
            answer = await self._read(card_id)
            read.set_result(answer)
        except Exception as error:
            read.set_exception(error)
            raise
        finally:
            self._end(card_id, who, read)
            read.cancel()  # where the one who read was cancelled; those who wait read themselves
        return answer

    def _end(self, card_id: UUID, who: str | None, read: asyncio.Future[T]) -> None:
        reads = self._reads.get(card_id, {})
        if reads.get(who) is read:
            del reads[who]
            if not reads:
                del self._reads[card_id]
