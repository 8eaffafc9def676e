"""What lives for one operation, and what resolvers may reach."""

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import strawberry

from gateway.audit import Trail
from gateway.callers import Caller, RateLimits
from gateway.cards.loaders import Loaders
from gateway.cards.switch import Switch
from gateway.events import Sink
from gateway.ledger import Ledger
from gateway.provider import ProviderClient

DOCUMENTS = "documents"  # what new and refused documents are counted under, as operations are
DOCUMENTS_RATE = "600/minute"


@dataclass(slots=True)
class Context:
    """Handed to every resolver of one operation."""

    provider: ProviderClient
    ledger: Ledger[Any]
    loaders: Loaders
    request_id: str
    simulator_allowed: bool
    caller: Caller
    limits: RateLimits
    audit: Trail
    switch: Switch
    emit: Sink
    header_key: str | None = None  # the HTTP request's Idempotency-Key
    key_required: bool = False  # whether a mutation without a key is refused
    deadline: float = math.inf  # of the event loop's clock, once the operation is known
    failures: list[str] = field(default_factory=list)  # codes of failures that were told as data

    def must_end_at(self, deadline: float) -> None:
        """Set when the operation has to be over."""
        self.deadline = deadline
        self.loaders.must_end_at(deadline)

    @property
    def caller_id(self) -> str:
        """Who asks."""
        return self.caller.id

    async def count_document(self) -> None:
        """Count a document that is new or refused; raises RateLimited."""
        await self.limits.count(self.caller.id, DOCUMENTS)


Info: TypeAlias = strawberry.Info[Context, None]
