"""What captures and releases have in common: they end an authorisation that is pending."""

from typing import TypeVar
from uuid import UUID

import strawberry

from gateway.cards.inputs import parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.payments import Authorisation
from gateway.cards.transitions import Transition
from gateway.cards.types import UUIDText, key_input, key_output, replayed_output
from gateway.provider import AuthorisationStatus

PENDING = frozenset({AuthorisationStatus.PENDING})


@strawberry.input
class AuthorisationChangeInput:
    """The fields of the input of a capture or a release."""

    authorisation_id: strawberry.ID = strawberry.field(
        description="The authorisation, in status PENDING and made with `capture: false`."
    )
    idempotency_key: UUIDText | None = key_input()


@strawberry.type
class AuthorisationChange:
    """The fields of the success of a capture or a release."""

    call: strawberry.Private[MutationCall[None]]
    authorisation_id: strawberry.Private[UUID]
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()

    @strawberry.field(
        description="The authorisation, read afresh; it may still be PENDING. null where it cannot "
        "be read now."
    )
    async def authorisation(self) -> Authorisation | None:
        """Read the authorisation; a failed read leaves the success standing."""
        found = await self.call.visible_authorisation(self.authorisation_id)
        return Authorisation.from_provider(found) if found else None


S = TypeVar("S", bound=AuthorisationChange)


async def change_authorisation(
    call: MutationCall[None],
    given: AuthorisationChangeInput,
    ends: frozenset[AuthorisationStatus],
    success: type[S],
) -> S:
    """Send the capture or the release; ``success`` is the GraphQL type of its own.

    The authorisation has one of the statuses ``ends`` once the call was carried out.
    """
    authorisation_id = parse_id(given.authorisation_id, "input.authorisationId")
    await call.send(authorisationId=authorisation_id, transition=Transition(PENDING, ends))
    return success(
        call=call,
        authorisation_id=authorisation_id,
        idempotency_key=call.key,
        replayed=call.replayed,
    )
