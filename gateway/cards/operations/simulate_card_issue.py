"""``simulateCardIssue``: let the provider's simulator issue a card."""

from types import NoneType

import strawberry

from gateway.cards.card_changes import CardChange
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.simulation import SIMULATION_FAILURES, SimulationInput, simulate
from gateway.errors import InvalidState
from gateway.provider import CardStatus, Endpoint

ISSUE = Endpoint("PATCH", "/simulator/cards/{cardId}/issue", 202, NoneType, conflict=InvalidState)


@strawberry.input(description="Which card to let the simulator issue.")
class SimulateCardIssueInput(SimulationInput):
    """GraphQL input SimulateCardIssueInput."""


@strawberry.type(description="The simulator took the request; the card changes a moment later.")
class SimulateCardIssueSuccess(CardChange):
    """GraphQL type SimulateCardIssueSuccess."""


@mutation(
    ISSUE,
    scope="cards:simulate",
    rate="60/minute",
    failures=SIMULATION_FAILURES,
    argument="Which card to issue.",
    result="What came of the simulation.",
)
async def simulate_card_issue(
    call: MutationCall[None], given: SimulateCardIssueInput
) -> SimulateCardIssueSuccess:
    """Let the provider's simulator issue a card (test only)."""
    return await simulate(call, given, CardStatus.ACTIVE, SimulateCardIssueSuccess)
