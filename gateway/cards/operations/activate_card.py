"""``activateCard``: switch a card on again that was switched off."""

import strawberry

from gateway.cards.card_changes import CHANGE_FAILURES
from gateway.cards.inputs import parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.transitions import Transition
from gateway.cards.types import Card, UUIDText, key_input, key_output, replayed_output
from gateway.errors import InvalidState
from gateway.ledger import Course
from gateway.provider import Card as ProviderCard
from gateway.provider import CardStatus, Endpoint

ACTIVATE = Endpoint("PATCH", "/cards/{cardId}/activate", 200, ProviderCard, conflict=InvalidState)
ACTIVATION = Transition(
    frozenset({CardStatus.INACTIVE}),
    frozenset({CardStatus.ACTIVE}),
    Course.REVERSIBLE,
    alone=True,
)


@strawberry.input(description="Which card to switch on.")
class ActivateCardInput:
    """GraphQL input ActivateCardInput."""

    card_id: strawberry.ID = strawberry.field(description="The card, in status INACTIVE.")
    idempotency_key: UUIDText | None = key_input()


@strawberry.type(description="The card was switched on.")
class ActivateCardSuccess:
    """GraphQL type ActivateCardSuccess."""

    card: Card = strawberry.field(
        description="The card as it is now; in a replay its status may have changed since."
    )
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()


@mutation(
    ACTIVATE,
    scope="cards:manage",
    rate="60/minute",
    failures=CHANGE_FAILURES,
    argument="Which card to activate.",
    result="What came of switching a card on.",
)
async def activate_card(
    call: MutationCall[ProviderCard], given: ActivateCardInput
) -> ActivateCardSuccess:
    """Switch a card on again that is INACTIVE; a new card becomes ACTIVE by itself."""
    card_id = parse_id(given.card_id, "input.cardId")
    card = await call.send(cardId=card_id, transition=ACTIVATION)
    return ActivateCardSuccess(
        card=Card.from_provider(card), idempotency_key=call.key, replayed=call.replayed
    )
