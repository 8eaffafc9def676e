"""Query and Mutation: thin resolvers over the loader and the provider client."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import UUID, uuid4

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.api import actions, failures
from gateway.api.context import Context
from gateway.api.failures import as_member
from gateway.api.inputs import parse_id, parse_key
from gateway.api.types import (
    SCALARS,
    Card,
    IssueVirtualCardInput,
    SimulateCardIssueInput,
    UUIDText,
)
from gateway.provider import provider_key

T = TypeVar("T")
Info: TypeAlias = strawberry.Info[Context, None]

_KEY = "The key of this request: send it again with the same input to repeat safely."
_REPLAYED = "True where this is known to be the answer of an earlier request with the same key."


@strawberry.type(description="A virtual card was asked for; it starts in status ISSUING.")
class IssueVirtualCardSuccess:
    """GraphQL type IssueVirtualCardSuccess."""

    card: Card = strawberry.field(description="The new card.")
    idempotency_key: UUIDText = strawberry.field(description=_KEY)
    replayed: bool = strawberry.field(description=_REPLAYED)


@strawberry.type(description="The simulator took the request; the card changes a moment later.")
class SimulateCardIssueSuccess:
    """GraphQL type SimulateCardIssueSuccess."""

    card_id: strawberry.Private[UUID]
    idempotency_key: UUIDText = strawberry.field(description=_KEY)
    replayed: bool = strawberry.field(description=_REPLAYED)

    @strawberry.field(description="The card, read afresh; it may still be ISSUING.")
    async def card(self, info: Info) -> Card | None:
        """Read the card through the loader; a failed read leaves the success standing."""
        return await _read_card(info, self.card_id)


IssueVirtualCardResult = Annotated[
    IssueVirtualCardSuccess
    | failures.InvalidInput
    | failures.NotFound
    | failures.NotAllowed
    | failures.Refused
    | failures.IdempotencyConflict
    | failures.ProviderUnavailable
    | failures.OutcomeUnknown,
    strawberry.union("IssueVirtualCardResult", description="What came of issuing a card."),
]
SimulateCardIssueResult = Annotated[
    SimulateCardIssueSuccess
    | failures.InvalidInput
    | failures.NotFound
    | failures.NotAllowed
    | failures.InvalidState
    | failures.SimulatorDisabled
    | failures.Refused
    | failures.IdempotencyConflict
    | failures.ProviderUnavailable
    | failures.OutcomeUnknown,
    strawberry.union("SimulateCardIssueResult", description="What came of the simulation."),
]


def _members(result: Any) -> tuple[type[failures.Error], ...]:
    return tuple(kind for kind in result.__origin__.__args__ if issubclass(kind, failures.Error))


_ISSUE_FAILURES = _members(IssueVirtualCardResult)
_SIMULATE_FAILURES = _members(SimulateCardIssueResult)


@strawberry.type(description="What can be read.")
class Query:
    """GraphQL type Query."""

    @strawberry.field(description="A card by its id; null when there is no such card.")
    async def card(
        self,
        info: Info,
        card_id: Annotated[
            strawberry.ID,
            strawberry.argument(name="id", description="The card's id, a UUID."),
        ],
    ) -> Card | None:
        """Read one card through the operation's loader."""
        return await _read_card(info, parse_id(card_id, "id"))


@strawberry.type(description="What can be done. Everything here is safe to repeat with its key.")
class Mutation:
    """GraphQL type Mutation."""

    @strawberry.mutation(description="Ask the provider for a new virtual card.")
    async def issue_virtual_card(
        self,
        info: Info,
        given: Annotated[
            IssueVirtualCardInput,
            strawberry.argument(name="input", description="What the card needs."),
        ],
    ) -> IssueVirtualCardResult:
        """Create a card under an idempotency key."""

        async def act(key: UUID, sent_key: UUID) -> IssueVirtualCardSuccess:
            issued = await actions.issue(info.context, given, sent_key)
            return IssueVirtualCardSuccess(
                card=Card.from_wire(issued.card),
                idempotency_key=UUIDText(str(key)),
                replayed=issued.replayed,
            )

        return await _modify(info, given.idempotency_key, _ISSUE_FAILURES, act)

    @strawberry.mutation(description="Let the provider's simulator issue a card (test only).")
    async def simulate_card_issue(
        self,
        info: Info,
        given: Annotated[
            SimulateCardIssueInput,
            strawberry.argument(name="input", description="Which card to issue."),
        ],
    ) -> SimulateCardIssueResult:
        """Ask the simulator to issue a card."""

        async def act(key: UUID, sent_key: UUID) -> SimulateCardIssueSuccess:
            card_id, replayed = await actions.simulate(info.context, given, sent_key)
            return SimulateCardIssueSuccess(
                card_id=card_id, idempotency_key=UUIDText(str(key)), replayed=replayed
            )

        return await _modify(info, given.idempotency_key, _SIMULATE_FAILURES, act)


async def _read_card(info: Info, card_id: UUID) -> Card | None:
    card = await actions.read_card(info.context, card_id)
    return Card.from_wire(card) if card else None


async def _modify(
    info: Info,
    given_key: str | None,
    members: tuple[type[failures.Error], ...],
    act: Callable[[UUID, UUID], Awaitable[T]],
) -> T | Any:
    """Run ``act`` under the client's key and the provider's; expected failures become data."""
    key = uuid4()
    try:
        key = parse_key(given_key, info.context.header_key, info.path.as_list())
        field = f"{info.path.typename}.{info.field_name}"
        return await act(key, provider_key(info.context.caller.id, field, key))
    except Exception as error:
        member = as_member(error, str(key), info.context.request_id, members)
        info.context.failures.append(member.code.name)
        return member


def build_schema() -> strawberry.Schema:
    """The GraphQL schema, ready to be executed."""
    return strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))


def schema_text() -> str:
    """The schema in SDL, sorted so that it is stable, with a line break at its end."""
    # Sorting copies the types, and Strawberry's unions then no longer know their members: a
    # sorted schema can be printed, not executed.
    config = StrawberryConfig(scalar_map=SCALARS, sort_schema=True)
    return strawberry.Schema(Query, Mutation, config=config).as_str() + "\n"
