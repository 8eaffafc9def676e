"""The end of a connection whose client takes nothing of what has been written for it."""

import asyncio
import math


class SlowReader:
    """Looks, while it watches, every ``seconds`` whether the client has taken some bytes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, seconds: float
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Watch from now on."""
        self._look(math.inf)

    def forget(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, before: float) -> None:
        left = self._transport.get_write_buffer_size()
        if left >= before:
            self._transport.abort()
        else:
            self.forget()
            self._timer = self._loop.call_later(self._seconds, self._look, left)
