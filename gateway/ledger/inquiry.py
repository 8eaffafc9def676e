"""What became of a key, asked without its input: nothing is ever sent for the question."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias
from uuid import UUID

from gateway.ledger import refusals
from gateway.ledger.actions import AccountCard, Replay
from gateway.ledger.parts import Parts, Waits, settled
from gateway.ledger.reconciling import Reconciler
from gateway.ledger.rows import VERSION, Click, Row, Seen

# The virtual cards of a row's account; the row says which account, and what confirms a card.
FindCardsOf: TypeAlias = Callable[[Row], Awaitable[Sequence[AccountCard]]]


class Inquiry:
    """Asks for the outcome of one key of a call that makes a card."""

    def __init__(self, key: UUID, find: FindCardsOf, parts: Parts) -> None:
        self._key = key
        self._find = find
        self._parts = parts
        self._waits = Waits(parts.runtime)

    async def outcome(self, seen: Seen) -> Replay | None:
        """The card; None where the key is not known. Raises NotExecuted or OutcomeUnknown."""
        while seen.row is not None:
            if found := await self._of(seen.row, seen.now):
                return found
            seen = await self._parts.store.look(self._key)
        return None

    async def _of(self, row: Row, now: float) -> Replay | None:
        promise = self._parts.promises.of_row(row, now)
        if row.version > VERSION:
            raise refusals.newer_version(promise)
        if found := settled(row):
            return found
        if row.lease_until > now:
            await self._waits.wait(row.lease_until - now)
            return None
        if now - row.first_send < self._parts.store.windows.send:
            raise refusals.not_sent(promise)
        return await self._found_out(row)

    async def _found_out(self, row: Row) -> Replay | None:
        """As for a request that is too old to be sent."""
        account = UUID(bytes=row.account)
        click = Click(self._key, row.operation, row.fingerprint, account=account)
        reconciler = Reconciler(click, self._parts, cards=partial(self._find, row))
        found = await reconciler.find_out()
        return found if isinstance(found, Replay) else None
