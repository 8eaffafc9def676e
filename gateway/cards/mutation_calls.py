"""The one path of all mutations: permission, rate limit, deadline, ledger, call of the provider."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from operator import eq
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec

from gateway.audit import AuditedCall
from gateway.cards.context import Context
from gateway.cards.history import Key, history_of
from gateway.cards.loaders import too_slow
from gateway.cards.outcomes import account_cards, shown
from gateway.cards.query_calls import QueryCall
from gateway.cards.transitions import Subject, Transition, explained, read_subject, state_of_target
from gateway.cards.types import UUIDText
from gateway.errors import (
    DeadlineExceeded,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderProtocolError,
)
from gateway.ledger import (
    VERSION,
    Actions,
    CallResult,
    Ledger,
    Replay,
    Seen,
    State,
    key_reused,
    newer_version,
)
from gateway.provider import Address, Authorisation, Call, Card, Endpoint

T = TypeVar("T")

_KINDS: dict[Any, str] = {Card: "card", Authorisation: "authorisation"}
READ = "card"  # the query whose rate limit also holds for a key that is sent again


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

        For a key whose call was carried out earlier the answer is its card or authorisation, read
        afresh. The wait ends with the operation's deadline, and the call itself goes on: raises
        OutcomeUnknown, or DeadlineExceeded where only the answer of an earlier call was missing.
        What the provider refuses is a ProviderError; InvalidState has the card's status.
        """
        seen = await self._look()
        await self._check(ids)
        self._context.switch.check(
            self._operation,
            is_known=seen.row is not None,
            must_go_out=transition is not None and transition.must_go_out,
        )
        await self._count()
        self._check_time()
        call = self._endpoint.call(body=b"" if body is None else msgspec.json.encode(body), **ids)
        actions = self._actions(call, address, transition)
        try:
            async with asyncio.timeout_at(self._context.deadline):
                return self._own(await self._run(call, actions, seen, transition))
        except TimeoutError:
            raise await self._unfinished() from None
        except ProviderError as error:
            raise await self._explained(error, call, transition) from error.__cause__
        finally:  # also where nobody knows whether anything has changed
            self._context.loaders.forget_what_changed()

    def _own(self, value: T) -> T:
        """What was answered; raises ProviderProtocolError where the caller may not see it.

        An authorisation may come without its card, and so be anybody's.
        """
        if isinstance(value, Subject) and not self._may_see(value):
            raise ProviderProtocolError("The provider answered with what is another account's.")
        return value

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
        run = partial(ledger.run, click, actions, seen)
        audited = self._context.audit.audited(self._audited(call), run, partial(_found, call))
        result: CallResult[T] | Replay = await audited
        self._undo_until = result.undo_until
        if isinstance(result, Replay):
            self.replayed = True
            return await self._replayed_value(call, result)
        self.replayed = result.replayed
        # The provider answers a key that it knows with what it answered first.
        may_be_old = call.target is not None and seen.row is not None
        if isinstance(result.value, Card) and (may_be_old or not result.value.is_dated):
            return await self._read_afresh(result.card_id)
        return result.value

    def _audited(self, call: Call[T]) -> AuditedCall:
        """What the audit trail is told before anything is sent."""
        return AuditedCall(
            caller=self._context.caller.id,
            operation=self._operation,
            account=call.ids.get("accountId"),
            card=call.ids.get("cardId"),
            authorisation=call.ids.get("authorisationId"),
            key=self._key.provider,
            request_id=self._context.request_id,
        )

    async def _replayed_value(self, call: Call[T], replay: Replay) -> T:
        """Raises IdempotencyConflict where a key without an input turns out to be another's."""
        value = await self._read_afresh(replay.card_id)
        is_of_another = isinstance(value, Subject) and not call.may_have_made(value)
        if not replay.is_bound and is_of_another:
            raise key_reused()
        return value

    async def _read_afresh(self, an_id: UUID) -> T:
        """What the endpoint has answered once: the card or authorisation as it is now, or None.

        Raises ProviderUnavailable where the provider does not show it yet.
        """
        provider = self._context.provider
        found: Any = None
        if self._endpoint.reads is Card:
            found = shown(await provider.card(an_id), "card")
        elif self._endpoint.reads is Authorisation:
            found = shown(await provider.authorisation(an_id), "authorisation")
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


def _found(call: Call[Any], result: CallResult[Any] | Replay) -> dict[str, Any]:
    """What the audit trail is told of an outcome: what was made, and whose it is where known."""
    made = {} if result.card_id == call.target else {_KINDS[call.endpoint.reads]: result.card_id}
    if isinstance(result, Replay):
        return {**made, "replayed": True}
    account = {"account": result.value.account_id} if isinstance(result.value, Card) else {}
    return {**made, **account, "replayed": result.replayed}
