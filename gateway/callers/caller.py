"""The caller as a value: who asks, and what they may do."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from gateway.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``accounts`` are those whose cards they may see and issue.

    None means all scopes, and all accounts. ``id`` tells callers apart and is never logged;
    events and log lines have ``name``.
    """

    id: str
    name: str
    scopes: frozenset[str] | None
    accounts: frozenset[UUID] | None

    @classmethod
    def anyone(cls) -> Self:
        """Everybody, where callers are not told apart: all scopes, all accounts."""
        return cls("anyone", "anyone", None, None)

    def require(self, scope: str) -> None:
        """Raise NotAllowed unless the caller has this scope."""
        if self.scopes is not None and scope not in self.scopes:
            raise NotAllowed(f"Your access token does not have the scope {scope}.")

    def may_use(self, account_id: UUID) -> bool:
        """Whether the account is one of the caller's."""
        return self.accounts is None or account_id in self.accounts
