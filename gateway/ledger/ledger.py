"""The ledger: what became of each idempotency key, so that one click stays one call.

Calls run in tasks of the ledger, not of the request: whoever goes away, the call runs to its
outcome and the ledger keeps it. All callers of one key in this process share one task; between
processes the rows of the store decide (``resolution``).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from gateway.errors import (
    ConfigError,
    GatewayError,
    IdempotencyConflict,
    InternalError,
    LedgerUnavailable,
    NotExecuted,
    OutcomeUnknown,
    Promise,
)
from gateway.events import (
    ClickSettled,
    KeyAnswered,
    LedgerChanged,
    LedgerFull,
    Sink,
    UnexpectedError,
)
from gateway.ledger.actions import Actions, CallResult, Replay
from gateway.ledger.inquiry import FindCardsOf, Inquiry
from gateway.ledger.parts import Parts, check_input
from gateway.ledger.promises import Promises, is_certain
from gateway.ledger.refusals import full
from gateway.ledger.resolution import Resolution
from gateway.ledger.rows import Click, Seen, State
from gateway.ledger.settling import Settler
from gateway.ledger.store import Store
from gateway.runtime import Runtime, look_at

T = TypeVar("T")
U = TypeVar("U")
_PURGE_EVERY = 3600.0  # seconds
_OPEN_EVERY = 1.0
_WRITING = 2.0  # seconds that the end waits for a store that does not take what is to be written
_SHORT = 0.02  # seconds
_NOBODYS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """A click that is brought to its outcome, and the input that its key is bound to meanwhile.

    ``told`` is what its callers are told; ``task`` goes on until that is written.
    """

    fingerprint: bytes
    told: "asyncio.Future[CallResult[T] | Replay]"
    task: "asyncio.Task[None]"

    @property
    def unbinds(self) -> bool:
        """Whether it has found its key to be another input's, which the row may not say yet."""
        error = self.told.exception() if self.has_failed and not self.told.cancelled() else None
        return isinstance(error, OutcomeUnknown) and not error.is_bound

    @property
    def has_failed(self) -> bool:
        """Whether there is an error, after which the row decides what follows."""
        told = self.told
        return told.done() and (told.cancelled() or told.exception() is not None)


