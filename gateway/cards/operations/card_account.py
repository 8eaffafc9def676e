"""``Card.account``: the account that a card belongs to."""

from uuid import UUID

from gateway.cards.accounts import Account
from gateway.cards.operation import object_field
from gateway.cards.query_calls import QueryCall
from gateway.cards.types import Card
from gateway.provider import READ_ACCOUNT


@object_field(READ_ACCOUNT, name="account", scope="cards:read", rate="6000/minute")
async def card_account(call: QueryCall, parent: Card) -> Account | None:
    """The account that it belongs to; null where the provider knows no such account."""
    found = await call.visible_account(UUID(parent.account_id))
    return Account.from_provider(found) if found else None
