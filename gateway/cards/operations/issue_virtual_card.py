"""``issueVirtualCard``: a new virtual card on one of the caller's accounts."""

import strawberry

from gateway.cards.inputs import parse_address, parse_id
from gateway.cards.mutation_calls import MutationCall
from gateway.cards.operation import mutation
from gateway.cards.types import (
    AddressInput,
    Card,
    UUIDText,
    key_input,
    key_output,
    replayed_output,
)
from gateway.errors import NotExecuted, NotFound, Refused
from gateway.provider import Card as ProviderCard
from gateway.provider import Endpoint, NewCard

CREATE_CARD = Endpoint("POST", "/accounts/{accountId}/cards", 201, ProviderCard, subject="account")


@strawberry.input(description="What a new virtual card needs.")
class IssueVirtualCardInput:
    """GraphQL input IssueVirtualCardInput."""

    account_id: strawberry.ID = strawberry.field(description="The account that the card is for.")
    billing_address: AddressInput = strawberry.field(description="The cardholder's address.")
    idempotency_key: UUIDText | None = key_input()


@strawberry.type(description="A virtual card was asked for; it starts in status ISSUING.")
class IssueVirtualCardSuccess:
    """GraphQL type IssueVirtualCardSuccess."""

    card: Card = strawberry.field(description="The new card.")
    idempotency_key: UUIDText = key_output()
    replayed: bool = replayed_output()


@mutation(
    CREATE_CARD,
    scope="cards:issue",
    rate="60/minute",
    failures=(NotFound, Refused, NotExecuted),
    argument="What the card needs.",
    result="What came of issuing a card.",
)
async def issue_virtual_card(
    call: MutationCall[ProviderCard], given: IssueVirtualCardInput
) -> IssueVirtualCardSuccess:
    """Ask the provider for a new virtual card."""
    account_id = parse_id(given.account_id, "input.accountId")
    version = await call.version()
    address = parse_address(given.billing_address, "input.billingAddress", version)
    card = await call.send(NewCard(billing_address=address), address=address, accountId=account_id)
    return IssueVirtualCardSuccess(
        card=Card.from_provider(card), idempotency_key=call.key, replayed=call.replayed
    )
