"""Ledgers in files, with rows as gateways write them: what the commands about them are tried on."""

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import Click, SqliteEngine, State, Store, Windows
from tests.commands import Command

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
KEY = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@dataclass(frozen=True)
class Sent:
    """A call whose outcome is not known, sent so many seconds ago; a lease is for three hours."""

    ago: float
    target: uuid.UUID | None = None
    uncertain: bool = False
    in_flight: bool = False
    leased: bool = False


def keep(path: Path, *calls: Sent, uncertain_for: float = 0.0) -> list[uuid.UUID]:
    """Write rows as gateways do; their keys."""
    return asyncio.run(_kept(path, calls, uncertain_for))


async def _kept(path: Path, calls: tuple[Sent, ...], uncertain_for: float) -> list[uuid.UUID]:
    now = [time.time()]
    engine = SqliteEngine(path, lambda: now[0], deadline=60)
    windows = Windows(uncertain_for=uncertain_for, lease=3 * HOUR)
    store = Store(engine, windows, is_complete=True)
    await store.start()
    keys = [await _keep(store, call, now) for call in calls]
    await store.aclose()
    return keys


async def _keep(store: Store, call: Sent, now: list[float]) -> uuid.UUID:
    now[0], before = now[0] - call.ago, now[0]
    account = None if call.target else uuid.UUID(GUIDE_ACCOUNT)
    click = Click(uuid.uuid4(), "issueVirtualCard", b"f" * 32, account, call.target)
    state = State.SENDING if call.leased else State.INDETERMINATE
    token = uuid.uuid4().bytes
    claimed = await store.claim(
        click, token, known=None, mark=True, uncertain=call.uncertain, state=state
    )
    assert claimed
    if call.in_flight:
        await store.open(click, claimed.row, in_flight=True, lost=False)
    now[0] = before
    return click.key


def state_of(command: Command, row: uuid.UUID) -> str:
    """The state of a row, as `show` has it."""
    _, printed = command("ledger", "show", "--row", str(row))
    return str(re.findall(r"^state +(.+)$", printed, re.MULTILINE)[0])
