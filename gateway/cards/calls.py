"""The one path from a field to the provider: permission, rate, deadline, ledger, coalesced reads.

What a caller may see is decided here, after the loader: whatever may one day share a provider call,
nobody shares a permission.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import eq
from typing import Any, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec

from gateway.cards.context import Context
from gateway.cards.history import Key, history_of
from gateway.cards.loaders import Loader, too_slow
from gateway.cards.outcomes import account_cards
from gateway.cards.transitions import Subject, Transition, explained, read_subject, state_of_target
from gateway.cards.types import UUIDText
from gateway.errors import (
    DeadlineExceeded,
    GatewayError,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from gateway.ledger import (
    VERSION,
    AccountCard,
    Actions,
    Ledger,
    Replay,
    Row,
    Seen,
    State,
    key_reused,
    newer_version,
    not_sent,
)
from gateway.provider import (
    READ_AUTHORISATION,
    Account,
    Address,
    Authorisation,
    Call,
    Card,
    Endpoint,
    Transaction,
)

T = TypeVar("T")
R = TypeVar("R")
Shown: TypeAlias = Authorisation | Card
S = TypeVar("S", Authorisation, Card)

READ = "card"  # the query whose rate limit also holds for a key that is sent again


class QueryCall:
    """What the function of a field may do for its caller.

    The caller's rate is counted once, before the provider is asked for anything. A field of an
    object that needs no call, because the operation has read the same before, costs nothing.
    """

    def __init__(self, context: Context, operation: str, *, is_nested: bool = False) -> None:
        self._context = context
        self._operation = operation
        self._is_nested = is_nested
        self._counted = False

    async def visible_card(self, card_id: UUID) -> Card | None:
        """The card, or None where there is none for this caller."""
        card = await self._read(self._context.loaders.cards, card_id)
        return card if card and self._may_see(card) else None

    async def visible_account(self, account_id: UUID) -> Account | None:
        """The account, or None where there is none for this caller."""
        if not self._context.caller.may_use(account_id):
            return None
        return await self._read(self._context.loaders.accounts, account_id)

    async def visible_cards(self, account_id: UUID) -> list[Card] | None:
        """The cards of an account, or None where there is no such account for this caller."""
        if not self._context.caller.may_use(account_id):
            return None
        cards = await self._read(self._context.loaders.cards_of, account_id)
        return None if cards is None else [card for card in cards if self._may_see(card)]

    async def visible_transactions(
        self, account_id: UUID, card_id: UUID
    ) -> list[Transaction] | None:
        """The transactions of a card of this account, as far as they are the caller's."""
        if not self._context.caller.may_use(account_id):
            return None
        found = await self._read(self._context.loaders.transactions_of, card_id)
        return None if found is None else [each for each in found if self._may_see(each)]

    async def visible_authorisation(self, authorisation_id: UUID) -> Authorisation | None:
        """The authorisation, or None where it, or its card, is none of this caller's."""
        found = await self._read(self._context.loaders.authorisations, authorisation_id)
        if found is None or not self._may_see(found):
            return None
        if found.card_id is None or self._context.caller.accounts is None:
            return found
        return found if await self.visible_card(found.card_id) else None

    def _may_see(self, shown: Authorisation | Card | Transaction) -> bool:
        return self._context.caller.may_use(shown.account_id)

    async def _read(self, loader: Loader[R], key: UUID) -> R:
        if not (self._is_nested and loader.knows(key)):
            await self._count()
        self._check_time()
        try:
            async with asyncio.timeout_at(self._context.deadline):
                return await loader.load(key)
        except TimeoutError:
            raise too_slow() from None

    async def _count(self) -> None:
        if not self._counted:
            self._counted = True
            await self._context.limits.count(self._context.caller.id, self._rate_limit())

    def _rate_limit(self) -> str:
        return self._operation

    def _check_account(self, account_id: UUID) -> None:
        if not self._context.caller.may_use(account_id):
            raise NotAllowed("You may not do this on this account.")

    def _check_time(self) -> None:
        # A call that starts would not be stopped by the time being over: it must not start.
        if asyncio.get_running_loop().time() >= self._context.deadline:
            raise too_slow()


