"""``Retry-After`` outlives the call that got it: no other call asks again before it is over.

no hint ──(429 or 503 with Retry-After)──► held back ──(its end)──► one probe ──► no hint
                                               ▲                       └──(asked again)──┐
                                               └─────────────────────────────────────────┘
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import GatewayError, LimitedBy, ProviderUnavailable, RateLimited
from gateway.events import RequestsHeldBack, Sink
from gateway.provider.retries import LONGEST_HOLD, Outcome

_ASKING = frozenset({Outcome.TOO_MANY, Outcome.BUSY})
_PROBE_WAIT = 0.5  # seconds until a request asks again whether the probe was answered


class RetryHint:
    """What the provider's API asks of all calls; times are in seconds of ``clock``.

    A hint counts for five minutes at most, and a shorter one does not end a longer one.
    """

    def __init__(self, *, clock: Callable[[], float], emit: Sink) -> None:
        self._clock = clock
        self._emit = emit
        self._ends: float | None = None
        self._asked = Outcome.TOO_MANY
        self._probing = False

    def wait(self) -> float:
        """How long no request may be sent; 0: one may be sent now."""
        if self._ends is None:
            return 0.0
        left = self._ends - self._clock()
        return left if left > 0 else _PROBE_WAIT * self._probing

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request that is sent now: the first one after a hint is a probe."""
        is_probe = self._ends is not None
        self._probing |= is_probe
        try:
            yield
        finally:
            self._probing &= not is_probe

    def learn(self, outcome: Outcome, seconds: float | None) -> None:
        """Learn from an answer, and from its ``Retry-After`` where it has one."""
        now = self._clock()
        is_over = self._ends is None or self._ends <= now
        if outcome in _ASKING and seconds:
            ends = now + min(seconds, LONGEST_HOLD)
            if self._ends is None or ends > self._ends:
                self._ends, self._asked = ends, outcome
            if is_over:
                self._emit(RequestsHeldBack(of="api", seconds=ends - now))
        elif is_over:
            self._ends = None

    def refusal(self, left: float) -> GatewayError:
        """What a call is told that is not sent for so many seconds."""
        if self._asked is Outcome.TOO_MANY:
            by = LimitedBy.PROVIDER
            return RateLimited("The provider asks to slow down.", by=by, retry_after=left)
        message = "The provider asks for a pause; try again after it."
        return ProviderUnavailable(message, retry_after=left)
