"""``card``: a card by its id."""

from typing import Annotated

import strawberry

from gateway.cards.inputs import parse_id
from gateway.cards.operation import query
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card
from gateway.provider import READ_CARD


@query(READ_CARD, scope="cards:read", rate="6000/minute")
async def card(
    call: QueryCall,
    card_id: Annotated[
        strawberry.ID, strawberry.argument(name="id", description="The card's id, a UUID.")
    ],
) -> Card | None:
    """A card by its id; null when there is no such card."""
    found = await call.visible_card(parse_id(card_id, "id"))
    return Card.from_provider(found) if found else None
