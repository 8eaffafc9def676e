"""``cards``: the cards of an account."""

from typing import Annotated

import strawberry

from gateway.cards.inputs import parse_id
from gateway.cards.lists import EXPECTED_CARDS, Statuses, with_status
from gateway.cards.operation import query
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card
from gateway.provider import LIST_CARDS


@query(LIST_CARDS, scope="cards:read", rate="6000/minute", expected_items=EXPECTED_CARDS)
async def cards(
    call: QueryCall,
    account_id: Annotated[
        strawberry.ID, strawberry.argument(description="The account's id, a UUID.")
    ],
    status: Statuses = None,
) -> list[Card] | None:
    """The cards of an account, in the provider's order; null when there is no such account.

    The provider has no pages: the list is whole, or an error where it is too long to be read.
    """
    found = await call.visible_cards(parse_id(account_id, "accountId"))
    return with_status(found, status)
