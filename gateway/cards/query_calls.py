"""What the function of a field may read: permission, rate limit and deadline, then the loaders.

What a caller may see is decided here, after the loader: whatever may one day share a provider call,
nobody shares a permission.
"""

import asyncio
from typing import TypeVar
from uuid import UUID

from gateway.cards.context import Context
from gateway.cards.loaders import Loader, too_slow
from gateway.errors import NotAllowed
from gateway.provider import Account, Authorisation, Card, Transaction

R = TypeVar("R")


class QueryCall:
    """What the function of a field may do for its caller.

    The caller's rate is counted once, before the provider is asked for anything. A field of an
    object that needs no call, because the operation has read the same before, costs nothing. All
    reads raise RateLimited, DeadlineExceeded, or the ProviderError of the read.
    """

    def __init__(self, context: Context, operation: str, *, is_nested: bool = False) -> None:
        self._context = context
        self._operation = operation
        self._is_nested = is_nested
        self._counted = False

    async def visible_card(self, card_id: UUID) -> Card | None:
        """The card, or None where there is none for this caller."""
        card = await self._read(self._context.loaders.cards, card_id)
        return card if card and self._may_see(card) else None

    async def visible_account(self, account_id: UUID) -> Account | None:
        """The account, or None where there is none for this caller."""
        if not self._context.caller.may_use(account_id):
            return None
        return await self._read(self._context.loaders.accounts, account_id)

    async def visible_cards(self, account_id: UUID) -> list[Card] | None:
        """The cards of an account, or None where there is no such account for this caller."""
        if not self._context.caller.may_use(account_id):
            return None
        cards = await self._read(self._context.loaders.cards_of, account_id)
        return None if cards is None else [card for card in cards if self._may_see(card)]

    async def visible_transactions(
        self, account_id: UUID, card_id: UUID
    ) -> list[Transaction] | None:
        """The transactions of a card of this account, as far as they are the caller's."""
        if not self._context.caller.may_use(account_id):
            return None
        found = await self._read(self._context.loaders.transactions_of, card_id)
        return None if found is None else [each for each in found if self._may_see(each)]

    async def visible_authorisation(self, authorisation_id: UUID) -> Authorisation | None:
        """The authorisation, or None where it, or its card, is none of this caller's."""
        found = await self._read(self._context.loaders.authorisations, authorisation_id)
        if found is None or not self._may_see(found):
            return None
        if found.card_id is None or self._context.caller.accounts is None:
            return found
        return found if await self.visible_card(found.card_id) else None

    def _may_see(self, shown: Authorisation | Card | Transaction) -> bool:
        return self._context.caller.may_use(shown.account_id)

    async def _read(self, loader: Loader[R], key: UUID) -> R:
        if not (self._is_nested and loader.knows(key)):
            await self._count()
        self._check_time()
        try:
            async with asyncio.timeout_at(self._context.deadline):
                return await loader.load(key)
        except TimeoutError:
            raise too_slow() from None

    async def _count(self) -> None:
        if not self._counted:
            self._counted = True
            await self._context.limits.count(self._context.caller.id, self._rate_limit())

    def _rate_limit(self) -> str:
        return self._operation

    def _check_account(self, account_id: UUID) -> None:
        if not self._context.caller.may_use(account_id):
            raise NotAllowed("You may not do this on this account.")

    def _check_time(self) -> None:
        # A call that starts would not be stopped by the time being over: it must not start.
        if asyncio.get_running_loop().time() >= self._context.deadline:
            raise too_slow()
