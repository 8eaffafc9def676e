"""``issueOutcome``: what became of a click, by its idempotency key alone."""

from uuid import UUID

import msgspec

from gateway.cards.operation import outcome_query
from gateway.cards.operations.issue_virtual_card import (
    CREATE_CARD,
    IssueVirtualCardSuccess,
    issue_virtual_card,
)
from gateway.cards.outcomes import OutcomeCall
from gateway.cards.types import Card, UUIDText
from gateway.provider import LIST_CARDS, Address, Call, NewCard
from gateway.provider import Card as ProviderCard


def _create_call(account_id: UUID, address: Address) -> Call[ProviderCard]:
    body = msgspec.json.encode(NewCard(billing_address=address))
    return CREATE_CARD.call(body=body, accountId=account_id)


@outcome_query(LIST_CARDS, issue_virtual_card, scope="cards:issue", rate="600/minute")
async def issue_outcome(call: OutcomeCall) -> IssueVirtualCardSuccess | None:
    """What became of an issueVirtualCard that was sent with this key; nothing is sent for it.

    null: no record of the key here, which does not mean that a new key is safe. Keep the key for
    the next try.
    """
    card = await call.outcome(_create_call)
    if card is None:
        return None
    key = UUIDText(str(call.key.client))
    return IssueVirtualCardSuccess(
        card=Card.from_provider(card), idempotency_key=key, replayed=True
    )
