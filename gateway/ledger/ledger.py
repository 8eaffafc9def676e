"""The ledger: what became of each idempotency key, so that one click stays one call.

    key not known             → claim it and run the call
    same input, sending       → wait for the same outcome: replayed
    same input, done          → the id of its card: the call is never made again
    same input, indeterminate → run it again as the same call (it may have been carried out)
    other input               → IdempotencyConflict, nothing is sent

Calls run in tasks of the ledger, not of the request: whoever goes away, the call runs to its
outcome and the ledger keeps it. A key is remembered for 24 hours after its first send and never
forgotten earlier: a full ledger refuses new keys. What another process did with a key is not known
here; the provider replays it within its own hour.
"""

import asyncio
import math
import struct
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from gateway.errors import GatewayError, OutcomeUnknown, Overloaded
from gateway.ledger.claims import Claim
from gateway.ledger.refusals import key_reused
from gateway.runtime import Runtime

T = TypeVar("T")
log = structlog.get_logger()

MEMORY = 24 * 3600.0  # seconds that a key is remembered


class State(IntEnum):
    """How far a key's call has come."""

    SENDING = 0
    INDETERMINATE = 1
    DONE = 2


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a key: the input it is bound to (SHA-256), its first send, its card."""

    fingerprint: bytes
    claim: Claim
    state: State
    card_id: UUID | None = None


_NO_CARD = UUID(int=0)
_ROW = struct.Struct("<32s16sddB")


class MemoryStore:
    """Records in this process's memory, at most ``size``, each for 24 hours of the monotonic clock.

    The wall clock may jump, and a record that goes too early is a second card. A record takes some
    290 bytes: neither answer nor address is in it.
    """

    def __init__(self, *, size: int, clock: Callable[[], float]) -> None:
        self._size = size
        self._clock = clock
        self._silent_until = -math.inf
        self._rows: OrderedDict[bytes, bytes] = OrderedDict()  # the oldest first send first

    def get(self, key: UUID) -> Record | None:
        """The record of a key, if there is one."""
        row = self._rows.get(key.bytes)
        record = _unpacked(row) if row else None
        return None if record is None or self._is_over(record) else record

    def claim(self, key: UUID, record: Record) -> None:
        """Write the record of a key that has none; raises Overloaded where there is no room."""
        while self._rows and self._is_over(_unpacked(next(iter(self._rows.values())))):
            self._rows.popitem(last=False)
        if len(self._rows) >= self._size:
            self._say_full()
            raise Overloaded(
                "The gateway remembers as many idempotency keys as it may; try again later. "
                "The operator can raise GATEWAY_MAX_IDEMPOTENCY_RECORDS."
            )
        self._rows[key.bytes] = _packed(record)

    def put(self, key: UUID, record: Record) -> None:
        """Write what has become of a key."""
        self._rows[key.bytes] = _packed(record)

    def remove(self, key: UUID) -> None:
        """Forget a key under which nothing was carried out."""
        self._rows.pop(key.bytes, None)

    def _say_full(self) -> None:
        """One log line a minute: new clicks are refused until the oldest keys are a day old."""
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + 60
            log.error("idempotency_records_full", records=len(self._rows))

    def _is_over(self, record: Record) -> bool:
        return self._clock() - record.claim.since >= MEMORY

    def __len__(self) -> int:
        return len(self._rows)


def _packed(record: Record) -> bytes:
    claim, card = record.claim, record.card_id or _NO_CARD
    return _ROW.pack(
        record.fingerprint, card.bytes, claim.first_send, claim.since, int(record.state)
    )


def _unpacked(row: bytes) -> Record:
    fingerprint, card, first_send, since, state = _ROW.unpack(row)
    card_id = UUID(bytes=card)
    return Record(
        fingerprint,
        Claim(first_send, since),
        State(state),
        None if card_id == _NO_CARD else card_id,
    )


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a call came to; ``replayed`` for those who waited for somebody else's call."""

    value: T
    replayed: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """The call was carried out earlier: its card is to be read afresh."""

    card_id: UUID


# Carries out a call under a claim.
Act = Callable[[Claim], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """A call that runs, and the input that its key is bound to meanwhile."""

    fingerprint: bytes
    task: "asyncio.Task[T | GatewayError]"


class Ledger(Generic[T]):
    """Runs each key's call once at a time and tells every caller of it the same outcome.

    ``card_of`` tells the id of the card that an outcome speaks of.
    """

    def __init__(self, store: MemoryStore, *, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._calls: dict[UUID, _Call[T]] = {}

    async def run(
        self, key: UUID, fingerprint: bytes, act: Act[T], card_of: Callable[[T], UUID]
    ) -> Outcome[T] | Replay:
        """The outcome of this key's call, running ``act`` only where that is needed.

        Raises IdempotencyConflict when the key is bound to another input, Overloaded when no new
        key can be remembered, and what ``act`` raises.
        """
        record, call = self._store.get(key), self._calls.get(key)
        # A call that runs binds its input, too: its record may be over before it ends.
        if any(one is not None and one.fingerprint != fingerprint for one in (record, call)):
            raise key_reused()
        if record is not None and record.state is State.DONE and record.card_id is not None:
            return Replay(record.card_id)
        coalesced = call is not None
        if call is None:
            claim = self._claim(key, fingerprint, record)
            task = asyncio.create_task(self._carry_out(key, fingerprint, claim, act, card_of))
            call = self._calls[key] = _Call(fingerprint, task)
        # Shielded: a caller that goes away takes only itself away.
        ended = await asyncio.shield(call.task)
        if isinstance(ended, GatewayError):
            # Many may wait for this one exception, and each raise would lengthen its traceback.
            raise ended.with_traceback(None)
        return Outcome(ended, coalesced)

    def record(self, key: UUID) -> Record | None:
        """What is known of a key."""
        return self._store.get(key)

    async def drain(self, seconds: float) -> None:
        """Wait for the calls in flight, at most so long."""
        if self._calls:
            await asyncio.wait([call.task for call in self._calls.values()], timeout=seconds)

    def _claim(self, key: UUID, fingerprint: bytes, record: Record | None) -> Claim:
        """Take the right to send; a known key without an outcome may have been carried out."""
        if record is None:
            claim = Claim(self._runtime.now(), self._runtime.clock())
            self._store.claim(key, Record(fingerprint, claim, State.SENDING))
            return claim
        claim = Claim(record.claim.first_send, record.claim.since, indeterminate=True)
        self._store.put(key, Record(fingerprint, claim, State.SENDING))
        return claim

    async def _carry_out(
        self,
        key: UUID,
        fingerprint: bytes,
        claim: Claim,
        act: Act[T],
        card_of: Callable[[T], UUID],
    ) -> T | GatewayError:
        """The task of one call. It returns expected errors: nobody may be there to catch them."""
        state, card_id = State.INDETERMINATE, None  # unless an outcome says more
        forget = False
        try:
            value = await act(claim)
            state, card_id = State.DONE, card_of(value)
            return value
        except GatewayError as error:
            # A refusal is told and not kept: asked again, the provider may decide otherwise.
            forget = not claim.indeterminate and not isinstance(error, OutcomeUnknown)
            return error
        finally:
            del self._calls[key]
            if forget:
                self._store.remove(key)
            else:
                self._store.put(key, Record(fingerprint, claim, state, card_id))