class OutcomeCall(QueryCall):
    """What the function of ``issueOutcome`` may do: ask the ledger what became of a key."""

    def __init__(self, context: Context, operation: str, key: Key) -> None:
        super().__init__(context, operation)
        self.key = key

    async def outcome(self, body_of: Callable[[UUID, Address], Call[Card]]) -> Card | None:
        """The card of the key; None where the key is not known.

        ``body_of`` makes the call that has this account and address: a card whose address gives the
        fingerprint of the key confirms that it is the key's.
        """
        await self._count()
        self._check_time()
        ledger, key = self._context.ledger, self.key.provider
        seen = await ledger.look(key)
        if seen.row is None or seen.row.account is None:
            return None
        self._check_account(UUID(bytes=seen.row.account))
        find = partial(self._find, body_of)
        try:
            async with asyncio.timeout_at(self._context.deadline):
                found = await ledger.ask(key, find, seen)
        except TimeoutError:
            raise not_sent(ledger.promise(seen)) from None
        return _shown(await self.visible_card(found.card_id), "card") if found else None

    async def _find(
        self, body_of: Callable[[UUID, Address], Call[Card]], row: Row
    ) -> Sequence[AccountCard]:
        account, secret = UUID(bytes=row.account), self.key.client.bytes

        def confirms(address: Address | None) -> bool:
            if address is None:
                return False
            return body_of(account, address).fingerprint(secret) == row.fingerprint

        return await account_cards(self._context.provider, account, confirms)


