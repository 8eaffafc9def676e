"""From a click to its outcome: what follows from the row of its key (the table of the protocol).

    no row                         → take the claim, send
    a lease that runs              → wait, look again
    unresolved, younger than W     → take over: the same key and bytes once more
    unresolved, older              → never sent: found out from the provider (reconciling)
    done                           → its card, read afresh
    not executed                   → NotExecuted
    stopped by a later call        → never sent again: its card is told

W is the send window. Every step is one statement that holds only if the row is still as it was
seen; where it is not, the key is looked up again.
"""

import asyncio
import math
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar

from gateway.errors import GatewayError, InternalError, LedgerUnavailable, OutcomeUnknown
from gateway.events import IssueLimitHit, KeyClaimed, UnexpectedError
from gateway.ledger import refusals
from gateway.ledger.actions import Actions, CallResult, Replay
from gateway.ledger.claims import SIGNATURE_LIFE, Claim, Moment
from gateway.ledger.parts import Parts, Waits, check_input, settled
from gateway.ledger.promises import is_certain, is_younger
from gateway.ledger.reconciling import Reconciler
from gateway.ledger.rows import Click, Row, Seen, State, new_token
from gateway.ledger.sql import ROW_LIFE
from gateway.ledger.store import Claimed
from gateway.ledger.windows import CLOCK_TOLERANCE

T = TypeVar("T")
_LIST_IS_GOOD_FOR = 60.0  # seconds; a card may have come since


