"""``simulateAuthorisationRelease``: let the provider's simulator release an authorisation."""

from types import NoneType

import strawberry

from gateway.cards.authorisation_changes import (
    AuthorisationChange,
    AuthorisationChangeInput,
    change_authorisation,
)
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.simulation import SIMULATION_FAILURES
from gateway.errors import InvalidState
from gateway.provider import AuthorisationStatus, Endpoint

RELEASE = Endpoint(
    "PATCH",
    "/simulator/authorisations/{authorisationId}/release",
    202,
    NoneType,
    subject="authorisation",
    conflict=InvalidState,
)
RELEASED = frozenset({AuthorisationStatus.RELEASING, AuthorisationStatus.RELEASED})


@strawberry.input(description="Which authorisation to release.")
class SimulateAuthorisationReleaseInput(AuthorisationChangeInput):
    """GraphQL input SimulateAuthorisationReleaseInput."""


@strawberry.type(
    description="The simulator took the request; the authorisation becomes RELEASED a moment later."
)
class SimulateAuthorisationReleaseSuccess(AuthorisationChange):
    """GraphQL type SimulateAuthorisationReleaseSuccess."""


@mutation(
    RELEASE,
    scope="cards:simulate",
    rate="60/minute",
    failures=SIMULATION_FAILURES,
    argument="Which authorisation to release.",
    result="What came of the release.",
)
async def simulate_authorisation_release(
    call: MutationCall[None], given: SimulateAuthorisationReleaseInput
) -> SimulateAuthorisationReleaseSuccess:
    """Let the provider's simulator release an authorisation: nothing is paid (test only)."""
    return await change_authorisation(call, given, RELEASED, SimulateAuthorisationReleaseSuccess)
