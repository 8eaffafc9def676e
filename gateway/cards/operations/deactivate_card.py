"""``deactivateCard``: switch a card off until it is activated again."""

from datetime import datetime

import strawberry

from gateway.cards.card_changes import CHANGE_FAILURES
from gateway.cards.inputs import parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.operations.activate_card import activate_card
from gateway.cards.transitions import Transition
from gateway.cards.types import Card, UUIDText, key_input, key_output, replayed_output
from gateway.errors import InvalidState
from gateway.ledger import Course
from gateway.provider import Card as ProviderCard
from gateway.provider import CardStatus, Endpoint

DEACTIVATE = Endpoint(
    "PATCH", "/cards/{cardId}/deactivate", 200, ProviderCard, conflict=InvalidState
)
DEACTIVATION = Transition(
    frozenset({CardStatus.ACTIVE}),
    frozenset({CardStatus.INACTIVE}),
    Course.REVERSIBLE,
    stops=activate_card.name,
    must_go_out=True,
)


@strawberry.input(description="Which card to switch off.")
class DeactivateCardInput:
    """GraphQL input DeactivateCardInput."""

    card_id: strawberry.ID = strawberry.field(description="The card, in status ACTIVE.")
    idempotency_key: UUIDText | None = key_input()


@strawberry.type(description="The card was switched off.")
class DeactivateCardSuccess:
    """GraphQL type DeactivateCardSuccess."""

    card: Card = strawberry.field(
        description="The card as it is now; in a replay its status may have changed since."
    )
    may_be_undone_until: datetime | None = strawberry.field(
        description="Until then an earlier activation of this card may still reach the provider "
        "and switch the card on again: read the card after that. null where none can."
    )
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()


@mutation(
    DEACTIVATE,
    scope="cards:manage",
    rate="60/minute",
    failures=CHANGE_FAILURES,
    argument="Which card to deactivate.",
    result="What came of switching a card off.",
)
async def deactivate_card(
    call: MutationCall[ProviderCard], given: DeactivateCardInput
) -> DeactivateCardSuccess:
    """Switch a card off, as when it was lost, until it is activated again."""
    card_id = parse_id(given.card_id, "input.cardId")
    card = await call.send(cardId=card_id, transition=DEACTIVATION)
    return DeactivateCardSuccess(
        card=Card.from_provider(card),
        may_be_undone_until=call.may_be_undone_until,
        idempotency_key=call.key,
        replayed=call.replayed,
    )
