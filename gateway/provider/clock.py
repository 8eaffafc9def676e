"""The provider's clock, as its ``Date`` headers show it: signatures and tokens depend on it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from gateway.events import ClockSkewChanged, Sink
from gateway.provider.retries import parse_retry_after
from gateway.provider.transport import Reply


class ProviderClock:
    """Watches how far the provider's clock is from ours; ``tolerance`` is in seconds."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        clock: Callable[[], float],
        tolerance: float,
        backdate: float,
        emit: Sink,
    ) -> None:
        self._now = now
        self._clock = clock
        self._provider_now = self._seen_at = 0.0
        self._emit = emit
        self._tolerance = tolerance
        # A provider that is further behind than signatures are dated back sees them come from the
        # future and refuses them. Half a second is what the header leaves open.
        self._behind = backdate + 0.5
        self.skew: float | None = None
        """How far the provider is ahead of us, in seconds, as last seen; None: never seen."""

    @property
    def is_off(self) -> bool:
        """Whether the difference is more than the tolerance."""
        return self.skew is not None and not -self._behind <= self.skew <= self._tolerance

    def watch(self, reply: Reply) -> None:
        """Learn from an answer; emits an event when the clocks part or meet."""
        date = _date(reply.headers.get("Date", ""))
        if date is None:
            return
        was_off = self.is_off
        # The header has whole seconds: on average the provider's clock is half a second on.
        self.skew = date + 0.5 - self._now()
        self._provider_now, self._seen_at = date + 0.5, self._clock()
        if self.is_off != was_off:
            self._emit(ClockSkewChanged(seconds=round(self.skew, 1), within_tolerance=was_off))

    def retry_after(self, reply: Reply) -> float | None:
        """The seconds of an answer's ``Retry-After``; None where it has none that can be read.

        A date counts from the answer's own, whatever our clock shows.
        """
        if (hint := reply.headers.get("Retry-After")) is None:
            return None  # as of nearly all answers
        date = _date(reply.headers.get("Date", ""))
        now = datetime.fromtimestamp(self._now() if date is None else date, UTC)
        return parse_retry_after(hint, now=now)

    def differs_by_more_than(self, seconds: float) -> bool:
        """Whether the clocks are known to be so far apart that the age of a key is not known.

        The provider's clock goes on with the monotonic one: a wall clock that was set since the
        last answer is noticed at once.
        """
        if self.skew is None:
            return False
        provider_now = self._provider_now + self._clock() - self._seen_at
        return abs(provider_now - self._now()) > seconds

    def agrees_within(self, seconds: float) -> bool:
        """Whether the clocks are known to agree."""
        return self.skew is not None and not self.differs_by_more_than(seconds)

    def hint(self) -> str:
        """A sentence for where a signature was refused; empty while the clocks agree."""
        if self.skew is None or not self.is_off:
            return ""
        return f"The clocks of gateway and provider are {abs(self.skew):.0f} s apart."


@lru_cache(maxsize=16)  # all answers of a second show the same one
def _date(text: str) -> float | None:
    """UNIX seconds. Without a zone it is UTC, as HTTP has no other (RFC 9110, 5.6.7)."""
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):  # the latter for a year that no clock reaches in UTC
        return None
