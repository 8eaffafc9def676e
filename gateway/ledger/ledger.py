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
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Generic, TypeVar
from uuid import UUID

from gateway.errors import GatewayError, InternalError, OutcomeUnknown, Overloaded, Promise
from gateway.events import ClickSettled, LedgerFull, Sink, UnexpectedError
from gateway.ledger.claims import Claim
from gateway.ledger.refusals import key_reused
from gateway.runtime import Runtime, look_at

T = TypeVar("T")

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

    def __init__(self, *, size: int, clock: Callable[[], float], emit: Sink) -> None:
        self._size = size
        self._emit = emit
        self._clock = clock
        self._silent_until = -math.inf
        self._rows: OrderedDict[bytes, bytes] = OrderedDict()  # the oldest first send first

    def get(self, key: UUID) -> Record | None:
        """The record of a key, if there is one."""
        row = self._rows.get(key.bytes)
        record = _unpacked(key.bytes, row) if row else None
        return None if record is None or self._is_over(record) else record

    def claim(self, record: Record) -> None:
        """Write the record of a key that has none; raises Overloaded where the store is full."""
        while self._rows and self._is_over(_unpacked(*next(iter(self._rows.items())))):
            self._rows.popitem(last=False)
        if len(self._rows) >= self._size:
            self._say_full()
            raise Overloaded(
                "The gateway remembers as many idempotency keys as it may; try again later. "
                "The operator can raise GATEWAY_MAX_IDEMPOTENCY_RECORDS."
            )
        self.put(record)

    def put(self, record: Record) -> None:
        """Write what has become of a key."""
        self._rows[record.claim.key.bytes] = _packed(record)

    def remove(self, key: UUID) -> None:
        """Forget a key under which nothing was carried out."""
        self._rows.pop(key.bytes, None)

    def _say_full(self) -> None:
        """One event a minute: new clicks are refused until the oldest keys are a day old."""
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + 60
            self._emit(LedgerFull(records=len(self._rows)))

    def _is_over(self, record: Record) -> bool:
        return self._clock() - record.claim.since >= MEMORY

    def __len__(self) -> int:
        return len(self._rows)


def _packed(record: Record) -> bytes:
    claim, card = record.claim, record.card_id or _NO_CARD
    return _ROW.pack(
        record.fingerprint, card.bytes, claim.first_send, claim.since, int(record.state)
    )


def _unpacked(key: bytes, row: bytes) -> Record:
    fingerprint, card, first_send, since, state = _ROW.unpack(row)
    card_id = UUID(bytes=card)
    return Record(
        fingerprint,
        Claim(UUID(bytes=key), first_send, since),
        State(state),
        None if card_id == _NO_CARD else card_id,
    )


@dataclass(frozen=True, slots=True)
class CallResult(Generic[T]):
    """A call that was carried out: what was answered, and the card that it speaks of.

    ``replayed`` says that an earlier request with the same key is known to have done it.
    """

    value: T
    card_id: UUID
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The call was carried out earlier: its card is to be read afresh."""

    card_id: UUID


# Carries out a call under a claim.
Act = Callable[[Claim], Awaitable[CallResult[T]]]


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """A call that runs, and the input that its key is bound to meanwhile."""

    fingerprint: bytes
    task: "asyncio.Task[CallResult[T]]"


class Ledger(Generic[T]):
    """Runs each key's call once at a time and tells every caller of it the same outcome."""

    def __init__(self, store: MemoryStore, *, runtime: Runtime, emit: Sink) -> None:
        self._store = store
        self._emit = emit
        self._runtime = runtime
        self._calls: dict[UUID, _Call[T]] = {}

    async def run(self, key: UUID, fingerprint: bytes, act: Act[T]) -> CallResult[T] | Replay:
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
            call = self._calls[key] = self._start(self._claim(key, fingerprint, record), act)
        await asyncio.wait([call.task])  # which a caller that goes away does not cancel
        result = call.task.result()
        return replace(result, replayed=True) if coalesced else result

    def state(self, key: UUID) -> State | None:
        """How far the call under this key has come; None where the key is not known here."""
        record = self._store.get(key)
        return record.state if record else None

    def promise(self, key: UUID) -> Promise:
        """Until when a request under this key is sent again; of an unknown key: if sent now."""
        record = self._store.get(key)
        claim = record.claim if record else Claim(key, self._runtime.now(), self._runtime.clock())
        return claim.promise(self._runtime)

    async def drain(self, seconds: float) -> None:
        """Wait for the calls in flight, at most so long."""
        if self._calls:
            await asyncio.wait([call.task for call in self._calls.values()], timeout=seconds)

    def _claim(self, key: UUID, fingerprint: bytes, known: Record | None) -> Record:
        """Take the right to send; a known key without an outcome may have been carried out."""
        if known is None:
            claim = Claim(key, self._runtime.now(), self._runtime.clock())
            record = Record(fingerprint, claim, State.SENDING)
            self._store.claim(record)
        else:
            claim = replace(known.claim, indeterminate=True)
            record = Record(fingerprint, claim, State.SENDING)
            self._store.put(record)
        return record

    def _start(self, record: Record, act: Act[T]) -> _Call[T]:
        task = asyncio.create_task(self._carry_out(record, act))
        task.add_done_callback(look_at)  # nobody may be left to see its error
        return _Call(record.fingerprint, task)

    async def _carry_out(self, record: Record, act: Act[T]) -> CallResult[T]:
        """The task of one call: whatever it comes to, the store knows it."""
        ended: Record | None = replace(record, state=State.INDETERMINATE)
        began = self._runtime.clock()
        try:
            result = await act(record.claim)
            ended = replace(record, state=State.DONE, card_id=result.card_id)
            return result
        except GatewayError as error:
            # A refusal is told and not kept: asked again, the provider may decide otherwise.
            if not record.claim.indeterminate and not isinstance(error, OutcomeUnknown):
                ended = None
            raise
        except Exception as error:
            self._emit(UnexpectedError.of(error))  # once, however many wait for this call
            raise InternalError from error
        finally:
            del self._calls[record.claim.key]
            if ended is None:
                self._store.remove(record.claim.key)
            else:
                self._store.put(ended)
            self._tell(record, ended, self._runtime.clock() - began)

    def _tell(self, record: Record, ended: Record | None, took: float) -> None:
        state = ended.state.name.lower() if ended else None
        resumed = record.claim.indeterminate
        self._emit(ClickSettled(state=state, resumed=resumed, duration=took))
