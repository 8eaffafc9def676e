"""What the store holds of one idempotency key, and what is asked of it.

Nothing personal is among it: no address, name or card number, no body, token or signature, and
neither the client's key nor its caller. The fingerprint is an HMAC keyed with the client's own
key, which is not stored: whoever reads the table cannot guess an address.
"""

import uuid
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple
from uuid import UUID

UNBOUND = b""
"""The fingerprint of a row whose key is bound to no input: the provider has the key with another
request than the one that the row was made for, so any other input may be the key's own. It is bound
to the input that the provider carries out."""

VERSION = 2
"""Of the rules by which an input becomes a fingerprint and bytes; a row keeps the one it has.

By version 1 lines of an address were refused that version 2 takes. What version 1 took has the same
bytes by version 2, but for lines without any visible character, which are absent or refused now.
"""


class State(StrEnum):
    """How far the call of a key has come."""

    SENDING = "sending"
    INDETERMINATE = "indeterminate"
    DONE = "done"
    NOT_EXECUTED = "not_executed"
    STOPPED = "stopped"
    """A later call forbids to send it again. Only its card shows what became of it."""


class Course(Enum):
    """What may follow on a call about a card once its key is too old to be sent again."""

    MONOTONE = auto()
    """Nobody can undo it: it may be sent again when the provider has forgotten its key."""
    REVERSIBLE = auto()
    """Somebody may have undone it since: it is never sent again."""
    UNLISTED = auto()
    """It makes something that no list shows: nobody can find out what became of it."""


class Row(NamedTuple):
    """A row of the store; times are UNIX seconds by the store's clock.

    ``account`` is there for calls that make a card, ``target`` for calls about a card. Of the
    marks, ``indeterminate`` says that a request may have been carried out without an answer,
    ``uncertain`` that an earlier row of this key may have been lost, and ``in_flight_seen`` that
    the provider spoke of a request still in flight. ``claim`` is the random token of whoever may
    send until ``lease_until``; of a stopped row that is when it was stopped. ``card`` is what the
    call has made: a card, or an authorisation.
    """

    key: bytes
    operation: str
    account: bytes | None
    target: bytes | None
    provider_key: bytes
    fingerprint: bytes
    state: str
    indeterminate: int
    uncertain: int
    in_flight_seen: int
    first_send: float
    claim: bytes
    lease_until: float
    card: bytes | None
    version: int
    expires: float

    def is_of(self, fingerprint: bytes) -> bool:
        """Whether the key may be that of an input with this fingerprint."""
        return self.fingerprint in (UNBOUND, fingerprint)

    @property
    def is_unbound(self) -> bool:
        """Whether the key is bound to no input yet."""
        return self.fingerprint == UNBOUND

    @property
    def card_id(self) -> UUID:
        """The card that a call which was carried out speaks of."""
        card = self.card or self.target
        assert card is not None  # noqa: S101 (done rows have one of the two)
        return UUID(bytes=card)


class Seen(NamedTuple):
    """A key as the store sees it at its time ``now``; the row is None where there is none.

    ``created`` is when the store began, and ``certain_from`` when it can have lost no earlier
    rows any more.
    """

    now: float
    created: float
    certain_from: float
    row: Row | None

    @property
    def is_certain(self) -> bool:
        """Whether a key without a row is a new one."""
        return self.certain_from <= self.now


class Facts(NamedTuple):
    """What the store says of itself, at its time ``now``.

    ``minimum_reader`` is the oldest version of the schema whose gateways can use it.
    """

    now: float
    id: bytes
    schema_version: int
    minimum_reader: int
    created: float
    certain_from: float

    @property
    def is_certain(self) -> bool:
        """Whether the store can have lost no rows."""
        return self.certain_from <= self.now


@dataclass(frozen=True, slots=True)
class Click:
    """One use of an idempotency key: what it is for, and the input it is bound to.

    ``made_here`` says that the gateway made the key for this very request. ``time`` is when a
    version 7 key says that it was made, in UNIX seconds; None for keys of other versions.
    ``version`` is that of the rules by which the fingerprint was made.

    ``course`` is that of a call about a card. One that is ``alone`` is not begun while another call
    of its operation, about the same card, may still be carried out. One that ``stops`` an operation
    forbids to send its unresolved calls about the card again, and is told until when those that
    have left may undo it. One that ``must_go_out`` is sent although an earlier row of its key may
    have been lost: a stolen card has to be switched off, whatever becomes of later requests.
    """

    key: UUID
    operation: str
    fingerprint: bytes
    account: UUID | None = None
    target: UUID | None = None
    made_here: bool = False
    time: float | None = None
    version: int = VERSION
    course: Course = Course.MONOTONE
    alone: bool = False
    stops: str | None = None
    must_go_out: bool = False


def time_of(key: UUID) -> float | None:
    """When a version 7 key was made (RFC 9562, 5.7), in UNIX seconds; None for other versions."""
    return (key.int >> 80) / 1000 if key.version == 7 else None


def new_token() -> bytes:
    """A claim's token, which never comes again: a counter would start anew with a deleted row."""
    return uuid.uuid4().bytes
