"""What became of a call, as the provider's cards show it: the ledger asks when it is too old."""

from collections.abc import Mapping
from uuid import UUID

from gateway.errors import ProviderUnavailable
from gateway.ledger import AccountCard, Reached
from gateway.provider import Address, CardStatus, CardType, ProviderClient


async def account_cards(
    provider: ProviderClient, ids: Mapping[str, UUID], address: Address
) -> list[AccountCard]:
    """The account's virtual cards; one with this ``address`` confirms that it was asked for.

    Cards of a kind that we do not know may be virtual ones. The address only confirms: the
    provider may write it in another way, or not show it.
    """
    return [
        AccountCard(card.id, card.created_at.timestamp(), card.billing_address == address, card)
        for card in await provider.cards_of(ids["accountId"])
        if card.type is not CardType.PHYSICAL
    ]


async def has_reached(provider: ProviderClient, card_id: UUID, wanted: CardStatus) -> Reached:
    """How a card that was ISSUING stands to the status that it is to reach."""
    card = await provider.card(card_id)
    if card is None:
        raise ProviderUnavailable("The provider does not show the card.")
    if card.status is wanted:
        return Reached.YES
    waiting = card.status in (CardStatus.ISSUING, CardStatus.UNKNOWN)
    return Reached.NOT_YET if waiting else Reached.NEVER
