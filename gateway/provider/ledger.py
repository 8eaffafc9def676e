"""The ledger: what became of each idempotency key, so that one click stays one call.

How it works:

    key not known           → run the call, keep its outcome
    same input, in flight   → join the call: its outcome, replayed
    same input, done        → the kept outcome, replayed
    same input, open        → run it again as the same call (it may have been carried out)
    other input             → IdempotencyConflict, nothing is sent

Calls run in tasks of the ledger, not of the request: whoever goes away, the call runs to its
outcome and the ledger keeps it. What one process does not know (another replica, a restart) goes to
the provider under the same key, which replays. Outcomes are kept for the provider's hour.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from gateway.errors import (
    GatewayError,
    IdempotencyConflict,
    InvalidState,
    NotFound,
    OutcomeUnknown,
    Refused,
)
from gateway.provider.idempotency import KEY_LIFE

T = TypeVar("T")

# Failures that stay true for their key and input. The others are forgotten: nothing happened, and
# trying again is what their caller should do.
FINAL = (NotFound, InvalidState, Refused, IdempotencyConflict)


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """What is known of a key: the input it is bound to, and how its call ended.

    With neither ``value`` nor ``error`` the call is open: it began at ``started`` (UTC) and was not
    answered.
    """

    fingerprint: bytes
    started: datetime
    value: T | None = None
    error: GatewayError | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """A finished call; ``replayed`` when it is the outcome of an earlier request."""

    value: T
    replayed: bool


class Store(Protocol[T]):
    """Where records are kept. A store that several gateways share fits behind this too."""

    async def get(self, key: UUID) -> Record[T] | None:
        """The record of a key, if it is still kept."""

    async def put(self, key: UUID, record: Record[T]) -> None:
        """Keep a record for the life of a key, counted from its start."""


class MemoryStore(Generic[T]):
    """Keeps up to ``size`` records in this process; the oldest give way.

    A record that gave way early loses nothing but time: the provider still knows the key.
    """

    def __init__(self, *, size: int, now: Callable[[], datetime]) -> None:
        self._size = size
        self._now = now
        self._records: OrderedDict[UUID, Record[T]] = OrderedDict()

    async def get(self, key: UUID) -> Record[T] | None:
        """The record of a key, if it is still kept."""
        record = self._records.get(key)
        return None if record is None or self._is_over(record) else record

    async def put(self, key: UUID, record: Record[T]) -> None:
        """Keep a record, and let go of those that are over or too many."""
        self._records[key] = record
        self._records.move_to_end(key)
        while len(self._records) > self._size:
            self._records.popitem(last=False)
        while self._records and self._is_over(next(iter(self._records.values()))):
            self._records.popitem(last=False)

    def _is_over(self, record: Record[T]) -> bool:
        return self._now() >= record.started + KEY_LIFE

    def __len__(self) -> int:
        return len(self._records)


# Carries out a call; it is told since when an earlier, unanswered run of it may have had effect.
Act = Callable[[datetime | None], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Flight(Generic[T]):
    fingerprint: bytes
    task: asyncio.Task[Outcome[T] | GatewayError]


class Ledger(Generic[T]):
    """Runs each key's call once at a time and tells every caller of it the same outcome."""

    def __init__(self, store: Store[T], *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._flights: dict[UUID, _Flight[T]] = {}

    async def run(self, key: UUID, fingerprint: bytes, act: Act[T]) -> Outcome[T]:
        """The outcome of this key's call, running ``act`` only where that is needed.

        Raises IdempotencyConflict when the key is bound to another input, and what ``act`` raises.
        """
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            task = asyncio.create_task(self._fly(key, fingerprint, act))
            flight = self._flights[key] = _Flight(fingerprint, task)
        elif flight.fingerprint != fingerprint:
            raise _conflict()
        # Shielded: a caller that goes away takes only itself away.
        ended = await asyncio.shield(flight.task)
        if isinstance(ended, GatewayError):
            raise ended
        return Outcome(ended.value, ended.replayed or joined)

    async def drain(self, seconds: float) -> None:
        """Wait for the calls in flight, at most so long."""
        tasks = [flight.task for flight in self._flights.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def _fly(self, key: UUID, fingerprint: bytes, act: Act[T]) -> Outcome[T] | GatewayError:
        """The task of one flight. It returns expected errors: nobody may be there to catch them."""
        try:
            return await self._find_or_run(key, fingerprint, act)
        except GatewayError as error:
            return error
        finally:
            del self._flights[key]

    async def _find_or_run(self, key: UUID, fingerprint: bytes, act: Act[T]) -> Outcome[T]:
        record = await self._store.get(key)
        if record is None:
            return await self._run(key, Record(fingerprint, self._now()), act, None)
        if record.fingerprint != fingerprint:
            raise _conflict()
        if record.open:
            return await self._run(key, record, act, record.started)
        if record.error is not None:
            raise record.error
        return Outcome(record.value, replayed=True)  # type: ignore[arg-type]  # T may be None

    async def _run(
        self, key: UUID, record: Record[T], act: Act[T], open_since: datetime | None
    ) -> Outcome[T]:
        bound, started = record.fingerprint, record.started
        try:
            value = await act(open_since)
        except FINAL as error:
            await self._store.put(key, Record(bound, started, error=error))
            raise
        except OutcomeUnknown:
            await self._store.put(key, Record(bound, started, open=True))
            raise
        await self._store.put(key, Record(bound, started, value=value))
        return Outcome(value, replayed=False)


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict("This idempotencyKey was used with another input; use a new one.")
