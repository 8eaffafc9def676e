"""What one operation of a document has read: each object once, all within one bound of calls."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from gateway.errors import DeadlineExceeded, ProviderUnavailable
from gateway.provider import (
    LIST_CARDS,
    LIST_TRANSACTIONS,
    READ_ACCOUNT,
    Account,
    Authorisation,
    Card,
    ProviderClient,
    Transaction,
)
from gateway.runtime import look_at

T = TypeVar("T")


class Bound:
    """How many reads of an operation run at once, and until when one may start."""

    def __init__(self, most_at_once: int) -> None:
        self.deadline = math.inf  # of the event loop's clock: no read starts after it
        self._concurrency = asyncio.Semaphore(most_at_once)

    async def run(self, read: Callable[[], Awaitable[T]]) -> T:
        """What reading gives; raises DeadlineExceeded where it could not be begun in time."""
        async with self._concurrency:
            if asyncio.get_running_loop().time() >= self.deadline:
                raise too_slow()
            return await read()


class Loader(Generic[T]):
    """Loads objects of one kind by id for one operation: each id once.

    The provider has no batch endpoint, so this saves repeated calls and waiting in turn; distinct
    ids remain one call each.
    """

    def __init__(self, read: Callable[[UUID], Awaitable[T]], bound: Bound) -> None:
        self._read = read
        self._bound = bound
        self._loader: DataLoader[UUID, T] = DataLoader(self._load_all)
        self._asked = set[UUID]()
        self._primed: dict[UUID, T] = {}

    async def load(self, key: UUID) -> T:
        """What the provider shows under this id; raises ProviderError."""
        if key in self._primed:
            return self._primed[key]
        # All branches that want this object share one future. graphql-core cancels the branches
        # beside a failed one: awaiting the future itself would cancel the others' future too.
        self._asked.add(key)
        future = self._loader.load(key)
        future.add_done_callback(look_at)
        await asyncio.wait([future])
        return future.result()

    def knows(self, key: UUID) -> bool:
        """Whether this was asked for before, so that it costs no other call."""
        return key in self._asked or key in self._primed

    def prime(self, key: UUID, value: T) -> None:
        """Take an object that was read in another way for what ``load`` is to bring."""
        if key not in self._asked:
            self._primed[key] = value

    async def _load_all(self, keys: list[UUID]) -> list[Any]:
        if len(keys) == 1:  # by far the most: no task of its own
            return [await self._load_result(keys[0])]
        return await asyncio.gather(*map(self._load_result, keys))

    async def _load_result(self, key: UUID) -> T | Exception:
        try:
            return await self._bound.run(lambda: self._read(key))
        except asyncio.CancelledError:
            # A cancellation that escaped from a batch function would leave its waiters hanging.
            return ProviderUnavailable("The gateway is shutting down; try again in a moment.")
        except Exception as error:
            return error


class Loaders:
    """The loaders of one operation; each is made when it is used first.

    All give None for what the provider does not know.
    """

    def __init__(self, provider: ProviderClient, *, most_at_once: int) -> None:
        self._provider = provider
        self._bound = Bound(most_at_once)

    def must_end_at(self, deadline: float) -> None:
        """Start no read later than that, by the event loop's clock."""
        self._bound.deadline = deadline

    @cached_property
    def cards(self) -> Loader[Card | None]:
        """Cards by their ids."""
        return Loader(self._provider.card, self._bound)

    @cached_property
    def accounts(self) -> Loader[Account | None]:
        """Accounts by their ids."""
        read = self._provider.read
        return Loader(lambda key: read(READ_ACCOUNT.call(accountId=key)), self._bound)

    @cached_property
    def authorisations(self) -> Loader[Authorisation | None]:
        """Authorisations by their ids."""
        return Loader(self._provider.authorisation, self._bound)

    @cached_property
    def cards_of(self) -> Loader[Sequence[Card] | None]:
        """The cards of accounts; each of them is a card by its id, too."""
        return Loader(self._list_cards, self._bound)

    @cached_property
    def transactions_of(self) -> Loader[Sequence[Transaction] | None]:
        """The transactions of cards."""
        read = self._provider.read
        return Loader(lambda key: read(LIST_TRANSACTIONS.call(cardId=key)), self._bound)

    def forget_what_changed(self) -> None:
        """After a mutation nothing that was read before it is shown again."""
        for name, value in [*vars(self).items()]:
            if isinstance(value, Loader):
                delattr(self, name)  # the property makes another one

    async def _list_cards(self, account_id: UUID) -> Sequence[Card] | None:
        by_id = self.cards  # as long as this list is read: a mutation may begin another one
        cards = await self._provider.read(LIST_CARDS.call(accountId=account_id))
        for card in cards or ():
            by_id.prime(card.id, card)
        return cards


def too_slow() -> DeadlineExceeded:
    """The operation's time is over, and this part of it was not begun."""
    return DeadlineExceeded("The operation took too long; ask for less in one document.")
