"""What became of a call, as the provider's cards show it: the ledger asks when it is too old."""

from collections.abc import Callable
from uuid import UUID

from gateway.errors import ProviderUnavailable
from gateway.ledger import AccountCard, Reached, Shown
from gateway.provider import Address, CardStatus, ProviderClient


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


async def has_reached(provider: ProviderClient, card_id: UUID, wanted: CardStatus) -> Shown:
    """How a card that was ISSUING stands to the status that it is to reach."""
    card = await provider.card(card_id)
    if card is None:
        raise ProviderUnavailable("The provider does not show the card.")
    assert card.updated_at is not None  # noqa: S101 (a card that was read has its dates)
    waiting = card.status in (CardStatus.ISSUING, CardStatus.UNKNOWN)
    reached = Reached.NOT_YET if waiting else Reached.NEVER
    reached = Reached.YES if card.status is wanted else reached
    return Shown(reached, card.updated_at.timestamp(), card)