class Ledger(Generic[T]):
    """Runs each key's call once at a time and tells every caller of it the same outcome.

    Only while the ``clocks_agree`` it is said that a call was not carried out, and rows that are
    over are deleted: a clock that was set far ahead must not make keys forgotten.
    """

    def __init__(
        self,
        store: Store,
        *,
        clocks_agree: Callable[[], bool],
        runtime: Runtime,
        emit: Sink,
    ) -> None:
        self._store = store
        self._emit = emit
        self._runtime = runtime
        self._clocks_agree = clocks_agree
        self._promises = Promises(store, runtime)
        settler = Settler(store, runtime=runtime, emit=emit)
        self._parts = Parts(store, settler, self._promises, runtime, emit, clocks_agree)
        self._calls: dict[UUID, _Call[T]] = {}
        self._service: asyncio.Task[None] | None = None
        self._full_said = -math.inf
        self.problem: str | None = None
        """Why the store could not be used when it was asked last; None: it could."""

    async def start(self) -> None:
        """Open the store; raises ConfigError where it must not be used.

        One that cannot be reached now is opened as soon as it can be: reads do not need it.
        """
        self._service = asyncio.create_task(self._serve(is_open=await self._opened()))

    async def _opened(self) -> bool:
        try:
            await self._store.start()
        except LedgerUnavailable as error:
            self._note(error.message)
            return False
        self._note(None)
        return True

    async def aclose(self, seconds: float) -> None:
        """Wait for the calls that run, at most so long, and close the store.

        What cannot be written even then stays ``sending`` in the store, or as it was: whoever asks
        for it finds it out after its lease.
        """
        if self._service is not None:
            self._service.cancel()
        calls = list(self._calls.values())
        if calls:
            await asyncio.wait([call.told for call in calls], timeout=seconds)
            await asyncio.wait([call.task for call in calls], timeout=min(seconds, _WRITING))
        for call in calls:
            call.task.cancel()
            call.told.cancel()
        await asyncio.gather(*[call.task for call in calls], return_exceptions=True)
        await self._store.aclose()

    async def look(self, key: UUID) -> Seen:
        """What is known of a key; raises LedgerUnavailable."""
        return await self._noted(self._store.look(key))

    async def count(self) -> None:
        """Tell how many keys are not resolved; a store that fails is told, too."""
        with suppress(LedgerUnavailable):
            self._emit(await self._noted(self._store.unresolved()))

    async def _noted(self, asked: Awaitable[U]) -> U:
        """What the store says, and whether it says anything; raises LedgerUnavailable."""
        try:
            found = await asked
        except LedgerUnavailable as error:
            self._note(error.message)
            raise
        self._note(None)
        return found

    async def condition(self) -> str:
        """``ok``, ``uncertain`` or why the store cannot be used, as it is asked for one key."""
        try:
            seen = await self.look(_NOBODYS)
        except LedgerUnavailable as error:
            return error.message
        return "ok" if seen.is_certain else "uncertain"

    async def run(self, click: Click, actions: Actions[T], seen: Seen) -> CallResult[T] | Replay:
        """The outcome of this click, sending its call only where the protocol says so.

        ``seen`` is what ``look`` has just brought. Raises IdempotencyConflict when the key is bound
        to another input, and what the caller is to be told else.
        """
        joined = False
        try:
            result, joined = await self._answer(click, actions, seen)
        except GatewayError as error:
            self._emit(KeyAnswered(outcome=_ended(error)))
            raise
        how = "coalesced" if joined else "replayed" if isinstance(result, Replay) else "done"
        self._emit(KeyAnswered(outcome=how))
        return result

    async def _answer(
        self, click: Click, actions: Actions[T], seen: Seen
    ) -> tuple[CallResult[T] | Replay, bool]:
        """What this click is told, and whether another request had begun its call."""
        while (call := self._calls.get(click.key)) is not None:
            if call.fingerprint == click.fingerprint and not call.has_failed:
                break
            if seen.row is not None and not call.unbinds:
                check_input(seen.row, click, self.promise(seen))
            # Until its end is written; of another input, until a row says if one is bound.
            is_known = call.has_failed or seen.row is not None
            await asyncio.wait([call.task], timeout=None if is_known else _SHORT)
            seen = await self.look(click.key)
        joined = call is not None
        if call is None:
            self._check_room(click, seen)
            call = self._start(click, actions, seen)
        is_old = call.told.done()  # its card may have changed meanwhile
        await asyncio.wait([call.told])  # which a caller that goes away does not cancel
        result = call.told.result()
        if isinstance(result, Replay) or not joined:
            return result, joined
        if is_old:
            return Replay(result.card_id, undo_until=result.undo_until), joined
        return replace(result, replayed=True), joined

    async def ask(self, key: UUID, find: FindCardsOf, seen: Seen) -> Replay | None:
        """What became of a key that makes a card, without its input; None: it is not known.

        ``find`` brings the account's cards. Raises NotExecuted or OutcomeUnknown.
        """
        return await Inquiry(key, find, self._parts).outcome(seen)

    def promise(self, seen: Seen | None) -> Promise:
        """Until when a request with a key can safely be sent again."""
        return self._promises.of(seen)

    @property
    def is_kept(self) -> bool:
        """Whether what is known of keys outlives this process."""
        return self._store.is_complete

    def is_new(self, click: Click, seen: Seen) -> bool:
        """Whether it is certain that no earlier request with this key had an effect."""
        if seen.row is not None:
            return False
        return click.made_here or (self._store.is_complete and is_certain(click, seen))

    def _start(self, click: Click, actions: Actions[T], seen: Seen) -> _Call[T]:
        told: asyncio.Future[CallResult[T] | Replay] = asyncio.get_running_loop().create_future()
        told.add_done_callback(look_at)  # nobody may be left to see its error
        task = asyncio.create_task(self._bring(click, actions, seen, told))
        # A task that is cancelled before its first step runs nothing of itself.
        task.add_done_callback(lambda _: self._end(click.key, told))
        call = self._calls[click.key] = _Call(click.fingerprint, told, task)
        return call

    def _end(self, key: UUID, told: "asyncio.Future[CallResult[T] | Replay]") -> None:
        self._calls.pop(key, None)
        _tell(told, InternalError())  # where something cancelled the task

    async def _bring(
        self,
        click: Click,
        actions: Actions[T],
        seen: Seen,
        told: "asyncio.Future[CallResult[T] | Replay]",
    ) -> None:
        """The task of one click: its callers are told, and the store knows its outcome."""
        began = self._runtime.clock()
        try:
            result: object = await Resolution(click, actions, told, self._parts).outcome(seen)
        except Exception as error:
            result = self._known(error)
        _tell(told, result)
        took = self._runtime.clock() - began
        self._emit(ClickSettled(state=_state(result), resumed=seen.row is not None, duration=took))

    def _known(self, error: Exception) -> GatewayError:
        if isinstance(error, LedgerUnavailable):
            self._note(error.message)
        if isinstance(error, GatewayError):
            return error
        self._emit(UnexpectedError.of(error))  # once, however many wait for this call
        return InternalError()

    def _note(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            self._emit(LedgerChanged(problem=problem))

    def _check_room(self, click: Click, seen: Seen) -> None:
        """New clicks are refused until the oldest keys are over; one event a minute says so.

        Not those that must go out: few in number, as each is about a card and has a rate limit.
        """
        if seen.row is not None or not self._store.is_full or click.must_go_out:
            return
        now = self._runtime.clock()
        if now >= self._full_said + 60:
            self._full_said = now
            self._emit(LedgerFull(records=len(self._store)))
        raise full()

    async def _serve(self, *, is_open: bool) -> None:
        """Open the store where it is not, and delete rows that are over every hour."""
        while not is_open:
            await asyncio.sleep(_OPEN_EVERY)
            try:
                is_open = await self._opened()
            except ConfigError as error:
                self._note(error.message)
        while True:
            await asyncio.sleep(_PURGE_EVERY)
            await self.purge()

    async def purge(self) -> int:
        """Delete the rows that are over, where the clocks agree; how many."""
        deleted = 0
        try:
            while self._clocks_agree() and (some := await self._store.purge()):
                deleted += some
        except LedgerUnavailable as error:
            self._note(error.message)
        return deleted


def _tell(told: "asyncio.Future[Any]", result: object) -> None:
    if told.done():
        return
    if isinstance(result, Exception):
        told.set_exception(result)
    else:
        told.set_result(result)


def _ended(error: GatewayError) -> str:
    """What a request with a key is told by its error, as ``KeyAnswered`` names it."""
    match error:
        case IdempotencyConflict():
            return "conflict"
        case NotExecuted():
            return "not_executed"
        case OutcomeUnknown() | InternalError():
            return "indeterminate"
    return "not_sent"


def _state(result: object) -> str | None:
    """How the call ended, for the log; None: nothing was carried out, and its key is forgotten."""
    if not isinstance(result, Exception):
        return State.DONE.value
    if isinstance(result, NotExecuted):
        return State.NOT_EXECUTED.value
    unknown = isinstance(result, OutcomeUnknown | InternalError)
    return State.INDETERMINATE.value if unknown else None