class MutationCall(QueryCall, Generic[T]):
    """What the function of a mutation does: ``send`` its call.

    After that ``replayed`` says whether an earlier request with this key is known to have done it.
    """

    def __init__(self, context: Context, operation: str, endpoint: Endpoint[T], key: Key) -> None:
        super().__init__(context, operation)
        self._endpoint = endpoint
        self._key = key
        self._seen: Seen | None = None
        self._undo_until: float | None = None
        self.replayed = False

    async def version(self) -> int:
        """Of the rules by which an input becomes the bytes that its key is bound to.

        A key that has a row keeps those of its row, also where today's read the same input as
        another one: it would be told to use a new key, and make a second card. For the same reason
        no input is read, and none refused, where the rules of its row are not known here: raises
        OutcomeUnknown.
        """
        seen = await self._look()
        if seen.row is None:
            return VERSION
        if seen.row.version > VERSION:
            raise newer_version(self._context.ledger.promise(seen))
        return seen.row.version

    @property
    def may_be_undone_until(self) -> datetime | None:
        """Until when an earlier call may undo what was done; None where none can."""
        until = self._undo_until
        return None if until is None else datetime.fromtimestamp(until, UTC)

    async def _look(self) -> Seen:
        """What the ledger knew of the key when it was asked first."""
        if self._seen is None:
            self._seen = await self._context.ledger.look(self._key.provider)
        return self._seen

    @property
    def key(self) -> UUIDText:
        """The client's key, or the one that the gateway made."""
        return UUIDText(str(self._key.client))

    async def send(
        self,
        body: msgspec.Struct | None = None,
        *,
        address: Address | None = None,
        transition: Transition | None = None,
        **ids: UUID,
    ) -> T:
        """Send the call through the ledger; ``ids`` fill the path of its endpoint.

        An account or a card among them has to be one of the caller's: raises NotAllowed, or
        NotFound as if the card were not there. What became of a call that is too old to be sent
        again is found out by the ``address`` of the card that it makes, or by the ``transition`` of
        the card that it is about: one of them is needed.

        For a key whose call was carried out earlier the answer is its card, read afresh. The wait
        ends with the operation's deadline; the call itself goes on.
        """
        seen = await self._look()
        await self._check(ids)
        await self._count()
        self._check_time()
        call = self._endpoint.call(body=b"" if body is None else msgspec.json.encode(body), **ids)
        actions = self._actions(call, address, transition)
        try:
            async with asyncio.timeout_at(self._context.deadline):
                return await self._run(call, actions, seen, transition)
        except TimeoutError:
            raise await self._unfinished() from None
        except ProviderError as error:
            raise await self._explained(error, call, transition) from error.__cause__
        finally:  # also where nobody knows whether anything has changed
            self._context.loaders.forget_what_changed()

    async def _check(self, ids: Mapping[str, UUID]) -> None:
        """For callers of all accounts the provider decides whether there is such an object."""
        if "accountId" in ids:
            self._check_account(ids["accountId"])
        if self._context.caller.accounts is None:
            return
        if "cardId" in ids and not await self.visible_card(ids["cardId"]):
            raise NotFound("The provider knows no such card.")
        if "authorisationId" in ids and not await self.visible_authorisation(
            ids["authorisationId"]
        ):
            raise NotFound("The provider knows no such authorisation.")

    def _actions(
        self, call: Call[T], address: Address | None, transition: Transition | None
    ) -> Actions[T]:
        provider = self._context.provider
        send = partial(provider.modify, call)
        if address is not None:
            account, same = call.ids["accountId"], partial(eq, address)
            return Actions(send, cards=partial(account_cards, provider, account, same))
        if transition is None:
            raise TypeError("a call about a card names the transition that it is to bring about")
        return Actions(send, read=partial(state_of_target, provider, call, transition))

    async def _explained(
        self, error: GatewayError, call: Call[T], transition: Transition | None
    ) -> GatewayError:
        if transition is None:
            return error
        return await explained(error, call, transition, partial(self._now, call))

    async def _now(self, call: Call[T]) -> Subject | None:
        """What the call is about, read afresh; None where it cannot be read in time."""
        try:
            async with asyncio.timeout_at(self._context.deadline):
                return await read_subject(self._context.provider, call)
        except (GatewayError, TimeoutError):
            return None

    async def _run(
        self, call: Call[T], actions: Actions[T], seen: Seen, transition: Transition | None
    ) -> T:
        ledger: Ledger[T] = self._context.ledger
        click = self._key.click(self._operation, call, await self.version(), transition)
        result = await ledger.run(click, actions, seen)
        self._undo_until = result.undo_until
        if isinstance(result, Replay):
            self.replayed = True
            value = await self._stored(result.card_id)
            is_of_another = isinstance(value, Shown) and not call.may_have_made(value)
            if not result.is_bound and is_of_another:
                raise key_reused()
            return value
        self.replayed = result.replayed
        # The provider answers a key that it knows with what it answered first.
        may_be_old = call.target is not None and seen.row is not None
        if isinstance(result.value, Card) and (may_be_old or not result.value.is_dated):
            return await self._stored(result.card_id)
        return result.value

    async def _stored(self, an_id: UUID) -> T:
        """What the endpoint answers, for a call that was carried out: what it is of, or nothing."""
        provider, found = self._context.provider, cast(Any, None)
        if self._endpoint.reads is Card:
            found = _shown(await provider.card(an_id), "card")
        elif self._endpoint.reads is Authorisation:
            shown = await provider.read(READ_AUTHORISATION.call(authorisationId=an_id))
            found = _shown(shown, "authorisation")
        return cast(T, found)  # which is what the endpoint reads

    def _rate_limit(self) -> str:
        """The mutation's, and the reads' where the key is known.

        Whoever sends a click again must not be kept from its answer by the rate of new clicks.
        """
        known = self._seen is not None and self._seen.row is not None
        return READ if known else self._operation

    async def _unfinished(self) -> DeadlineExceeded | OutcomeUnknown:
        history = await history_of(self._key, self._context.ledger)
        row = history.seen.row if history.seen else None
        if row is not None and row.state == State.DONE:
            return too_slow()  # it was carried out earlier, and only its card was still to be read
        return OutcomeUnknown(
            "The operation took too long, and this part of it goes on without you. "
            "Send the same request again with this idempotencyKey to learn what came of it.",
            promise=history.promise,
        )


def _shown(found: S | None, what: str) -> S:
    """What a call has made is there, whatever the provider shows."""
    if found is None:
        raise ProviderUnavailable(f"The provider does not show the {what} yet.")
    return found
