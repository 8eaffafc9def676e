"""What lives for one operation: its loaders, and what resolvers may reach."""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import strawberry
from aiodataloader import DataLoader

from gateway.callers import Caller, RateLimits
from gateway.errors import DeadlineExceeded, ProviderUnavailable
from gateway.events import Sink
from gateway.ledger import Ledger
from gateway.provider import Card, ProviderClient
from gateway.runtime import look_at


class CardLoader:
    """Loads cards for one operation: each id once, all at once within a bound.

    The provider has no batch endpoint, so this saves repeated calls and waiting in turn; distinct
    ids remain one call each.
    """

    def __init__(self, provider: ProviderClient, *, most_at_once: int) -> None:
        self.deadline = math.inf  # of the event loop's clock: no read starts after it
        self._provider = provider
        self._concurrency = asyncio.Semaphore(most_at_once)
        self._loader: DataLoader[UUID, Card | None] = DataLoader(self._load_all)

    async def load(self, card_id: UUID) -> Card | None:
        """The card, or None when the provider knows no such card; raises ProviderError."""
        # All branches that want this card share one future. graphql-core cancels the branches
        # beside a failed one: awaiting the future itself would cancel the others' future too.
        future = self._loader.load(card_id)
        future.add_done_callback(look_at)
        await asyncio.wait([future])
        return future.result()

    def clear(self, card_id: UUID) -> None:
        """Forget a card that may have changed."""
        self._loader.clear(card_id)

    async def _load_all(self, ids: list[UUID]) -> list[Any]:
        if len(ids) == 1:  # by far the most: no task of its own
            return [await self._load_result(ids[0])]
        return await asyncio.gather(*map(self._load_result, ids))

    async def _load_result(self, card_id: UUID) -> Card | Exception | None:
        try:
            return await self._load_one(card_id)
        except asyncio.CancelledError:
            # A cancellation that escaped from a batch function would leave its waiters hanging.
            return ProviderUnavailable("The gateway is shutting down; try again in a moment.")
        except Exception as error:
            return error

    async def _load_one(self, card_id: UUID) -> Card | None:
        async with self._concurrency:
            if asyncio.get_running_loop().time() >= self.deadline:
                raise too_slow()
            return await self._provider.card(card_id)


def too_slow() -> DeadlineExceeded:
    """The operation's time is over, and this part of it was not begun."""
    return DeadlineExceeded("The operation took too long; ask for less in one document.")


DOCUMENTS = "documents"  # what new and refused documents are counted under, as operations are
DOCUMENTS_RATE = "600/minute"


@dataclass(slots=True)
class Context:
    """Handed to every resolver of one operation."""

    provider: ProviderClient
    ledger: Ledger[Any]
    cards: CardLoader
    request_id: str
    simulator_allowed: bool
    caller: Caller
    limits: RateLimits
    emit: Sink
    header_key: str | None = None  # the HTTP request's Idempotency-Key
    key_required: bool = False  # whether a mutation without a key is refused
    deadline: float = math.inf  # of the event loop's clock, once the operation is known
    failures: list[str] = field(default_factory=list)  # codes of failures that were told as data

    def must_end_at(self, deadline: float) -> None:
        """Set when the operation has to be over."""
        self.deadline = self.cards.deadline = deadline

    @property
    def caller_id(self) -> str:
        """Who asks."""
        return self.caller.id

    async def count_document(self) -> None:
        """Count a document that is new or refused; raises RateLimited."""
        await self.limits.count(self.caller.id, DOCUMENTS)


Info: TypeAlias = strawberry.Info[Context, None]
