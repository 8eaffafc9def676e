"""What calls of the simulator have in common: they are accepted first and carried out later."""

from typing import TypeVar
from uuid import UUID

import strawberry

from gateway.cards.calls import MutationCall
from gateway.cards.context import Info
from gateway.cards.inputs import parse_id
from gateway.cards.operations.card import card as card_operation
from gateway.cards.types import Card, UUIDText, key_input, key_output, replayed_output
from gateway.errors import InvalidState, NotFound, Refused, SimulatorDisabled
from gateway.provider import CardStatus

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


S = TypeVar("S", bound=SimulationSuccess)


async def simulate(
    call: MutationCall[None], given: SimulationInput, reached: CardStatus, success: type[S]
) -> S:
    """Send the call of a simulation; ``success`` is the GraphQL type of its own.

    The card has ``reached`` this status once the call was carried out.
    """
    card_id = parse_id(given.card_id, "input.cardId")
    await call.send(cardId=card_id, reached=reached)
    return success(card_id=card_id, idempotency_key=call.key, replayed=call.replayed)
