"""``simulateCardIssueFailure``: let the provider's simulator fail to issue a card."""

from types import NoneType

import strawberry

from gateway.cards.card_changes import CardChange
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.simulation import SIMULATION_FAILURES, SimulationInput, simulate
from gateway.errors import InvalidState
from gateway.provider import CardStatus, Endpoint

FAIL = Endpoint("PATCH", "/simulator/cards/{cardId}/fail", 202, NoneType, conflict=InvalidState)


@strawberry.input(description="Which card the simulator fails to issue.")
class SimulateCardIssueFailureInput(SimulationInput):
    """GraphQL input SimulateCardIssueFailureInput."""


@strawberry.type(
    description="The simulator took the request; the card becomes ISSUE_FAILED a moment later."
)
class SimulateCardIssueFailureSuccess(CardChange):
    """GraphQL type SimulateCardIssueFailureSuccess."""


@mutation(
    FAIL,
    scope="cards:simulate",
    rate="60/minute",
    failures=SIMULATION_FAILURES,
    argument="Which card not to issue.",
    result="What came of the simulation.",
)
async def simulate_card_issue_failure(
    call: MutationCall[None], given: SimulateCardIssueFailureInput
) -> SimulateCardIssueFailureSuccess:
    """Let the provider's simulator fail to issue a card (test only)."""
    return await simulate(call, given, CardStatus.ISSUE_FAILED, SimulateCardIssueFailureSuccess)
