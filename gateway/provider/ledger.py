"""The ledger: what became of each idempotency key, so that one click stays one call.

How it works:

    key not known           → run the call, keep its outcome
    same input, in flight   → join the call: its outcome, replayed
    same input, done        → the kept outcome, replayed
    same input, open        → run it again as the same call (it may have been carried out)
    other input             → IdempotencyConflict, nothing is sent

Calls run in tasks of the ledger, not of the request: whoever goes away, the call runs to its
outcome and the ledger keeps it. What one process does not know (another replica, a restart) goes to
the provider under the same key, which replays. Answers are kept for the provider's hour.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from gateway.errors import GatewayError, OutcomeUnknown
from gateway.provider.idempotency import KEY_LIFE
from gateway.provider.refusals import key_reused

T = TypeVar("T")

# An unanswered call is remembered long after the provider may have forgotten its key: a repeat that
# comes so late must be recognised, or it would be sent as new.
OPEN_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """What is known of a key: the input it is bound to, and how its call ended.

    An open call began at ``started`` (UTC) and was not answered; another one has its ``value``.
    """

    fingerprint: bytes
    started: datetime
    value: T | None = None
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
    """Keeps up to ``size`` done and ``size`` open records in this process; the oldest give way.

    A done record that gave way loses nothing but time: the provider still knows the key. Open ones
    are kept apart, so that no number of other calls can push them out.
    """

    def __init__(self, *, size: int, now: Callable[[], datetime]) -> None:
        self._size = size
        self._now = now
        self._done: OrderedDict[UUID, Record[T]] = OrderedDict()
        self._open: OrderedDict[UUID, Record[T]] = OrderedDict()

    async def get(self, key: UUID) -> Record[T] | None:
        """The record of a key, if it is still kept."""
        record = self._done.get(key) or self._open.get(key)
        return None if record is None or self._is_over(record) else record

    async def put(self, key: UUID, record: Record[T]) -> None:
        """Keep a record, and let go of those that are over or too many."""
        self._done.pop(key, None)
        self._open.pop(key, None)
        records = self._open if record.open else self._done
        records[key] = record
        if len(records) > self._size:
            records.popitem(last=False)
        for kept in (self._done, self._open):
            while kept and self._is_over(next(iter(kept.values()))):
                kept.popitem(last=False)

    def _is_over(self, record: Record[T]) -> bool:
        life = OPEN_LIFE if record.open else KEY_LIFE
        return self._now() >= record.started + life

    def __len__(self) -> int:
        return len(self._done) + len(self._open)


# Carries out a call; it is told since when an earlier, unanswered run of it may have had effect.
Act = Callable[[datetime | None], Awaitable[T]]


@dataclass(slots=True)
class _Flight(Generic[T]):
    fingerprint: bytes
    task: asyncio.Task[Outcome[T] | GatewayError]
    started: datetime


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
            flight = self._flights[key] = _Flight(fingerprint, task, self._now())
        elif flight.fingerprint != fingerprint:
            raise key_reused()
        # Shielded: a caller that goes away takes only itself away.
        ended = await asyncio.shield(flight.task)
        if isinstance(ended, GatewayError):
            raise ended
        return Outcome(ended.value, ended.replayed or joined)

    def started(self, key: UUID) -> datetime:
        """When the first attempt of a key's call in flight began; now, if there is none."""
        flight = self._flights.get(key)
        return flight.started if flight else self._now()

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
            raise key_reused()
        if record.open:
            self._flights[key].started = record.started
            return await self._run(key, record, act, record.started)
        return Outcome(record.value, replayed=True)  # type: ignore[arg-type]  # T may be None

    async def _run(
        self, key: UUID, record: Record[T], act: Act[T], open_since: datetime | None
    ) -> Outcome[T]:
        """Run the call. A refusal is told and not kept: the provider may decide otherwise when it
        is asked again (a clock is mended, an account opened), and under this key it is safe to ask.
        """
        bound, started = record.fingerprint, record.started
        try:
            value = await act(open_since)
        except OutcomeUnknown:
            await self._store.put(key, Record(bound, started, open=True))
            raise
        await self._store.put(key, Record(bound, started, value=value))
        return Outcome(value, replayed=False)