class Resolution(Generic[T]):
    """Brings one click to its outcome, and ``told`` to what its callers are told.

    They are told before it is written wherever nothing can follow from a write that fails: that
    nobody knows. "Had no effect" is told only when the row is gone. A card is told when it is
    written that it is this key's and no other's, and that another input may be the key's when the
    row says so: that input may come at once. Both are told, too, when the store does not take it.
    """

    def __init__(
        self,
        click: Click,
        actions: Actions[T],
        told: "asyncio.Future[CallResult[T] | Replay]",
        parts: Parts,
    ) -> None:
        self._click = click
        self._actions = actions
        self._told = told
        self._store = parts.store
        self._settler = parts.settler
        self._promises = parts.promises
        self._runtime = parts.runtime
        self._emit = parts.emit
        self._waits = Waits(parts.runtime)
        self._asked = Moment.now(parts.runtime)
        self._sent_beside: float | None = None
        self._reconciler = Reconciler(click, parts, cards=actions.cards, read=actions.read)

    async def outcome(self, seen: Seen) -> CallResult[T] | Replay:
        """Go on from what was seen until there is an outcome; raises what the caller is told."""
        while True:
            self._check_clocks(seen)
            if seen.row is None:
                found = await self._begin(seen)
            else:
                found = await self._continue(seen.row, seen.now)
            if found is not None:
                return found
            seen = await self._store.look(self._click.key)

    def _check_clocks(self, seen: Seen) -> None:
        """The age of a key must not depend on whose clock it is read from."""
        row = seen.row
        if row is not None and row.state in (State.DONE, State.NOT_EXECUTED):
            return
        if self._store.is_complete and abs(seen.now - self._runtime.now()) > CLOCK_TOLERANCE:
            raise refusals.clocks_apart()

    async def _begin(self, seen: Seen) -> CallResult[T] | Replay | None:
        """The key has no row: it is new, or it is older than what the store knows."""
        click = self._click
        age = seen.now - click.time if click.time is not None else 0.0
        if age < 0 and not click.must_go_out:  # a stolen card waits for no clock of a client
            await self._wait_for_its_time(-age, seen)
            return None
        if age >= ROW_LIFE:
            raise refusals.too_old()
        if age >= self._store.windows.send:
            state = State.NOT_EXECUTED if self._was_never_sent(seen) else State.INDETERMINATE
            # What was not sent binds a key only if nothing of it was sent before.
            bound = state is State.NOT_EXECUTED
            await self._claim(None, latest=seen.now - age, mark=True, state=state, bound=bound)
            return None
        if is_certain(click, seen):
            return await self._send(await self._claim(None, latest=seen.now - age))
        return await self._begin_uncertain(seen, latest=seen.now - age)

    def _was_never_sent(self, seen: Seen) -> bool:
        """Whether a key that comes too late to be sent for the first time had no effect.

        A key from before the store may have been sent by gateways with another one. Of a call
        about a card nothing is said: its card shows what became of it.
        """
        makes_a_card = self._click.account is not None
        return makes_a_card and self._store.is_complete and is_younger(self._click, seen)

    async def _wait_for_its_time(self, ahead: float, seen: Seen) -> None:
        """The key's clock is ahead of the store's: a little is normal.

        More is refused for good where a card would be made: a request with this key that is still
        under way would else be sent once its time has come, beside one with the key's successor.
        """
        if ahead <= CLOCK_TOLERANCE:
            await self._runtime.sleep(ahead)
            return
        if not is_certain(self._click, seen):
            raise refusals.not_sent(self._promises.of(seen))
        makes_a_card = self._click.account is not None
        if not makes_a_card or await self._claim(None, mark=True, state=State.NOT_EXECUTED):
            raise refusals.from_the_future()

    async def _begin_uncertain(self, seen: Seen, *, latest: float) -> CallResult[T] | Replay | None:
        """A row of this key may have been lost: the account's cards say whether it has its card."""
        if self._actions.cards is None:
            return await self._begin_although_lost(latest)
        began = self._runtime.clock()
        unknown = await self._reconciler.unknown_cards(seen)
        if self._runtime.clock() - began > _LIST_IS_GOOD_FOR:
            return None
        windows = self._store.windows
        lost: dict[str, Any] = {"mark": True, "uncertain": True, "bound": False}
        if unknown:
            await self._reconciler.check_others()
            lost["state"] = State.INDETERMINATE
            await self._claim(None, latest=seen.now - windows.key_life, **lost)
            raise refusals.lost(unknown)
        latest = min(latest, seen.now - windows.grace)
        return await self._send(await self._claim(None, latest=latest, **lost))

    async def _begin_although_lost(self, latest: float) -> CallResult[T] | Replay | None:
        """Of a call about a card nobody can tell whether it was sent before."""
        if not self._click.must_go_out:
            raise refusals.may_be_lost()
        return await self._send(await self._claim(None, latest=latest, mark=True, uncertain=True))

    async def _continue(self, row: Row, now: float) -> CallResult[T] | Replay | None:
        """The key is known."""
        check_input(row, self._click, self._promises.of_row(row, now))
        if found := settled(row):
            return replace(found, undo_until=await self._undo_until(beside=False))
        if row.state == State.STOPPED:
            raise await self._reconciler.stopped(row)
        if row.lease_until > now:
            await self._waits.wait(row.lease_until - now)  # another process sends
            return None
        if row.first_send > now + CLOCK_TOLERANCE:
            raise refusals.not_sent(self._promises.of_row(row, now))  # the clock was set back
        if now - row.first_send < self._store.windows.send:
            return await self._take_over(row, now)
        self._asked = Moment.now(self._runtime)
        ended = await self._reconciler.find_out()
        if not isinstance(ended, Claimed):
            return ended
        self._emit(KeyClaimed(how="resent"))
        return await self._send(ended)

    async def _take_over(self, row: Row, now: float) -> CallResult[T] | None:
        """Send the call again, where the provider still knows the key."""
        if row.is_unbound and self._actions.cards is not None:
            began = self._runtime.clock()
            await self._reconciler.check_memory(row, now)
            if self._runtime.clock() - began > _LIST_IS_GOOD_FOR:
                return None
        return await self._send(await self._claim(row))

    async def _claim(self, known: Row | None, **how: Any) -> Claimed | None:
        """Take the claim; one whose answer never came must not block the key for a lease."""
        token = new_token()
        self._asked = Moment.now(self._runtime)
        try:
            claimed = await self._store.claim(self._click, token, known=known, **how)
        except LedgerUnavailable as error:
            self._told.set_exception(error)
            await self._settler.abandon(self._click, token)
            raise
        if claimed is None and known is None:
            await self._check_account()
        if claimed is not None and claimed.row.state == State.SENDING:
            self._emit(KeyClaimed(how="new" if known is None else "taken_over"))
        return claimed

    async def _check_account(self) -> None:
        """Raise RateLimited where a new key was not taken because of the limit of its account."""
        if self._store.account_limit is None:
            return
        wait = await self._store.wait_for_room(self._click)
        if wait and (await self._store.look(self._click.key)).row is None:
            self._emit(IssueLimitHit(retry_after=wait))
            raise refusals.account_limit(self._store.account_limit, wait)

    async def _send(self, claimed: Claimed | None) -> CallResult[T] | None:
        """Carry the call out under the claim, and write what came of it."""
        if claimed is None:
            return None
        row = claimed.row
        await self._prepare(row)
        try:
            result = await self._actions.send(self._claim_of(claimed))
        except GatewayError as error:
            raise await self._failed(row, error) from error.__cause__
        except Exception as error:
            self._emit(UnexpectedError.of(error))
            self._told.set_exception(InternalError())
            await self._settler.open(self._click, row)
            raise InternalError from error
        result = replace(result, undo_until=await self._undo_until())
        if await self._settler.done(
            self._click, row, result.card_id, unwritten=lambda: self._tell(result)
        ):
            self._tell(result)
            return result
        raise await self._left_open(row, refusals.card_of_another_key())

    async def _prepare(self, row: Row) -> None:
        """What has to be so in the store before the call may leave, once its row is there.

        Whoever claims first sees the others: of two calls at once none is begun, or one of them.
        """
        click = self._click
        try:
            if click.stops:
                self._sent_beside = await self._store.stop(click)
            is_new = not row.indeterminate
            has_rival = click.alone and is_new and await self._store.has_rival(click)
        except LedgerUnavailable as error:
            self._told.set_exception(error)
            await self._settler.abandon(click, row.claim)
            raise
        if has_rival:
            await self._settler.abandon(click, row.claim)
            raise refusals.not_alone()

    async def _undo_until(self, *, beside: bool = True) -> float | None:
        """Until when what this call has stopped may undo it; the worst where nobody can say.

        What is answered while this call is under way may have been carried out after it: that it
        is not under way any more does not show that the card is as this call has left it. And what
        was begun beside this call is stopped, too: else it could be sent long after it.
        """
        if not self._click.stops:
            return None
        look = self._store.stop if beside else self._store.undo_until
        try:
            return await look(self._click) or self._sent_beside
        except LedgerUnavailable:
            return self._runtime.now() + SIGNATURE_LIFE + CLOCK_TOLERANCE

    def _tell(self, result: CallResult[T]) -> None:
        if not self._told.done():
            self._told.set_result(result)

    def _claim_of(self, claimed: Claimed) -> Claim:
        most_skew = CLOCK_TOLERANCE if self._store.is_complete else math.inf
        key_life = self._store.windows.key_life
        claim = self._asked.claim(claimed.row, claimed.now, most_skew=most_skew, key_life=key_life)
        if self._click.alone:
            return replace(claim, may_send=partial(self._may_send, claimed.row))
        return claim

    async def _may_send(self, row: Row) -> bool:
        try:
            return await self._store.is_sending(row)
        except LedgerUnavailable:
            return False

    async def _failed(self, row: Row, error: GatewayError) -> GatewayError:
        """What is told of a call that failed; a refusal only where nothing else can have left."""
        if isinstance(error, OutcomeUnknown):
            return await self._left_open(row, error)
        is_gone = False if row.indeterminate else await self._settler.forget(self._click, row)
        if is_gone:
            return await self._with_warning(error)
        if is_gone is False and self._click.alone:
            seen = await self._store.look(self._click.key)
            if seen.row is not None and seen.row.state == State.STOPPED:
                return await self._reconciler.stopped(seen.row)
        told = refusals.unknown(in_flight=False, key_known=False)
        return await (self._left_open(row, told) if is_gone is False else self._given_up(row, told))

    async def _with_warning(self, error: GatewayError) -> GatewayError:
        """A refusal of what stops other calls: its card may not be as it seems for long."""
        until = None if error.retryable else await self._undo_until()
        return error if until is None else refusals.may_be_undone(error, until)

    async def _given_up(self, row: Row, told: OutcomeUnknown) -> GatewayError:
        """The refusal is certain, and only what the store has made of it is not."""
        told.promise = self._promises.of_row(row._replace(lease_until=0.0))
        self._told.set_exception(told)
        await self._settler.abandon(self._click, row.claim)
        return told

    async def _left_open(self, row: Row, error: OutcomeUnknown) -> GatewayError:
        told = error.worded(error.message)
        known = row._replace(lease_until=0.0, uncertain=row.uncertain or int(error.key_known))
        told.promise = self._promises.of_row(known)
        if error.is_bound:
            self._tell_error(told)
        await self._settler.open(
            self._click,
            row,
            in_flight=error.in_flight,
            lost=error.key_known,
            bound=error.is_bound,
            unwritten=lambda: self._tell_error(told),
        )
        self._tell_error(told)
        return told

    def _tell_error(self, error: GatewayError) -> None:
        if not self._told.done():
            self._told.set_exception(error)
