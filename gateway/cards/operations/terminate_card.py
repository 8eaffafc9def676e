"""``terminateCard``: end a card for good."""

from types import NoneType

import strawberry

from gateway.cards.card_changes import CHANGE_FAILURES, CardChange
from gateway.cards.inputs import parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.transitions import Transition
from gateway.cards.types import UUIDText, key_input
from gateway.errors import InvalidState
from gateway.provider import CardStatus, Endpoint

TERMINATE = Endpoint("DELETE", "/cards/{cardId}", 204, NoneType, conflict=InvalidState)
TERMINATION = Transition(
    frozenset({CardStatus.ISSUING, CardStatus.ACTIVE, CardStatus.INACTIVE, CardStatus.SUSPENDED}),
    frozenset({CardStatus.TERMINATED}),
    must_go_out=True,
)


@strawberry.input(description="Which card to terminate, which nobody can undo.")
class TerminateCardInput:
    """GraphQL input TerminateCardInput."""

    card_id: strawberry.ID = strawberry.field(description="The card to terminate.")
    idempotency_key: UUIDText | None = key_input()


@strawberry.type(description="The card is TERMINATED; nobody can undo that.")
class TerminateCardSuccess(CardChange):
    """GraphQL type TerminateCardSuccess."""


@mutation(
    TERMINATE,
    scope="cards:manage",
    rate="60/minute",
    failures=CHANGE_FAILURES,
    argument="Which card to terminate.",
    result="What came of terminating a card.",
)
async def terminate_card(
    call: MutationCall[None], given: TerminateCardInput
) -> TerminateCardSuccess:
    """End a card for good: irreversible.

    Authorisations that are PENDING can still be captured for up to 30 days. To stop a card for a
    while, deactivate it.
    """
    card_id = parse_id(given.card_id, "input.cardId")
    await call.send(cardId=card_id, transition=TERMINATION)
    return TerminateCardSuccess(card_id=card_id, idempotency_key=call.key, replayed=call.replayed)
