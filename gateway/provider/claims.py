"""How long a key may be used: everything is counted from the first send under it.

    first send ── 55 min ── 58 min 50 s ── 59 min ──────── 60 min ──────────────── 24 h
        sent again │ not begun   │ not signed  │ no signature     │ the provider       │ forgotten
                   │ any more    │ any more    │ holds any longer │ forgets the key    │ here

The signature is the fence. An age that is checked before a send says nothing of when the request
arrives: the process may be paused, or a proxy may hold the request. So every signature of a key
expires at the latest a minute before the provider forgets that key, and what arrives later is
refused. (This rests on the provider refusing expired signatures, as its Go library does.)
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.errors import Promise
from gateway.provider.calls import Edge
from gateway.provider.idempotency import OPEN, Outcome

KEY_LIFE = 3600.0  # seconds that the provider remembers a key (provider page, section 5)
SIGNATURE_LIMIT = KEY_LIFE - 60
SEND_WINDOW = KEY_LIFE - 300


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send under a key, whose first send was at ``first_send`` (UNIX seconds).

    ``since`` is the same moment on the monotonic clock. ``indeterminate`` says that an earlier run
    of the call left and was not answered: it may have been carried out.
    """

    first_send: float
    since: float
    indeterminate: bool = False

    def age(self, edge: Edge) -> float:
        """Seconds since the first send, by the clock that has gone further.

        The wall clock may be set back, and the monotonic one stands still while a machine sleeps.
        """
        return max(edge.now() - self.first_send, edge.clock() - self.since)

    def not_after(self, edge: Edge) -> float:
        """When the last signature under this key expires, in UNIX seconds of today's clock."""
        return edge.now() + SIGNATURE_LIMIT - self.age(edge)

    def promise(self, edge: Edge) -> Promise:
        """Until when a request with this key is sent again."""
        until = datetime.fromtimestamp(self.first_send + SEND_WINDOW, UTC)
        return Promise(until, max(0, int(SEND_WINDOW - self.age(edge))))


_NOT_SENT = frozenset(
    {Outcome.NO_TOKEN, Outcome.NEVER_CONNECTED, Outcome.POOL_EXHAUSTED, Outcome.TOO_LATE}
)


@dataclass(slots=True)
class Progress:
    """What is known of a call so far; a read has no claim."""

    claim: Claim | None
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: bool = False

    @property
    def sent(self) -> bool:
        """Whether a request has left."""
        return not _NOT_SENT.issuperset(self.outcomes)

    @property
    def open(self) -> bool:
        """Whether an attempt may have been carried out without our knowing."""
        earlier = self.claim is not None and self.claim.indeterminate
        return earlier or self.in_flight or not OPEN.isdisjoint(self.outcomes)
