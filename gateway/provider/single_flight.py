"""Equal reads in flight become one: whoever asks for a card that is being read waits for that call.

    nobody reads this card   → read it
    it is being read         → wait for the same answer, or the same error
    it was changed meanwhile → ``forget``: the next one reads it anew

Only what is in flight is shared, nothing is kept; and only the card is shared, never what its
caller may see of it, which is decided for each caller afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from uuid import UUID

from gateway.runtime import look_at

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Reads by id, one at a time for each id."""

    def __init__(self, read: Callable[[UUID], Awaitable[T]]) -> None:
        self._read = read
        self._reads: dict[UUID, asyncio.Future[T]] = {}

    async def get(self, card_id: UUID) -> T:
        """What reading gives; raises what it raises. A caller that goes away stops no other."""
        while (read := self._reads.get(card_id)) is not None:
            await asyncio.wait([read])  # which a caller that goes away does not cancel
            if not read.cancelled():
                return read.result()
        return await self._start(card_id)

    def forget(self, card_id: UUID) -> None:
        """Let nobody join a read that began before now: the card may have changed."""
        self._reads.pop(card_id, None)

    async def _start(self, card_id: UUID) -> T:
        read = self._reads[card_id] = asyncio.get_running_loop().create_future()
        read.add_done_callback(look_at)  # nobody may be waiting for it
        try:
            answer = await self._read(card_id)
            read.set_result(answer)
        except Exception as error:
            read.set_exception(error)
            raise
        finally:
            if self._reads.get(card_id) is read:
                del self._reads[card_id]
            read.cancel()  # where the one who read was cancelled; those who wait read themselves
        return answer
