"""``simulateCardAuthorisation``: let the provider's simulator spend with a card."""

import strawberry

from gateway.cards.amounts import parse_amount, parse_currency
from gateway.cards.inputs import parse_id
from gateway.cards.money import CurrencyCode, DecimalText
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.payments import Authorisation
from gateway.cards.simulation import SIMULATION_FAILURES
from gateway.cards.transitions import Transition
from gateway.cards.types import UUIDText, key_input, key_output, replayed_output
from gateway.ledger import Course
from gateway.provider import Authorisation as ProviderAuthorisation
from gateway.provider import CardStatus, Endpoint, NewAuthorisation

AUTHORISE = Endpoint("POST", "/simulator/cards/{cardId}/authorisation", 201, ProviderAuthorisation)
AUTHORISATION = Transition(frozenset({CardStatus.ACTIVE}), course=Course.UNLISTED)


@strawberry.input(description="Which amount to pay, with which card.")
class SimulateCardAuthorisationInput:
    """GraphQL input SimulateCardAuthorisationInput."""

    card_id: strawberry.ID = strawberry.field(description="The card, in status ACTIVE.")
    amount: DecimalText = strawberry.field(
        description="How much: above 0, with at most as many decimal places as the currency has. "
        "Zeros at the end of its fraction make no difference."
    )
    currency: CurrencyCode = strawberry.field(description="The currency of the amount.")
    capture: bool = strawberry.field(
        default=True,
        description="Whether it is captured by itself a moment later. Where it is not, "
        "`simulateAuthorisationCapture` or `simulateAuthorisationRelease` ends it.",
    )
    idempotency_key: UUIDText | None = key_input()


@strawberry.type(description="The amount is set aside.")
class SimulateCardAuthorisationSuccess:
    """GraphQL type SimulateCardAuthorisationSuccess."""

    authorisation: Authorisation = strawberry.field(
        description="The authorisation: as it was made, or read afresh where it is a replay."
    )
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()


@mutation(
    AUTHORISE,
    scope="cards:simulate",
    rate="60/minute",
    failures=SIMULATION_FAILURES,
    argument="Which amount to pay, with which card.",
    result="What came of the authorisation.",
)
async def simulate_card_authorisation(
    call: MutationCall[ProviderAuthorisation], given: SimulateCardAuthorisationInput
) -> SimulateCardAuthorisationSuccess:
    """Let the provider's simulator pay with a card: an amount is set aside (test only)."""
    card_id = parse_id(given.card_id, "input.cardId")
    currency = parse_currency(given.currency, "input.currency")
    amount = parse_amount(given.amount, currency, "input.amount")
    body = NewAuthorisation(amount=amount, currency=currency, capture=given.capture)
    made = await call.send(body, cardId=card_id, transition=AUTHORISATION)
    return SimulateCardAuthorisationSuccess(
        authorisation=Authorisation.from_provider(made),
        idempotency_key=call.key,
        replayed=call.replayed,
    )
