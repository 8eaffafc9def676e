"""A bound on the calls to the provider that run at the same time."""

import asyncio

from gateway.errors import Overloaded


class ConcurrencyLimit:
    """Places for calls in flight: ``most`` at once, each waited for at most ``wait`` seconds.

    ``async with limit`` holds a place for one attempt; raises Overloaded. Waiting to repeat takes
    no place.
    """

    def __init__(self, *, most: int, wait: float) -> None:
        self._places = asyncio.Semaphore(most)
        self._wait = wait

    async def __aenter__(self) -> None:
        if not self._places.locked():
            await self._places.acquire()  # at once: no timer needed
            return
        try:
            async with asyncio.timeout(self._wait):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded("The gateway is busy; try again in a moment.") from None

    async def __aexit__(self, *_error: object) -> None:
        self._places.release()
