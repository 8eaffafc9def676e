"""How long a key may be used: everything is counted from the first send under it.

    first send ── 55 min ── 58 min 50 s ── 59 min ──────── 60 min ──────────────── 24 h
        sent again │ not begun   │ not signed  │ no signature     │ the provider       │ forgotten
                   │ any more    │ any more    │ holds any longer │ forgets the key    │ here

The signature is the fence. An age that is checked before a send says nothing of when the request
arrives: the process may be paused, or a proxy may hold the request. So every signature of a key
expires at the latest a minute before the provider forgets that key, and what arrives later is
refused. (This rests on the provider refusing expired signatures, as its Go library does.)
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from gateway.errors import Promise
from gateway.runtime import Runtime

KEY_LIFE = 3600.0  # seconds that the provider remembers a key (provider page, section 5)
SIGNATURE_LIMIT = KEY_LIFE - 60
SEND_WINDOW = KEY_LIFE - 300


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send under ``key``, whose first send was at ``first_send`` (UNIX seconds).

    ``since`` is the same moment on the monotonic clock. ``indeterminate`` says that an earlier run
    of the call left and was not answered: it may have been carried out.
    """

    key: UUID
    first_send: float
    since: float
    indeterminate: bool = False

    def age(self, runtime: Runtime) -> float:
        """Seconds since the first send, by the clock that has gone further.

        The wall clock may be set back, and the monotonic one stands still while a machine sleeps.
        """
        return max(runtime.now() - self.first_send, runtime.clock() - self.since)

    def not_after(self, runtime: Runtime) -> float:
        """When the last signature under this key expires, in UNIX seconds of today's clock."""
        return runtime.now() + SIGNATURE_LIMIT - self.age(runtime)

    def promise(self, runtime: Runtime) -> Promise:
        """Until when a request with this key is sent again."""
        until = datetime.fromtimestamp(self.first_send + SEND_WINDOW, UTC)
        return Promise(until, max(0, int(SEND_WINDOW - self.age(runtime))))
