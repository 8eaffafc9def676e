"""Waiting for events: as long as a busy machine needs, and with a sentence when nothing comes.

No test depends on how fast the machine is. A wait ends with the event that it is for; its limit is
there for the code that is broken, and says then what was awaited. Where a limit of the gateway has
to expire, the time of the event loop is moved and not waited for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

PATIENCE = 300.0
"""Seconds after which a wait has failed: under the time limit of pytest, above that of any load."""


@contextlib.asynccontextmanager
async def waiting_for(awaited: str, seconds: float = PATIENCE) -> AsyncIterator[None]:
    """Bound the waits of a block; raises AssertionError that says what was awaited."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"Waited {seconds:g} s in vain for {awaited}.") from None


async def until(awaited: str, is_so: Callable[[], bool]) -> None:
    """Wait for something that brings no event of its own."""
    async with waiting_for(awaited):
        while not is_so():  # noqa: ASYNC110 - asking again is all that can be done
            await asyncio.sleep(0.01)


async def settled(turns: int = 200) -> None:
    """Let all tasks run until each waits for an event that none of them brings about."""
    for _ in range(turns):
        await asyncio.sleep(0)


def skip_time(seconds: float) -> None:
    """Move the time of the running event loop: timers of the seconds that are skipped expire.

    A limit that a test lets expire this way can be a minute long, so that it never expires early on
    a busy machine; what is skipped in all must stay under ``PATIENCE``.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
