"""What became of a call, as the provider shows it, and what ``issueOutcome`` tells of a key."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from gateway.cards.context import Context
from gateway.cards.history import Key
from gateway.cards.query_calls import QueryCall
from gateway.errors import ProviderUnavailable
from gateway.ledger import AccountCard, Row, not_sent
from gateway.provider import Address, Authorisation, Call, Card, ProviderClient

S = TypeVar("S", Authorisation, Card)


async def account_cards(
    provider: ProviderClient, account_id: UUID, confirms: Callable[[Address | None], bool]
) -> list[AccountCard]:
    """The account's virtual cards; its address ``confirms`` that a card is what was asked for.

    The address only confirms: the provider may write it in another way, or not show it.
    """
    return [
        AccountCard(card.id, card.created_at.timestamp(), confirms(card.billing_address), card)
        for card in await provider.cards_of(account_id)
        if card.may_be_virtual and card.created_at is not None  # which all cards of a list have
    ]


def shown(found: S | None, what: str) -> S:
    """What a call has made, which is there even where the provider does not show it yet.

    ``what`` names it in the message. Raises ProviderUnavailable.
    """
    if found is None:
        raise ProviderUnavailable(f"The provider does not show the {what} yet.")
    return found


class OutcomeCall(QueryCall):
    """What the function of ``issueOutcome`` may do: ask the ledger what became of a key."""

    def __init__(self, context: Context, operation: str, key: Key) -> None:
        super().__init__(context, operation)
        self.key = key

    async def outcome(self, call_of: Callable[[UUID, Address], Call[Card]]) -> Card | None:
        """The card of the key; None where the key is not known.

        ``call_of`` makes the call that has this account and address: a card whose address gives the
        fingerprint of the key confirms that it is the key's.
        """
        await self._count()
        self._check_time()
        ledger, key = self._context.ledger, self.key.provider
        seen = await ledger.look(key)
        if seen.row is None or seen.row.account is None:
            return None
        self._check_account(UUID(bytes=seen.row.account))
        find = partial(self._find, call_of)
        try:
            async with asyncio.timeout_at(self._context.deadline):
                found = await ledger.ask(key, find, seen)
        except TimeoutError:
            raise not_sent(ledger.promise(seen)) from None
        return shown(await self.visible_card(found.card_id), "card") if found else None

    async def _find(
        self, call_of: Callable[[UUID, Address], Call[Card]], row: Row
    ) -> Sequence[AccountCard]:
        account, secret = UUID(bytes=row.account), self.key.client.bytes

        def confirms(address: Address | None) -> bool:
            if address is None:
                return False
            return call_of(account, address).fingerprint(secret) == row.fingerprint

        return await account_cards(self._context.provider, account, confirms)
