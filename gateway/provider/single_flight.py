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


class _Abandoned:
    """What those who waited get where the one who read was cancelled: they read themselves."""


class SingleFlight(Generic[T]):
    """Reads by id, one at a time for each id."""

    def __init__(self, read: Callable[[UUID], Awaitable[T]]) -> None:
        self._read = read
        self._flights: dict[UUID, asyncio.Future[T | GatewayError | _Abandoned]] = {}

    async def get(self, card_id: UUID) -> T:
        """What reading gives; raises what it raises. A caller that goes away stops no other."""
        while (flight := self._flights.get(card_id)) is not None:
            answer = await asyncio.shield(flight)
            if isinstance(answer, GatewayError):
                # Many may wait for this one exception: each raise would lengthen its traceback.
                raise answer.with_traceback(None)
            if not isinstance(answer, _Abandoned):
                return answer
        return await self._fly(card_id)

    def forget(self, card_id: UUID) -> None:
        """Let nobody join a read that began before now: the card may have changed."""
        self._flights.pop(card_id, None)

    async def _fly(self, card_id: UUID) -> T:
        flight = self._flights[card_id] = asyncio.get_running_loop().create_future()
        told: T | GatewayError | _Abandoned = _Abandoned()
        try:
            told = answer = await self._read(card_id)
        except GatewayError as error:
            told = error
            raise
        finally:
            if self._flights.get(card_id) is flight:
                del self._flights[card_id]
            flight.set_result(told)
        return answer
