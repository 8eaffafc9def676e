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

from gateway.errors import GatewayError

T = TypeVar("T")


class JoinedReads(Generic[T]):
    """Reads by id, one at a time for each id."""

    def __init__(self, read: Callable[[UUID], Awaitable[T]]) -> None:
        self._read = read
        self._flights: dict[UUID, asyncio.Task[T | GatewayError]] = {}

    async def get(self, card_id: UUID) -> T:
        """What reading gives; raises what it raises. A caller that goes away stops no other."""
        flight = self._flights.get(card_id)
        if flight is None:
            flight = self._flights[card_id] = asyncio.create_task(self._fly(card_id))
        answer = await asyncio.shield(flight)
        if isinstance(answer, GatewayError):
            raise answer
        return answer

    def forget(self, card_id: UUID) -> None:
        """Let nobody join a read that began before now: the card may have changed."""
        self._flights.pop(card_id, None)

    async def _fly(self, card_id: UUID) -> T | GatewayError:
        """The task of one flight. It returns expected errors: nobody may be there to catch them."""
        try:
            return await self._read(card_id)
        except GatewayError as error:
            return error
        finally:
            if self._flights.get(card_id) is asyncio.current_task():
                del self._flights[card_id]
