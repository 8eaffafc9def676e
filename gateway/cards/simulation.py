"""What calls of the simulator have in common: they are accepted first and carried out later."""

from typing import TypeAlias
from uuid import UUID

import strawberry

from gateway.cards.context import Context
from gateway.cards.operations.card import card as card_operation
from gateway.cards.types import Card, UUIDText, key_input, key_output, replayed_output
from gateway.errors import InvalidState, NotFound, Refused, SimulatorDisabled

Info: TypeAlias = strawberry.Info[Context, None]

SIMULATION_FAILURES = (NotFound, InvalidState, SimulatorDisabled, Refused)


@strawberry.input
class SimulationInput:
    """The fields of the input of a simulator call."""

    card_id: strawberry.ID = strawberry.field(description="The card, in status ISSUING.")
    idempotency_key: UUIDText | None = key_input()


@strawberry.type
class SimulationSuccess:
    """The fields of the success of a simulator call."""

    card_id: strawberry.Private[UUID]
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()

    @strawberry.field(description="The card, read afresh; it may still be ISSUING.")
    async def card(self, info: Info) -> Card | None:
        """Read the card through the loader; a failed read leaves the success standing."""
        found = await card_operation.query_call(info.context).visible_card(self.card_id)
        return Card.from_provider(found) if found else None
