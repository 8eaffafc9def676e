"""Until when a request with a key can safely be sent again: what is promised with each outcome."""

from gateway.errors import Promise
from gateway.ledger.claims import promise
from gateway.ledger.rows import Click, Row, Seen
from gateway.ledger.sql import ROW_LIFE
from gateway.ledger.store import Store
from gateway.runtime import Runtime


class Promises:
    """Makes promises from rows; where the store's time is not at hand, from this process's."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime

    def of_row(self, row: Row, now: float | None = None) -> Promise:
        """As long as the row is kept, where nothing can be lost; else while it is sent again.

        A retry that comes while another request's lease runs waits for its end: the window must
        still be open then.
        """
        now = self._runtime.now() if now is None else now
        if self._store.keeps(now) and not row.uncertain:
            return promise(row.expires - now, self._runtime)
        busy = max(0.0, row.lease_until - now)
        return promise(row.first_send + self._store.windows.send - busy - now, self._runtime)

    def of(self, seen: Seen | None) -> Promise:
        """Of a key as it was seen; None where the store could not be asked.

        A key without a row has what would be promised if it were sent for the first time now.
        """
        if seen is not None and seen.row is not None:
            return self.of_row(seen.row, seen.now)
        kept = seen is not None and self._store.keeps(seen.now)
        return promise(ROW_LIFE if kept else self._store.windows.send, self._runtime)


def is_younger(click: Click, seen: Seen) -> bool:
    """Whether the key says that it was made after the store began."""
    return click.time is not None and click.time > seen.created


def is_certain(click: Click, seen: Seen) -> bool:
    """Whether a key without a row is a new one: no earlier row of it can have been lost.

    That holds for keys that were made after the store began, whoever made them.
    """
    return click.made_here or is_younger(click, seen) or seen.is_certain
