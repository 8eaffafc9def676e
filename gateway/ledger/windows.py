"""How long what may be done with an idempotency key."""

from dataclasses import dataclass

from gateway.ledger.claims import SIGNATURE_MARGIN
from gateway.ledger.rows import Row
from gateway.ledger.sql import DAY

CLOCK_TOLERANCE = 30.0  # seconds that the clocks of store, gateway and provider may differ


@dataclass(frozen=True, slots=True)
class Windows:
    """How long what may be done with a key, in seconds from its first send.

    ``send`` is how long a request is sent again, ``key_life`` how long the provider remembers its
    key. ``grace`` is how long a card may take to show in the account's list, ``lease`` how long a
    claim is good for, and ``uncertain_for`` how long a new store may have lost rows.
    """

    send: float = 2700.0
    key_life: float = 3600.0
    grace: float = 900.0
    lease: float = 35.0
    uncertain_for: float = DAY

    @property
    def late(self) -> float:
        """From when a list without the card proves that the call was not carried out."""
        return self.key_life + self.grace

    @property
    def late_uncertain(self) -> float:
        """The same as ``late``, where a request was seen in flight or a row may have been lost."""
        return self.key_life + DAY

    def late_of(self, row: Row) -> float:
        """``late`` or ``late_uncertain``, whichever holds for the row."""
        is_doubtful = row.account is not None and (row.in_flight_seen or row.uncertain)
        return self.late_uncertain if is_doubtful else self.late

    @property
    def last_arrival(self) -> float:
        """From when nothing that was sent under the key can arrive any more."""
        return self.key_life - SIGNATURE_MARGIN + CLOCK_TOLERANCE
