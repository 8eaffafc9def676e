"""``node``: an object by its id, which is a card."""

from typing import Annotated

import strawberry

from gateway.cards.inputs import parse_id
from gateway.cards.operation import query
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card, Node
from gateway.provider import READ_CARD


@query(READ_CARD, scope="cards:read", rate="6000/minute")
async def node(
    call: QueryCall,
    node_id: Annotated[
        strawberry.ID, strawberry.argument(name="id", description="The object's id, a UUID.")
    ],
) -> Node | None:
    """An object by its id, for clients that read objects again; null when no card has this id."""
    found = await call.visible_card(parse_id(node_id, "id"))
    return Card.from_provider(found) if found else None
