"""Time and chance as an argument, so that tests can hand in their own."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.turns import Turns


@dataclass(frozen=True, slots=True)
class Runtime:
    """Time and chance, as arguments: ``now`` is UNIX seconds, ``clock`` is monotonic."""

    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    turns: Turns = field(default_factory=Turns)
    """How callers share the event loop."""


def rfc3339(seconds: float) -> str:
    """UNIX seconds as a date-time in UTC (RFC 3339, section 5.6).

    Raises ValueError, OverflowError or OSError for a time that no calendar reaches.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def look_at(future: asyncio.Future[Any]) -> None:
    """Take notice of an error that nobody may be left to see: asyncio would log its text.

    For ``add_done_callback``.
    """
    if not future.cancelled():
        future.exception()


@dataclass(slots=True)
class Shutdown:
    """What the server tells the application of its end, in the state of the lifespan."""

    begun: bool = False
    """Whether the process is to end: it is not ready for new clients."""
    calls_end_at: float = math.inf
    """When the calls in progress are no longer waited for, by the event loop's clock."""

    def seconds_for_calls(self) -> float:
        """For how long calls in progress are still waited for."""
        return max(self.calls_end_at - asyncio.get_running_loop().time(), 0)
