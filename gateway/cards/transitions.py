"""What a call brings about in the status of the card, or of the authorisation, that it is about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.errors import GatewayError, InvalidState, OutcomeUnknown, ProviderUnavailable, Refused
from gateway.ledger import Course, Reached, TargetState
from gateway.provider import (
    Authorisation,
    AuthorisationStatus,
    Call,
    Card,
    CardStatus,
    ProviderClient,
)

Subject: TypeAlias = Authorisation | Card
Status: TypeAlias = AuthorisationStatus | CardStatus
_UNKNOWN = (AuthorisationStatus.UNKNOWN, CardStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Transition:
    """The subject of a call has one of the statuses ``ends`` once the call was carried out.

    From the ``begins`` the call is possible, or may become so; from all other ones never. The rest
    is what the ledger has to know of such a call (``ledger.Click``).
    """

    begins: frozenset[Status]
    ends: frozenset[Status] = frozenset()
    course: Course = Course.MONOTONE
    alone: bool = False
    stops: str | None = None
    must_go_out: bool = False

    def reached(self, status: Status) -> Reached:
        """How a subject in this status stands to the end of the transition."""
        if status in self.ends:
            return Reached.YES
        waiting = status in self.begins or status in _UNKNOWN
        return Reached.NOT_YET if waiting else Reached.NEVER


async def read_subject(provider: ProviderClient, call: Call[Any]) -> Subject | None:
    """The authorisation or the card of the call, read afresh; None where there is none.

    Raises ProviderError.
    """
    if authorisation_id := call.ids.get("authorisationId"):
        return await provider.authorisation(authorisation_id)
    return await provider.card(call.ids["cardId"])


async def state_of_target(
    provider: ProviderClient, call: Call[Any], transition: Transition
) -> TargetState:
    """How the subject of the call stands to the end of its transition; raises ProviderError."""
    subject = await read_subject(provider, call)
    if subject is None:
        raise ProviderUnavailable(f"The provider does not show the {call.endpoint.subject}.")
    assert subject.updated_at is not None  # noqa: S101 (what was read has its dates)
    shown = subject if isinstance(subject, Card) else None
    return TargetState(transition.reached(subject.status), subject.updated_at.timestamp(), shown)


async def explained(
    error: GatewayError,
    call: Call[Any],
    transition: Transition,
    look: Callable[[], Awaitable[Subject | None]],
) -> GatewayError:
    """The error of a call, with what its subject is now; ``look`` gives None where nobody knows.

    A status that does not permit a call is a 409, but for those of the simulator, whose documented
    refusals are 400 (provider page, section 7): there the status decides what was meant. Where
    nobody can find out what became of a call, the card as it is now is all that can be told.
    """
    if isinstance(error, InvalidState):
        return _invalid_state(await look(), error.message)
    if isinstance(error, Refused) and call.endpoint.is_simulator:
        subject = await look()
        if subject is not None and subject.status not in transition.begins:
            what = call.endpoint.subject
            return _invalid_state(subject, f"The state of this {what} does not permit that.")
    if isinstance(error, OutcomeUnknown) and not error.retryable and error.card is None:
        return _with_card(error, await look())
    return error


def _with_card(error: OutcomeUnknown, subject: Subject | None) -> OutcomeUnknown:
    told = error.worded(error.message)
    told.card = subject if isinstance(subject, Card) else None
    return told


def _invalid_state(subject: Subject | None, message: str) -> InvalidState:
    if isinstance(subject, Authorisation):
        return InvalidState(f"{message} It is {subject.status.name}.")
    return InvalidState(message, card_status=subject.status if subject else None)
