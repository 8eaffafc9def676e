"""What calls of the simulator have in common: they are accepted first and carried out later."""

from typing import TypeVar

import strawberry

from gateway.cards.card_changes import CHANGE_FAILURES, CardChange
from gateway.cards.inputs import parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.transitions import Transition
from gateway.cards.types import UUIDText, key_input
from gateway.errors import SimulatorDisabled
from gateway.provider import CardStatus

SIMULATION_FAILURES = (*CHANGE_FAILURES, SimulatorDisabled)


@strawberry.input
class SimulationInput:
    """The fields of the input of a simulator call."""

    card_id: strawberry.ID = strawberry.field(description="The card, in status ISSUING.")
    idempotency_key: UUIDText | None = key_input()


S = TypeVar("S", bound=CardChange)


async def simulate(
    call: MutationCall[None], given: SimulationInput, ends: CardStatus, success: type[S]
) -> S:
    """Send the call of a simulation; ``success`` is the GraphQL type of its own.

    The status of the card ``ends`` as this one once the call was carried out.
    """
    card_id = parse_id(given.card_id, "input.cardId")
    transition = Transition(frozenset({CardStatus.ISSUING}), frozenset({ends}))
    await call.send(cardId=card_id, transition=transition)
    return success(card_id=card_id, idempotency_key=call.key, replayed=call.replayed)
