"""``Card.transactions``: what was paid with a card."""

from uuid import UUID

from gateway.cards.operation import object_field
from gateway.cards.payments import Transaction
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card
from gateway.provider import LIST_TRANSACTIONS

_EXPECTED = 10  # of the cards in one list; a card that is in use for long has more


@object_field(
    LIST_TRANSACTIONS,
    name="transactions",
    scope="transactions:read",
    rate="6000/minute",
    expected_items=_EXPECTED,
)
async def card_transactions(call: QueryCall, parent: Card) -> list[Transaction] | None:
    """What was paid with the card, in the provider's order; null where there is no such card.

    The provider has no pages: the list is whole, or an error where it is too long to be read.
    """
    found = await call.visible_transactions(UUID(parent.account_id), UUID(parent.id))
    return None if found is None else [Transaction.from_provider(each) for each in found]
