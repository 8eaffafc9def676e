"""Query and Mutation: thin resolvers over the loader and the provider client."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import UUID, uuid4

import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.cards import actions, failures
from gateway.cards.context import Context
from gateway.cards.failures import as_member
from gateway.cards.history import Key
from gateway.cards.inputs import parse_id, parse_key
from gateway.cards.types import (
    SCALARS,
    Card,
    IssueVirtualCardInput,
    SimulateCardIssueInput,
    UUIDText,
)
from gateway.ledger import provider_key

T = TypeVar("T")
Info: TypeAlias = strawberry.Info[Context, None]

_KEY = "The key of this request: send it again with the same input to repeat safely."
_ISSUED = "The card of this key was issued; it cannot be read now."
_SIMULATED = "The simulation of this key was accepted; its card cannot be read now."
_REPLAYED = "True where an earlier request with the same key is known to have done this."


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

        async def act(key: Key) -> IssueVirtualCardSuccess:
            issued = await actions.issue(info.context, given, key.provider)
            return IssueVirtualCardSuccess(
                card=Card.from_wire(issued.card),
                idempotency_key=UUIDText(str(key.client)),
                replayed=issued.replayed,
            )

        return await _modify(info, given.idempotency_key, _ISSUE_FAILURES, _ISSUED, act)

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

        async def act(key: Key) -> SimulateCardIssueSuccess:
            card_id, replayed = await actions.simulate(info.context, given, key.provider)
            return SimulateCardIssueSuccess(
                card_id=card_id, idempotency_key=UUIDText(str(key.client)), replayed=replayed
            )

        return await _modify(info, given.idempotency_key, _SIMULATE_FAILURES, _SIMULATED, act)


async def _read_card(info: Info, card_id: UUID) -> Card | None:
    card = await actions.read_card(info.context, card_id)
    return Card.from_wire(card) if card else None


async def _modify(
    info: Info,
    given_key: str | None,
    members: tuple[type[failures.Error], ...],
    done: str,
    act: Callable[[Key], Awaitable[T]],
) -> T | Any:
    """Run ``act`` under the field's key; expected failures become data.

    ``done`` is the sentence for a key whose call was carried out, and whose card is not there.
    """
    context, key = info.context, None
    try:
        key = _key(info, given_key, done)
        return await act(key)
    except Exception as error:
        member = as_member(context, error, key, members)
        context.failures.append(member.code.name)
        return member


def _key(info: Info, given: str | None, done: str) -> Key:
    """The client's key and the provider's; a new one where the client sent none."""
    context, path = info.context, info.path.as_list()
    chosen = parse_key(given, context.header_key, path, required=context.key_required)
    client = chosen or uuid4()
    field = f"{info.path.typename}.{info.field_name}"
    return Key(client, provider_key(context.caller.id, field, client), chosen is None, done)


@cache
def build_schema() -> strawberry.Schema:
    """The GraphQL schema, ready to be executed; it never changes, and is built once."""
    return strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))


def schema_text() -> str:
    """The schema in SDL, sorted so that it is stable, with a line break at its end."""
    # Sorting copies the types, and Strawberry's unions then no longer know their members: a
    # sorted schema can be printed, not executed.
    config = StrawberryConfig(scalar_map=SCALARS, sort_schema=True)
    return strawberry.Schema(Query, Mutation, config=config).as_str() + "\n"
