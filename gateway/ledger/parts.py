"""What finds out what becomes of clicks: made once, and shared by all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Promise
from gateway.events import Sink
from gateway.ledger import refusals
from gateway.ledger.actions import Replay
from gateway.ledger.promises import Promises
from gateway.ledger.rows import VERSION, Click, Row, State
from gateway.ledger.settling import Settler
from gateway.ledger.store import Store
from gateway.runtime import Runtime

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 1.0  # seconds between two looks at a row of another process


@dataclass(frozen=True, slots=True)
class Parts:
    """What all clicks of a ledger share."""

    store: Store
    settler: Settler
    promises: Promises
    runtime: Runtime
    emit: Sink
    clocks_agree: Callable[[], bool]


class Waits:
    """Waits for another process's call: short at first, then longer."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._next = _FIRST_WAIT

    async def wait(self, most: float) -> None:
        """Wait before the next look, at most so many seconds."""
        await self._runtime.sleep(min(self._next, most))
        self._next = min(self._next * 2, _LONGEST_WAIT)


def check_input(row: Row, click: Click, promise: Promise) -> None:
    """Raise IdempotencyConflict, or OutcomeUnknown, unless a click is of the row's own input.

    Inputs are compared by the rules of one version. Where the row was written after the click
    was read, by another gateway with older rules, the next request is read by those of the row.
    """
    if row.version > VERSION:
        raise refusals.newer_version(promise)
    if row.is_of(click.fingerprint):
        return
    if row.version != click.version:
        raise refusals.not_sent(promise)
    raise refusals.key_reused()


def settled(row: Row) -> Replay | None:
    """What a row says for good; None while nothing is settled. Raises NotExecuted."""
    if row.state == State.NOT_EXECUTED:
        raise refusals.not_executed()
    is_done = row.state == State.DONE
    return Replay(row.card_id, is_bound=not row.is_unbound) if is_done else None
