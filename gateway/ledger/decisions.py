"""What an operator decides about a call whose outcome the gateway cannot find out by itself."""

from uuid import UUID

from gateway.errors import GatewayError
from gateway.ledger.dates import utc_text
from gateway.ledger.rows import Row, Seen, State
from gateway.ledger.store import CardTaken, Store

NO_ROW = "The ledger has no row for this key."
_CHANGED = "The row has changed meanwhile: look at it, and try again."


class Decisions:
    """Decides on the row ``key``, of a call that makes a card.

    All raise GatewayError, which says why nothing is written.
    """

    def __init__(self, store: Store, key: UUID) -> None:
        self._store = store
        self._key = key

    async def account(self) -> UUID:
        """The account in which the call may have made a card."""
        seen = await self._store.look(self._key)
        if reason := _no_decision(seen):
            raise GatewayError(reason)
        assert seen.row and seen.row.account  # noqa: S101, PT018 (else there is a reason)
        return UUID(bytes=seen.row.account)

    async def choose(self, card: UUID) -> Row:
        """The call made this card."""
        try:
            row = await self._store.choose(self._key.bytes, card)
        except CardTaken:
            raise GatewayError("Another row of the ledger has this card already.") from None
        if row is None:
            raise GatewayError(_no_decision(await self._store.look(self._key)) or _CHANGED)
        return row

    async def dismiss(self) -> Row:
        """The call was not carried out, and will not be."""
        row = await self._store.dismiss(self._key.bytes)
        if row is None:
            seen = await self._store.look(self._key)
            raise GatewayError(_no_decision(seen) or self._too_early(seen) or _CHANGED)
        return row

    def _too_early(self, seen: Seen) -> str | None:
        assert seen.row  # noqa: S101 (looked at before)
        believed = seen.row.first_send + self._store.windows.late_of(seen.row)
        if seen.now >= believed:
            return None
        return (
            "It is too early to say that the call was not carried out: its card may still come. "
            f"Try again after {utc_text(believed)}."
        )


def _no_decision(seen: Seen) -> str | None:
    """Why nothing can be decided about a row, if so."""
    row = seen.row
    if row is None:
        return NO_ROW
    if row.account is None:
        return f"The row is of {row.operation}, which makes no card: it needs no decision."
    if row.state not in (State.SENDING, State.INDETERMINATE):
        return f"The row is resolved already: its state is {row.state}."
    if row.lease_until > seen.now:
        return (
            "A gateway is sending the call, or finding out what came of it. "
            f"Try again after {utc_text(row.lease_until)}."
        )
    return None
