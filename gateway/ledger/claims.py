"""How long a key may be used: everything is counted from the first send under it.

    first send ─ 45 min ───────── 58 min 50 s ─ 59 min ──── 60 min ────── 75 min ────── 30 days
      sent again │ found out from the │ not signed │ no signature │ the provider │ not carried │
                 │ account's cards    │ any more   │ still holds  │ forgets it   │ out: is told│

The signature is the fence. An age that is checked before a send says nothing of when the request
arrives: the process may be paused, or a proxy may hold the request. So every signature of a key
expires at the latest a minute before the provider forgets that key, and what arrives later is
refused. (This rests on the provider refusing expired signatures, as its Go library does.)
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from gateway.errors import Promise
from gateway.ledger.rows import Row
from gateway.runtime import Runtime

KEY_LIFE = 3600.0  # seconds that the provider remembers a key (provider page, section 5)
SIGNATURE_MARGIN = 60.0
SIGNATURE_LIFE = 300.0  # seconds at most between a signature and its expiry


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send under ``key``, the provider's, whose first send was at ``first_send``.

    ``first_send`` is in UNIX seconds of this process's clock, and ``since`` is the same moment on
    the monotonic clock. ``indeterminate`` says that an earlier run of the call left and was not
    answered: it may have been carried out. No request leaves while the clocks of gateway and
    provider differ by more than ``most_skew`` seconds. Where there is ``may_send``, each attempt
    fixes the time of its signature, asks, and is signed only if it still may be: whoever forbids it
    knows from then on when the last signature expires.
    """

    key: UUID
    first_send: float
    since: float
    indeterminate: bool = False
    most_skew: float = math.inf
    key_life: float = KEY_LIFE
    may_send: Callable[[], Awaitable[bool]] | None = None

    def age(self, runtime: Runtime) -> float:
        """Seconds since the first send, by the clock that has gone further.

        The wall clock may be set back, and the monotonic one stands still while a machine sleeps.
        """
        return max(runtime.now() - self.first_send, runtime.clock() - self.since)

    def not_after(self, runtime: Runtime) -> float:
        """When the last signature under this key expires, in UNIX seconds of today's clock."""
        return runtime.now() + self.key_life - SIGNATURE_MARGIN - self.age(runtime)


@dataclass(frozen=True, slots=True)
class Moment:
    """This process's two clocks, read before the store was asked for its own.

    The store's answer may come late, and the process may be paused before it reads it. Ages are
    counted from before the question, so that a key never seems younger than it is.
    """

    wall: float
    monotonic: float

    @classmethod
    def now(cls, runtime: Runtime) -> "Moment":
        """Read both clocks."""
        return cls(runtime.now(), runtime.clock())

    def claim(self, row: Row, store_now: float, *, most_skew: float, key_life: float) -> Claim:
        """The claim of a row, on the clocks of this process."""
        age = store_now - row.first_send
        return Claim(
            UUID(bytes=row.provider_key),
            self.wall - age,
            self.monotonic - age,
            bool(row.indeterminate),
            most_skew,
            key_life,
        )


def promise(seconds: float, runtime: Runtime) -> Promise:
    """A promise that holds for so many seconds from now."""
    left = max(0, int(seconds))
    return Promise(datetime.fromtimestamp(runtime.now() + seconds, UTC), left)
