"""A circuit breaker: after repeated failures reads fail fast.

    closed ──(failures in a row)──► open ──(pause)──► half open ──(one read succeeds)──► closed
                                     ▲                    └──(it fails)──┐
                                     └───────────────────────────────────┘

Only reads are held back: a call with a key may be the one that learns what became of a card.
"""

from collections.abc import Callable
from enum import Enum

from gateway.errors import ProviderUnavailable
from gateway.events import BreakerChanged, Sink
from gateway.provider.retries import Outcome

FAILURES = frozenset(
    {Outcome.NEVER_CONNECTED, Outcome.NO_WHOLE_ANSWER, Outcome.BUSY, Outcome.SERVER_ERROR}
)
# These say nothing of the provider: it was not asked.
_SILENT = frozenset({Outcome.NO_TOKEN, Outcome.HELD_BACK, Outcome.POOL_EXHAUSTED})


class BreakerState(Enum):
    """Whether reads are let through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts failed attempts in a row; ``pause`` is in seconds of ``clock``."""

    def __init__(
        self, *, failures: int, pause: float, clock: Callable[[], float], emit: Sink
    ) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._emit = emit
        self._failed = 0
        self._closed_until: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._closed_until is None:
            return BreakerState.CLOSED
        over = self._clock() >= self._closed_until
        return BreakerState.HALF_OPEN if over else BreakerState.OPEN

    def admit(self) -> bool:
        """Let a read start; True where it is the probe that ends with ``probed``.

        Raises ProviderUnavailable while open, and beside a probe while half open.
        """
        if self.state is BreakerState.CLOSED:
            return False
        if self.state is BreakerState.OPEN or self._probing:
            raise ProviderUnavailable(
                "The provider has failed repeatedly and is given a pause; try again in a moment."
            )
        self._probing = True
        return True

    def note(self, outcome: Outcome) -> None:
        """Learn what an attempt came to."""
        if outcome in _SILENT:
            return
        if outcome not in FAILURES:
            self._close()
        else:
            self._failed += 1
            if self._failed >= self._most:
                self._open()

    def probed(self) -> None:
        """The probe has ended, however it ended."""
        self._probing = False

    def _open(self) -> None:
        if self.state is BreakerState.CLOSED:
            self._tell(BreakerState.OPEN)
        self._closed_until = self._clock() + self._pause

    def _close(self) -> None:
        if self.state is not BreakerState.CLOSED:
            self._tell(BreakerState.CLOSED)
        self._failed, self._closed_until = 0, None

    def _tell(self, state: BreakerState) -> None:
        self._emit(BreakerChanged(state=state.value, failures=self._failed, pause=self._pause))
