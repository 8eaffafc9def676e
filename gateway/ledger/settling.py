"""Settling: the outcome of a call is written, and written again until the store has taken it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from gateway.errors import GatewayError, LedgerUnavailable
from gateway.events import LedgerAlarm, Sink
from gateway.ledger.rows import Click, Row
from gateway.ledger.store import CardTaken, Store
from gateway.runtime import Runtime

T = TypeVar("T")
_LONGEST_WAIT = 5.0  # seconds between two tries


class Settler:
    """Writes what calls came to.

    A store that fails meanwhile loses nothing: while this process lives it tries again, and after
    that the row is still ``sending``, which is taken for indeterminate.
    """

    def __init__(self, store: Store, *, runtime: Runtime, emit: Sink) -> None:
        self._store = store
        self._runtime = runtime
        self._emit = emit

    async def done(
        self, click: Click, row: Row, card: UUID, *, unwritten: Callable[[], None] | None = None
    ) -> bool:
        """The call was carried out and speaks of ``card``; False where that is another key's.

        ``unwritten`` is called as soon as the store does not take it.
        """
        try:
            settled = await self._surely(lambda: self._store.done(click, row, card), unwritten)
        except CardTaken:
            self._emit(LedgerAlarm(what="card_of_another_key"))
            return False
        if settled is None:
            await self._compare(click, card)
        elif settled.row.uncertain and not row.uncertain:
            await self._doubt()
        elif settled.row.claim != row.claim:
            self._emit(LedgerAlarm(what="late_success"))
        return True

    async def open(
        self,
        click: Click,
        row: Row,
        *,
        in_flight: bool = False,
        lost: bool = False,
        bound: bool = True,
        unwritten: Callable[[], None] | None = None,
    ) -> None:
        """The call may have been carried out; ``lost``: so may one whose row was lost.

        Where the key is not ``bound``, another input may be the one that it was used with.
        ``unwritten`` is called as soon as the store does not take it.
        """
        settled = await self._surely(
            lambda: self._store.open(click, row, in_flight=in_flight, lost=lost, bound=bound),
            unwritten,
        )
        if settled is not None and settled.row.uncertain and not (row.uncertain or lost):
            await self._doubt()

    async def forget(self, click: Click, row: Row) -> bool | None:
        """The call was not carried out; False where the row is not ours alone.

        None: the store did not say. The row may be gone, so nothing must be written to it.
        """
        try:
            return await self._store.forget(click.key, row.claim)
        except LedgerUnavailable:
            return None

    async def abandon(self, click: Click, token: bytes) -> None:
        """A claim was asked for and its answer never came: if it is there, it goes."""
        if not await self._surely(lambda: self._store.forget(click.key, token)):
            await self._surely(lambda: self._store.release(click.key, token))

    async def release(self, click: Click, row: Row) -> bool:
        """Nobody asks under this claim any more; False where it was not ours any longer.

        Where it cannot be written, the row is free after its lease.
        """
        try:
            return await self._store.release(click.key, row.claim)
        except LedgerUnavailable:
            return True

    async def _compare(self, click: Click, card: UUID) -> None:
        """The row was settled by somebody else: with the same card, or something is wrong."""
        seen = await self._surely(lambda: self._store.look(click.key))
        if seen.row is None or seen.row.card_id != card:
            self._emit(LedgerAlarm(what="card_of_another_key"))

    async def _doubt(self) -> None:
        """A row that was written is not there: the store has lost it, and may have lost others."""
        if not self._store.is_complete:
            return
        self._emit(LedgerAlarm(what="lost_entries"))
        await self._surely(self._store.doubt)

    async def _surely(
        self, write: Callable[[], Awaitable[T]], unwritten: Callable[[], None] | None = None
    ) -> T:
        wait = 0.1
        while True:
            try:
                return await write()
            except GatewayError:
                if unwritten is not None:
                    unwritten()
                await self._runtime.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
