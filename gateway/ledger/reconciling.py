"""Reconciling: what became of a call that is too old to be sent again, as the provider shows it."""

from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import GatewayError, OutcomeUnknown
from gateway.ledger import refusals
from gateway.ledger.actions import AccountCard, FindCards, Reached, ReadTarget, Replay, TargetState
from gateway.ledger.parts import Parts
from gateway.ledger.rows import UNBOUND, Click, Course, Row, Seen, new_token
from gateway.ledger.sql import DONE_LIFE
from gateway.ledger.store import CardTaken, Claimed
from gateway.ledger.windows import CLOCK_TOLERANCE

_MOST_CANDIDATES = 20


class Reconciler:
    """Finds out what became of one click, under a claim of its own: two would decide apart."""

    def __init__(
        self,
        click: Click,
        parts: Parts,
        *,
        cards: FindCards | None = None,
        read: ReadTarget | None = None,
    ) -> None:
        self._click = click
        self._find_cards = cards
        self._read = read
        self._store = parts.store
        self._settler = parts.settler
        self._promises = parts.promises
        self._clocks_agree = parts.clocks_agree

    async def find_out(self) -> Replay | Claimed | None:
        """The card; or a claim to send a harmless call again; None: somebody else was faster.

        Raises NotExecuted or OutcomeUnknown.
        """
        claimed = await self._store.reclaim(self._click, new_token())
        if claimed is None:
            return None
        decide = self._of_account if self._find_cards is not None else self._decision()
        try:
            return await decide(claimed.row, claimed.now)
        except GatewayError:
            if not await self._settler.release(self._click, claimed.row):
                return None  # somebody else has decided meanwhile, or decides now
            raise

    async def unknown_cards(self, seen: Seen) -> Sequence[AccountCard]:
        """The account's cards that no key claims, of the time in which a lost key may have been."""
        since = seen.now - DONE_LIFE - CLOCK_TOLERANCE
        cards = [card for card in await self._cards() if card.created >= since]
        return await self._unclaimed(cards, self._click.key.bytes)

    async def check_memory(self, row: Row, now: float) -> None:
        """Raise OutcomeUnknown where the provider may have forgotten a key that is bound to no
        input, although it is in the send window: nobody knows when it was sent first.

        If the key has a card, it was made in the time in which the provider has told that it knew
        the key, and it shows how long the provider still knows it.
        """
        try:
            cards = await self._cards()
        except GatewayError as error:
            raise refusals.not_found_out(self._promises.of_row(row)) from error
        windows = self._store.windows
        since, until = row.first_send - windows.late, now - windows.send
        old = [card for card in cards if since <= card.created <= until]
        if found := await self._unclaimed(old, row.key):
            await self.check_others(row)
            raise refusals.several(self._promises.of_row(row), found)

    async def _of_account(self, row: Row, asked: float) -> Replay | None:
        """The call made a card, if it did anything: then the account has it."""
        try:
            cards = await self._cards()
        except GatewayError as error:
            raise refusals.not_found_out(self._promises.of_row(row)) from error
        self._check_clocks(row)
        found = await self._unclaimed([card for card in cards if self._in_time(card, row)], row.key)
        if len(found) == 1 and found[0].confirms and await self._adopt(row, found[0]):
            return Replay(found[0].id)
        if found:
            await self.check_others(row)
            raise refusals.several(self._promises.of_row(row), found)
        if not self._store.is_complete:
            raise refusals.too_late(self._promises.of_row(row))
        if row.is_unbound:
            raise self._of_this_input(row, asked)
        if await self._store.rule_out(row, asked):
            raise refusals.not_executed()
        raise self._too_early(row, asked)

    def _decision(self) -> Callable[[Row, float], Awaitable[Replay | Claimed | None]]:
        match self._click.course:
            case Course.MONOTONE:
                return self._of_monotone
            case Course.REVERSIBLE:
                return self._of_reversible
            case Course.UNLISTED:
                return self._of_unlisted

    async def _of_monotone(self, row: Row, asked: float) -> Replay | Claimed | None:
        """The call was to bring its target into a state that the target shows."""
        shown = await self._shown(row)
        if shown.reached is Reached.YES:
            return await self._found(row)
        if shown.reached is Reached.NEVER:
            raise refusals.unreachable(self._promises.of_row(row), shown.value)
        if resent := await self._store.resend(row, new_token(), asked):
            return resent
        raise self._too_early(row, asked)

    async def _of_reversible(self, row: Row, asked: float) -> Replay:
        """It was carried out if the card has come into the state since, and nothing that was sent
        before can take it out of the state again."""
        undo_until = await self._store.undo_until(self._click) if self._click.stops else None
        shown = await self._shown(row)
        if asked < row.first_send + self._store.windows.last_arrival or undo_until:
            raise self._too_early(row, asked)
        is_changed = shown.changed >= row.first_send - CLOCK_TOLERANCE
        if shown.reached is Reached.YES and is_changed:
            return await self._found(row)
        if asked < row.first_send + self._store.windows.late:
            raise self._too_early(row, asked)
        raise refusals.moved(self._promises.of_row(row), shown.value)

    async def _of_unlisted(self, row: Row, _asked: float) -> Replay:
        raise refusals.too_late(self._promises.of_row(row))

    async def stopped(self, row: Row) -> OutcomeUnknown:
        """What is told of a call that another one has stopped: the card as it is now."""
        shown = await self._shown(row)
        return refusals.stopped(self._promises.of_row(row), shown.value)

    async def _found(self, row: Row) -> Replay:
        target = self._click.target or row.card_id
        await self._settler.done(self._click, row, target)
        return Replay(target)

    async def _shown(self, row: Row) -> TargetState:
        assert self._read is not None  # noqa: S101 (a call makes a card or is about something)
        try:
            shown = await self._read()
        except GatewayError as error:
            raise refusals.not_found_out(self._promises.of_row(row)) from error
        self._check_clocks(row)
        return shown

    def _check_clocks(self, row: Row) -> None:
        """How late it is cannot be said while the clocks differ; the answer has shown the other."""
        if self._store.is_complete and not self._clocks_agree():
            raise refusals.not_found_out(self._promises.of_row(row))

    async def _cards(self) -> Sequence[AccountCard]:
        assert self._find_cards is not None  # noqa: S101 (asked of calls that make a card)
        return await self._find_cards()

    def _in_time(self, card: AccountCard, row: Row) -> bool:
        """Whether the card can be this row's; nothing is known of the first send of a lost row."""
        if row.uncertain:
            return card.created >= row.first_send - DONE_LIFE
        late = card.created - row.first_send
        return -CLOCK_TOLERANCE <= late <= self._store.windows.key_life + CLOCK_TOLERANCE

    async def _unclaimed(self, cards: Sequence[AccountCard], key: bytes) -> list[AccountCard]:
        """Those that are not the cards of other keys, the newest first, and not too many."""
        found: list[AccountCard] = []
        for card in sorted(cards, key=lambda card: -card.created):
            if len(found) < _MOST_CANDIDATES and not await self._store.is_claimed(card.id, key):
                found.append(card)
        return found

    async def _adopt(self, row: Row, card: AccountCard) -> bool:
        """Write that the card is this key's, where nothing else can be: what a memory store knows
        of other clicks ends with its process."""
        try:
            return self._store.is_complete and await self._store.adopt(
                row, card.id, self._click.fingerprint
            )
        except CardTaken:
            return False

    async def check_others(self, row: Row | None = None) -> None:
        """A card may be that of a click that is being sent: soon it will be known."""
        _, sending = await self._store.rivals(self._click)
        if sending:
            promises = self._promises
            raise refusals.not_found_out(promises.of_row(row) if row else promises.of(None))

    def _of_this_input(self, row: Row, asked: float) -> GatewayError:
        """Of a key that is bound to no input nothing is written: its own may be about another
        account. This input was not carried out, and is not sent any more."""
        if asked - row.first_send < self._store.windows.late_of(row):
            return self._too_early(row, asked)
        is_asked_by_key = self._click.fingerprint == UNBOUND
        promise = self._promises.of_row(row)
        return refusals.too_late(promise) if is_asked_by_key else refusals.not_executed()

    def _too_early(self, row: Row, asked: float) -> GatewayError:
        late = self._store.windows.late_of(row)
        return refusals.ask_later(self._promises.of_row(row), row.first_send + late - asked)
