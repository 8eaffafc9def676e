"""``simulateAuthorisationCapture``: let the provider's simulator capture an authorisation."""

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

CAPTURE = Endpoint(
    "PATCH",
    "/simulator/authorisations/{authorisationId}/capture",
    202,
    NoneType,
    subject="authorisation",
    conflict=InvalidState,
)
CAPTURED = frozenset({AuthorisationStatus.CAPTURING, AuthorisationStatus.CAPTURED})


@strawberry.input(description="Which authorisation to capture.")
class SimulateAuthorisationCaptureInput(AuthorisationChangeInput):
    """GraphQL input SimulateAuthorisationCaptureInput."""


@strawberry.type(
    description="The simulator took the request; the authorisation becomes CAPTURED a moment "
    "later, and its transaction appears."
)
class SimulateAuthorisationCaptureSuccess(AuthorisationChange):
    """GraphQL type SimulateAuthorisationCaptureSuccess."""


@mutation(
    CAPTURE,
    scope="cards:simulate",
    rate="60/minute",
    failures=SIMULATION_FAILURES,
    argument="Which authorisation to capture.",
    result="What came of the capture.",
)
async def simulate_authorisation_capture(
    call: MutationCall[None], given: SimulateAuthorisationCaptureInput
) -> SimulateAuthorisationCaptureSuccess:
    """Let the provider's simulator capture an authorisation: the amount is paid (test only)."""
    return await change_authorisation(call, given, CAPTURED, SimulateAuthorisationCaptureSuccess)
