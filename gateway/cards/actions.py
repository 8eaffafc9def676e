"""What each field does for its caller: permission, rate, time, provider call. In this order.

What a caller may see is decided here, after the loader: whatever may one day share a provider call,
nobody shares a permission.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from gateway.callers import ISSUE, READ, SIMULATE
from gateway.cards.context import Context, too_slow
from gateway.cards.inputs import parse_address, parse_id
from gateway.cards.types import IssueVirtualCardInput, SimulateCardIssueInput
from gateway.errors import (
    DeadlineExceeded,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    SimulatorDisabled,
)
from gateway.ledger import State
from gateway.provider import Card, Issued

T = TypeVar("T")


async def read_card(context: Context, card_id: UUID) -> Card | None:
    """The card, or None where there is none for this caller."""
    context.caller.require(READ)
    await context.limits.count(context.caller.id, READ)
    return await _visible_card(context, card_id)


async def issue(context: Context, given: IssueVirtualCardInput, key: UUID) -> Issued:
    """A new virtual card on one of the caller's accounts, under the provider's ``key``."""
    context.caller.require(ISSUE)
    account = parse_id(given.account_id, "input.accountId")
    address = parse_address(given.billing_address, "input.billingAddress")
    if not context.caller.may_use(account):
        raise NotAllowed("You may not issue cards on this account.")
    await _count(context, key, ISSUE)
    issued = await _written(
        context, key, lambda: context.provider.create_virtual_card(account, address, key)
    )
    if not issued.replayed:  # the answer of a coalesced call may be out of date by now
        context.cards.prime(issued.card)
    return issued


async def simulate(context: Context, given: SimulateCardIssueInput, key: UUID) -> tuple[UUID, bool]:
    """Let the simulator issue one of the caller's cards: its id, and whether it is a replay."""
    context.caller.require(SIMULATE)
    card_id = parse_id(given.card_id, "input.cardId")
    if not context.simulator_allowed:
        raise SimulatorDisabled("There is no simulator in this environment.")
    await _count(context, key, SIMULATE)
    if context.caller.accounts is not None and not await _visible_card(context, card_id):
        raise NotFound("The provider knows no such card.")  # as if it were not there
    replayed = await _written(context, key, lambda: context.provider.simulate_issue(card_id, key))
    context.cards.clear(card_id)
    return card_id, replayed


async def _visible_card(context: Context, card_id: UUID) -> Card | None:
    _check_time(context.deadline)
    try:
        async with asyncio.timeout_at(context.deadline):
            card = await context.cards.load(card_id)
    except TimeoutError:
        raise too_slow() from None
    return card if card and context.caller.may_use(card.account_id) else None


async def _count(context: Context, key: UUID, operation: str) -> None:
    """Count a modifying call; one whose key is known here costs no more than a read.

    Whoever sends a click again must not be kept from its answer by the rate of new clicks.
    """
    known = context.provider.state(key) is not None
    await context.limits.count(context.caller.id, READ if known else operation)


async def _written(context: Context, key: UUID, write: Callable[[], Awaitable[T]]) -> T:
    """Wait for a modifying call no longer than the operation may take; the call itself goes on."""
    _check_time(context.deadline)
    try:
        async with asyncio.timeout_at(context.deadline):
            return await write()
    except TimeoutError:
        raise _unfinished(context, key) from None


def _unfinished(context: Context, key: UUID) -> DeadlineExceeded | OutcomeUnknown:
    if context.provider.state(key) is State.DONE:
        return too_slow()  # it was carried out earlier, and only its card was still to be read
    return OutcomeUnknown(
        "The operation took too long, and this part of it goes on without you. "
        "Send the same request again with this idempotencyKey to learn what came of it.",
        promise=context.provider.promise(key),
    )


def _check_time(deadline: float) -> None:
    # A call that starts would not be stopped by the time being over: it must not start.
    if asyncio.get_running_loop().time() >= deadline:
        raise too_slow()
