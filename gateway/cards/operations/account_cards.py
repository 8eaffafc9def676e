"""``Account.cards``: the cards of an account."""

from uuid import UUID

from gateway.cards.accounts import Account
from gateway.cards.lists import EXPECTED_CARDS, Statuses, with_status
from gateway.cards.operation import object_field
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card
from gateway.provider import LIST_CARDS


@object_field(
    LIST_CARDS,
    name="cards",
    scope="cards:read",
    rate="6000/minute",
    expected_items=EXPECTED_CARDS,
)
async def account_cards(
    call: QueryCall, parent: Account, status: Statuses = None
) -> list[Card] | None:
    """The account's cards, in the provider's order; null where the provider knows no such account.

    The provider has no pages: the list is whole, or an error where it is too long to be read.
    """
    return with_status(await call.visible_cards(UUID(parent.id)), status)
