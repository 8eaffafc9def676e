"""``account``: an account by its id."""

from typing import Annotated

import strawberry

from gateway.cards.accounts import Account
from gateway.cards.inputs import parse_id
from gateway.cards.operation import query
from gateway.cards.query_calls import QueryCall
from gateway.provider import READ_ACCOUNT


@query(READ_ACCOUNT, scope="cards:read", rate="6000/minute")
async def account(
    call: QueryCall,
    account_id: Annotated[
        strawberry.ID, strawberry.argument(name="id", description="The account's id, a UUID.")
    ],
) -> Account | None:
    """An account by its id; null when there is no such account."""
    found = await call.visible_account(parse_id(account_id, "id"))
    return Account.from_provider(found) if found else None
