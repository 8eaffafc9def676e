"""The store of the ledger: the atomic steps of the protocol, on an engine that runs statements."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from gateway.errors import ConfigError, LedgerUnavailable
from gateway.events import LedgerCounted
from gateway.ledger import sql
from gateway.ledger.claims import SIGNATURE_LIFE
from gateway.ledger.rows import UNBOUND, Click, Facts, Row, Seen, State
from gateway.ledger.windows import CLOCK_TOLERANCE, Windows

Values = Mapping[str, Any]


class Engine(Protocol):
    """Runs single statements, each of them atomic and durable when it returns.

    All raise LedgerUnavailable; a card that another row claims is CardTaken.
    """

    async def start(self, schema: Sequence[str], new_store: str, values: Values) -> None:
        """Connect, and create what is not there yet; raises ConfigError where that cannot be."""

    async def execute(self, statement: str, values: Values) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    async def aclose(self) -> None:
        """Give up connections and threads."""


class CardTaken(Exception):
    """The card is already that of another key."""


class Claimed(NamedTuple):
    """A row whose claim was taken, at the store's time ``now``."""

    now: float
    row: Row


class Store:
    """The rows of all keys. ``is_complete`` says that they outlive this process.

    At most ``size`` rows are taken where a size is given, and at most ``account_limit`` of new
    keys that make a card of one account, in any 24 hours.
    """

    def __init__(
        self,
        engine: Engine,
        windows: Windows,
        *,
        is_complete: bool,
        size: int | None = None,
        account_limit: int | None = None,
    ) -> None:
        self._engine = engine
        self.windows = windows
        self.is_complete = is_complete
        self._size = size
        self.account_limit = account_limit
        self._rows = 0
        self._certain_from = sql.NEVER
        self._is_new = False

    async def start(self) -> None:
        """Open the store; a new one is made where there is none.

        Raises ConfigError, or LedgerUnavailable, after which it can be tried again.
        """
        try:
            await self._open()
        except LedgerUnavailable:
            raise
        except BaseException:
            await self._engine.aclose()
            raise

    async def _open(self) -> None:
        given = {"id": uuid.uuid4().bytes, "uncertain_for": self.windows.uncertain_for}
        index = (sql.ACCOUNT_INDEX,) if self.account_limit is not None else ()
        await self._engine.start((*sql.SCHEMA, *index), sql.NEW_STORE, given)
        facts = await self.facts()
        # A newer schema may be one that this version can use as well: it says so itself.
        if facts.minimum_reader > sql.SCHEMA_VERSION:
            raise ConfigError(
                ["GATEWAY_LEDGER: the ledger was made by a newer version of the gateway"]
            )
        self._is_new = facts.id == given["id"]
        await self._count()

    async def aclose(self) -> None:
        """Close the store."""
        await self._engine.aclose()

    @property
    def is_full(self) -> bool:
        """Whether no new key can be taken."""
        return self._size is not None and self._rows >= self._size

    def keeps(self, now: float) -> bool:
        """Whether rows outlive the process, and none can have been lost as far as is known."""
        return self.is_complete and self._certain_from <= now

    @property
    def is_new(self) -> bool:
        """Whether the start made the store: there was none."""
        return self._is_new

    async def facts(self) -> Facts:
        """What the store says of itself."""
        [found] = await self._engine.execute(sql.STORE, {})
        return Facts(*found)

    async def look(self, key: UUID) -> Seen:
        """What is known of a key, and of the store itself."""
        found = await self._engine.execute(sql.LOOK, {"key": key.bytes})
        if not found:
            raise LedgerUnavailable("The ledger has lost its tables.")
        now, created, certain_from, *row = found[0]
        self._certain_from = certain_from
        return Seen(now, created, certain_from, Row(*row) if row[0] is not None else None)

    async def claim(
        self,
        click: Click,
        token: bytes,
        *,
        known: Row | None,
        latest: float = sql.NEVER,
        mark: bool = False,
        uncertain: bool = False,
        state: State = State.SENDING,
        bound: bool = True,
    ) -> Claimed | None:
        """Take the claim of a key: a new one's, or that of ``known`` where it may be sent again.

        The first send of a new key is now, or ``latest`` where that is earlier. Where it is not
        ``bound`` to this click's input, any input may be the key's own. None: another process was
        faster, the window is over, or the account has as many new keys as it may have.
        """
        given = _of_click(click) | {
            "claim": token,
            "state": state.value,
            "latest": latest,
            "mark": int(mark),
            "uncertain": int(uncertain),
            # A row without anybody who sends has no lease: its key is looked up at once.
            "lease": self.windows.lease if state is State.SENDING else 0.0,
            "window": self.windows.send,
            "tolerance": CLOCK_TOLERANCE,
            "version": click.version,
            "unbound": UNBOUND,
        }
        if known is not None:
            given |= {"provider_key": known.provider_key, "version": known.version}
        if not bound:
            given["fingerprint"] = UNBOUND
        statement = sql.CLAIM
        if self.account_limit is not None and _will_make_a_card(click, known, state):
            statement, given["most"] = sql.CLAIM_WITHIN_LIMIT, self.account_limit
        claimed = _claimed(await self._engine.execute(statement, given))
        self._rows += claimed is not None and known is None
        return claimed

    async def wait_for_room(self, click: Click) -> float:
        """Seconds until its account may have one more new key; 0: it may now."""
        if self.account_limit is None or click.account is None:
            return 0.0
        given = {"account": click.account.bytes, "most": self.account_limit}
        found = await self._engine.execute(sql.ROOM_FROM, given)
        return max(found[0][1] - found[0][0], 0.0) if found else 0.0

    async def forget(self, key: UUID, token: bytes) -> bool:
        """Delete the row of a call that was not carried out; False where it is not ours alone."""
        given = {"key": key.bytes, "claim": token}
        deleted = bool(await self._engine.execute(sql.FORGET, given))
        self._rows -= deleted
        return deleted

    async def open(
        self, click: Click, row: Row, *, in_flight: bool, lost: bool, bound: bool = True
    ) -> Claimed | None:
        """Mark the row: its outcome is not known. ``lost``: an earlier row must have been lost.

        Where the key is not ``bound`` to this click's input, any input may take the row over.
        """
        given = _of_click(click) | _of_row(row)
        marks = {"in_flight_seen": int(in_flight), "lost": int(lost), "bound": int(bound)}
        return _claimed(await self._engine.execute(sql.OPEN, given | marks))

    async def done(self, click: Click, row: Row, card: UUID) -> Claimed | None:
        """The call was carried out; None where that was known already. Raises CardTaken."""
        given = _of_click(click) | _of_row(row)
        given["card"] = card.bytes if card != click.target else None  # what the call has made
        return _claimed(await self._engine.execute(sql.DONE, given))

    async def reclaim(self, click: Click, token: bytes) -> Claimed | None:
        """Take the claim of a row that is too old to be sent."""
        given = {"key": click.key.bytes, "fingerprint": click.fingerprint, "claim": token}
        given["unbound"] = UNBOUND
        windows = {"lease": self.windows.lease, "window": self.windows.send}
        return _claimed(await self._engine.execute(sql.RECLAIM, given | windows))

    async def release(self, key: UUID, token: bytes) -> bool:
        """Give the claim back; False where somebody else has it, or the row is settled."""
        given = {"key": key.bytes, "claim": token}
        return bool(await self._engine.execute(sql.RELEASE, given))

    async def adopt(self, row: Row, card: UUID, fingerprint: bytes) -> bool:
        """Take a card as the one that this key made for this input; raises CardTaken."""
        given = {
            "key": row.key,
            "fingerprint": fingerprint,
            "claim": row.claim,
            "account": row.account,
            "card": card.bytes,
        }
        return bool(await self._engine.execute(sql.ADOPT, given))

    async def rivals(self, click: Click) -> tuple[int, int]:
        """How many other clicks of its account are unresolved, and how many are being sent."""
        given = {"key": click.key.bytes, "account": click.account.bytes if click.account else None}
        [(unresolved, sending)] = await self._engine.execute(sql.RIVALS, given)
        return unresolved, sending

    async def rule_out(self, row: Row, asked: float) -> bool:
        """Write that the call was not carried out; False where it is too early to say so.

        ``asked`` is the store's time before the account's cards were asked for.
        """
        given = {"key": row.key, "claim": row.claim, "asked": asked, "unbound": UNBOUND}
        late = {"late": self.windows.late, "late_uncertain": self.windows.late_uncertain}
        return bool(await self._engine.execute(sql.RULE_OUT, given | late))

    async def choose(self, key: bytes, card: UUID) -> Row | None:
        """Write that an operator says which card a call made; raises CardTaken.

        None: the row is not one of an unresolved call that makes a card, or somebody claims it.
        """
        given = {"key": key, "card": card.bytes}
        claimed = _claimed(await self._engine.execute(sql.CHOOSE, given))
        return claimed.row if claimed else None

    async def dismiss(self, key: bytes) -> Row | None:
        """Write that an operator says that a call was not carried out.

        None: as for ``choose``, or it is too early to say so.
        """
        late = {"late": self.windows.late, "late_uncertain": self.windows.late_uncertain}
        claimed = _claimed(await self._engine.execute(sql.DISMISS, {"key": key} | late))
        return claimed.row if claimed else None

    async def has_rival(self, click: Click) -> bool:
        """Whether another call of its operation, about the same card, may still be carried out."""
        given = _of_click(click) | {"life": self.windows.last_arrival}
        [(count,)] = await self._engine.execute(sql.RIVAL_CALLS, given)
        return bool(count)

    async def stop(self, click: Click) -> float | None:
        """Forbid to send the calls again that this click stops; what ``undo_until`` is then."""
        given = _of_click(click) | {"stops": click.stops}
        await self._engine.execute(sql.STOP, given)
        return await self.undo_until(click)

    async def undo_until(self, click: Click) -> float | None:
        """Until when a call that this click has stopped may arrive, in UNIX seconds of the store.

        None: none can any more.
        """
        given: dict[str, Any] = _of_click(click) | {"stops": click.stops}
        given |= {"signature": SIGNATURE_LIFE + CLOCK_TOLERANCE, "life": self.windows.last_arrival}
        [(now, until)] = await self._engine.execute(sql.UNDO_UNTIL, given)
        return until if until is not None and until > now else None

    async def is_sending(self, row: Row) -> bool:
        """Whether this row may still be sent under its claim."""
        given = {"key": row.key, "claim": row.claim}
        [(count,)] = await self._engine.execute(sql.IS_SENDING, given)
        return bool(count)

    async def resend(self, row: Row, token: bytes, asked: float) -> Claimed | None:
        """Take the claim to send a harmless call again; None where it is too early for that."""
        given = {"key": row.key, "claim": row.claim, "next": token, "asked": asked}
        windows = {"late": self.windows.late, "lease": self.windows.lease}
        return _claimed(await self._engine.execute(sql.RESEND, given | windows))

    async def is_claimed(self, card: UUID, key: bytes) -> bool:
        """Whether a card is that of another key than this."""
        given = {"card": card.bytes, "key": key}
        [(count,)] = await self._engine.execute(sql.CLAIMED, given)
        return bool(count)

    async def trust(self) -> None:
        """Take the store for one that has lost no rows."""
        await self._engine.execute(sql.TRUST, {})

    async def doubt(self) -> None:
        """Take the store for one that has lost rows."""
        await self._engine.execute(sql.DOUBT, {})

    async def purge(self) -> int:
        """Delete some rows that are over; how many."""
        deleted = len(await self._engine.execute(sql.PURGE, {}))
        self._rows -= deleted
        return deleted

    async def tally(self) -> dict[State, int]:
        """How many rows are in each state."""
        found = dict(await self._engine.execute(sql.TALLY, {}))
        return {state: found.get(state.value, 0) for state in State}

    async def unresolved(self) -> LedgerCounted:
        """How many rows are not resolved, and for how long the oldest has not been."""
        [(now, sending, indeterminate, first)] = await self._engine.execute(sql.UNRESOLVED, {})
        oldest = 0.0 if first is None else max(now - first, 0.0)
        return LedgerCounted(sending=sending, indeterminate=indeterminate, oldest=oldest)

    async def oldest(self) -> Row | None:
        """The unresolved row that was sent first."""
        found = await self._engine.execute(sql.OLDEST, {})
        return Row(*found[0]) if found else None

    async def _count(self) -> None:
        if self._size is not None:
            [(self._rows,)] = await self._engine.execute(sql.COUNT, {})

    def __len__(self) -> int:
        return self._rows


def _claimed(found: list[tuple[Any, ...]]) -> Claimed | None:
    return Claimed(found[0][0], Row(*found[0][1:])) if found else None


def _will_make_a_card(click: Click, known: Row | None, state: State) -> bool:
    """Whether the claim is that of a new key whose call makes a card of an account."""
    return click.account is not None and known is None and state is State.SENDING


def _of_click(click: Click) -> dict[str, Any]:
    return {
        "key": click.key.bytes,
        "operation": click.operation,
        "account": click.account.bytes if click.account else None,
        "target": click.target.bytes if click.target else None,
        "provider_key": click.key.bytes,
        "fingerprint": click.fingerprint,
    }


def _of_row(row: Row) -> dict[str, Any]:
    """What a settlement takes from the row that it was claimed as."""
    return {
        "provider_key": row.provider_key,
        "first_send": row.first_send,
        "claim": row.claim,
        "version": row.version,
        "unbound": UNBOUND,
    }
