"""What mutations of an existing card have in common: their failures, and the card read afresh."""

from uuid import UUID

import strawberry

from gateway.cards.context import Info
from gateway.cards.operations.card import card as card_operation
from gateway.cards.types import Card, UUIDText, key_output, replayed_output
from gateway.errors import InvalidState, NotFound, Refused

CHANGE_FAILURES = (NotFound, InvalidState, Refused)
"""What a change of a card or an authorisation can end with, beside ``MUTATION_FAILURES``."""


@strawberry.type
class CardChange:
    """The fields of the success of a mutation that the provider answers without the card."""

    card_id: strawberry.Private[UUID]
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()

    @strawberry.field(
        description="The card, read afresh; null where it cannot be read now. A call of the "
        "simulator may not show in its status yet."
    )
    async def card(self, info: Info) -> Card | None:
        """Read the card through the loader; a failed read leaves the success standing."""
        found = await card_operation.query_call(info.context).visible_card(self.card_id)
        return Card.from_provider(found) if found else None
