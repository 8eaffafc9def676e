"""What became of a call, as the provider's cards show it: the ledger asks when it is too old."""

from collections.abc import Callable
from uuid import UUID

from gateway.ledger import AccountCard
from gateway.provider import Address, ProviderClient


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
