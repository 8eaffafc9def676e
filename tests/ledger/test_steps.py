"""The atomic steps of the ledger's store, each at the edge of one of its conditions.

What follows for a click is in test_protocol; here a step meets a row in the one state that it must
leave as it is, and the same step holds where only that is otherwise.
"""

import dataclasses
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger import CLOCK_TOLERANCE, Click, Engine, Row, State, Store, Windows
from gateway.ledger.promises import is_certain
from gateway.ledger.rows import VERSION
from gateway.ledger.store import CardTaken
from tests.ledger.world import (
    ACCOUNT,
    DAY,
    ENGINES,
    HOUR,
    MINUTE,
    START,
    A,
    B,
    Now,
    url_for,
    world_of,
)

KEY, OTHER_KEY, CARD = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=99)
ISSUE = Click(KEY, "issueVirtualCard", A, account=ACCOUNT)
OTHER_ISSUE = dataclasses.replace(ISSUE, key=OTHER_KEY)
OTHER_INPUT = dataclasses.replace(ISSUE, fingerprint=B)
MOVE = Click(KEY, "simulateIssue", A, target=CARD)
FIRST, SECOND = b"first claim".ljust(16), b"second claim".ljust(16)
WINDOWS = Windows()


@dataclass
class Steps:
    """A store that outlives its processes and has lost nothing, and its rows."""

    now: Now
    engine: Engine
    store: Store

    async def find(self, key: uuid.UUID = KEY) -> Row | None:
        """The row of a key."""
        return (await self.store.look(key)).row

    async def row(self, key: uuid.UUID = KEY) -> Row:
        """The row of a key that has one."""
        row = await self.find(key)
        assert row is not None
        return row

    async def claim(self, click: Click = ISSUE, token: bytes = FIRST, **how: Any) -> Row:
        """The row of a claim that is taken."""
        claimed = await self.store.claim(click, token, known=how.pop("known", None), **how)
        assert claimed is not None
        return claimed.row

    async def take_over(self, click: Click = ISSUE) -> tuple[Row, Row]:
        """A row as its first claim knows it, and as the second has it, whose lease runs."""
        first = await self.claim(click)
        self.now.time = first.lease_until
        return first, await self.claim(click, SECOND, known=first)

    async def reclaim(self, click: Click = ISSUE, token: bytes = FIRST) -> Row:
        """The row of a claim that is taken to find out what became of it."""
        claimed = await self.store.reclaim(click, token)
        assert claimed is not None
        return claimed.row

    async def open(self, click: Click, row: Row) -> Row | None:
        """The row after a call whose outcome is not known."""
        opened = await self.store.open(click, row, in_flight=False, lost=False)
        return opened.row if opened else None

    async def is_settled(self, click: Click, row: Row) -> bool:
        """Whether it was written that the call has made the card."""
        return await self.store.done(click, row, CARD) is not None

    async def resend(self, row: Row, *, asked: float | None = None) -> Row | None:
        """The row of a claim to send a harmless call again."""
        moment = self.now.time if asked is None else asked
        resent = await self.store.resend(row, SECOND, moment)
        return resent.row if resent else None

    async def rewrite(self, **values: Any) -> None:
        """Change the key's row by hand, to what other steps or versions would have made of it."""
        row = (await self.row())._replace(**values)
        statement = """UPDATE idempotency_key
            SET state = :state, version = :version, provider_key = :provider_key
            WHERE key = :key RETURNING {now}"""
        assert await self.engine.execute(statement, row._asdict())


@pytest.fixture(params=ENGINES)
async def steps(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Steps]:
    """A store on each engine."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as world:
        engine = world.engine()
        store = Store(engine, world.windows, is_complete=True)
        await store.start()
        yield Steps(world.now, engine, store)
        await store.aclose()


# Taking the claim of a key.


async def test_a_claim_waits_for_the_end_of_a_lease(steps: Steps) -> None:
    """While the first claim may send nobody else takes the key, and from its lease's end one."""
    row = await steps.claim()
    steps.now.time = START + WINDOWS.lease - 1
    assert await steps.store.claim(ISSUE, SECOND, known=row) is None
    steps.now.time = START + WINDOWS.lease
    assert (await steps.claim(token=SECOND, known=row)).claim == SECOND


async def test_a_claim_that_is_asked_for_twice_is_no_take_over(steps: Steps) -> None:
    """The same claim once more, whose answer was lost, is answered and stays without a mark."""
    await steps.claim()
    steps.now.time += 1
    again = await steps.claim()
    assert (again.indeterminate, again.first_send) == (0, START)


async def test_a_claim_to_send_is_not_taken_after_the_window(steps: Steps) -> None:
    """A key is sent again until 45 minutes after its first send, and not at that moment."""
    row = await steps.claim()
    steps.now.time = START + WINDOWS.send
    assert await steps.store.claim(ISSUE, SECOND, known=row) is None
    steps.now.time -= 1
    assert (await steps.claim(token=SECOND, known=row)).claim == SECOND


async def test_a_claim_is_not_taken_of_a_row_from_the_future(steps: Steps) -> None:
    """A clock that was set back by more than 30 seconds would make the key seem younger."""
    row = await steps.claim()
    assert await steps.open(ISSUE, row)
    steps.now.time = START - CLOCK_TOLERANCE - 1
    assert await steps.store.claim(ISSUE, SECOND, known=row) is None
    steps.now.time = START - CLOCK_TOLERANCE
    assert (await steps.claim(token=SECOND, known=row)).claim == SECOND


async def test_a_claim_is_not_taken_with_another_input(steps: Steps) -> None:
    """The bytes of another input are never sent under a key that is bound to one."""
    row = await steps.claim()
    assert await steps.open(ISSUE, row)
    assert await steps.store.claim(OTHER_INPUT, SECOND, known=row) is None
    assert (await steps.row()).claim == FIRST


async def test_a_claim_is_not_taken_of_a_row_of_another_version(steps: Steps) -> None:
    """Other rules make other bytes of one input, which must not go out under the same key."""
    row = await steps.claim()
    assert await steps.open(ISSUE, row)
    await steps.rewrite(version=VERSION + 1)
    assert await steps.store.claim(ISSUE, SECOND, known=row) is None


@pytest.mark.parametrize("state", [State.DONE, State.NOT_EXECUTED])
async def test_a_claim_is_not_taken_of_what_is_settled(steps: Steps, state: State) -> None:
    """A key whose outcome is known is never sent again, however young it is."""
    row = await steps.claim()
    steps.now.time = row.lease_until
    await steps.rewrite(state=state.value)
    assert await steps.store.claim(ISSUE, SECOND, known=row) is None
    assert (await steps.row()).state == state


@pytest.mark.parametrize("state", [State.INDETERMINATE, State.NOT_EXECUTED])
async def test_a_row_that_nobody_sends_has_no_lease(steps: Steps, state: State) -> None:
    """Where nothing leaves under a claim, nobody has to wait for its end."""
    row = await steps.claim(state=state, mark=True)
    assert row.lease_until <= START


async def test_a_claim_keeps_the_providers_key_where_the_row_is_gone(steps: Steps) -> None:
    """What may have left under a key that was derived otherwise goes again under that same one."""
    row = await steps.claim()
    assert await steps.store.forget(KEY, FIRST)
    again = await steps.claim(token=SECOND, known=row._replace(provider_key=OTHER_KEY.bytes))
    assert again.provider_key == OTHER_KEY.bytes


async def test_a_take_over_keeps_the_providers_key_of_the_row(steps: Steps) -> None:
    """A process that derives another key for the provider sends the one that was sent first."""
    row = await steps.claim()
    await steps.rewrite(provider_key=OTHER_KEY.bytes)
    steps.now.time = row.lease_until
    assert (await steps.claim(token=SECOND, known=row)).provider_key == OTHER_KEY.bytes


async def test_a_row_is_kept_from_its_claim_on(steps: Steps) -> None:
    """A row of an old first send, whose key came late, is kept for its 30 days all the same."""
    row = await steps.claim(latest=START - 20 * DAY, mark=True, state=State.INDETERMINATE)
    assert row.expires == START + 30 * DAY


# Forgetting what was not carried out.


async def test_an_unmarked_row_is_forgotten_by_its_claim(steps: Steps) -> None:
    """A call that was refused, and of which nothing else can have left, leaves no row."""
    await steps.claim()
    assert await steps.store.forget(KEY, FIRST)
    assert await steps.find() is None


async def test_a_marked_row_is_not_forgotten(steps: Steps) -> None:
    """A request of an earlier claim may be under way: its row must meet it."""
    await steps.claim(mark=True)
    assert not await steps.store.forget(KEY, FIRST)
    assert await steps.find() is not None


async def test_a_row_is_not_forgotten_by_another_claim(steps: Steps) -> None:
    """A process that has lost its row, and finds another one's, leaves that."""
    await steps.claim()
    assert not await steps.store.forget(KEY, SECOND)
    assert await steps.find() is not None


async def test_a_card_is_not_forgotten(steps: Steps) -> None:
    """A row that has its card stays, also for the claim that made it without a doubt."""
    row = await steps.claim()
    assert await steps.is_settled(ISSUE, row)
    assert not await steps.store.forget(KEY, FIRST)
    assert (await steps.row()).card == CARD.bytes


# An outcome that is not known.


async def test_an_open_call_gives_its_own_claim_back(steps: Steps) -> None:
    """Whoever lost the answer sends no more: the next request need not wait for the lease."""
    opened = await steps.open(ISSUE, await steps.claim())
    assert opened is not None
    assert (opened.state, opened.indeterminate) == (State.INDETERMINATE, 1)
    assert (opened.uncertain, opened.lease_until <= START) == (0, True)


async def test_a_foreign_claim_leaves_the_state_of_an_open_call(steps: Steps) -> None:
    """The answer of an earlier claim is lost while a later one sends: the row is still sending."""
    first, second = await steps.take_over()
    opened = await steps.open(ISSUE, first)
    assert opened is not None
    assert (opened.state, opened.claim) == (State.SENDING, second.claim)


async def test_a_foreign_claim_leaves_the_lease_of_an_open_call(steps: Steps) -> None:
    """The answer of an earlier claim is lost while a later one sends: nobody else may send."""
    first, second = await steps.take_over()
    opened = await steps.open(ISSUE, first)
    assert opened is not None
    assert opened.lease_until == second.lease_until > steps.now.time


async def test_an_open_call_counts_from_the_earliest_send(steps: Steps) -> None:
    """Where a lost row of the key was older, the provider forgets the key from then on."""
    row = await steps.claim()
    earlier = await steps.open(ISSUE, row._replace(first_send=START - MINUTE))
    assert earlier is not None
    assert earlier.first_send == START - MINUTE
    later = await steps.open(ISSUE, row)
    assert later is not None
    assert later.first_send == START - MINUTE


async def test_an_open_move_counts_from_its_last_first_send(steps: Steps) -> None:
    """A simulation was sent again: the end of its earlier run makes it no older."""
    first = await steps.claim(MOVE)
    steps.now.time = START + WINDOWS.late
    resent = await steps.resend(first)
    assert resent is not None
    opened = await steps.open(MOVE, first)
    assert opened is not None
    assert opened.first_send == START + WINDOWS.late


@pytest.mark.parametrize("state", [State.DONE, State.NOT_EXECUTED])
async def test_what_is_settled_is_not_opened(steps: Steps, state: State) -> None:
    """The lost answer of an attempt changes nothing of an outcome that is known."""
    row = await steps.claim()
    await steps.rewrite(state=state.value)
    assert await steps.open(ISSUE, row) is None
    assert (await steps.row()).state == state


async def test_a_row_of_another_input_is_not_opened(steps: Steps) -> None:
    """A row that was lost, and its key used for another input since: that call has no doubt."""
    row = await steps.claim(OTHER_INPUT)
    assert await steps.open(ISSUE, row) is None
    assert (await steps.row()).indeterminate == 0


async def test_a_missing_row_is_opened_as_uncertain(steps: Steps) -> None:
    """The store has lost a write: it may have lost an earlier row of the key as well."""
    row = await steps.claim()
    assert await steps.store.forget(KEY, FIRST)
    opened = await steps.open(ISSUE, row)
    assert opened is not None
    assert (opened.state, opened.uncertain, opened.indeterminate) == (State.INDETERMINATE, 1, 1)
    assert (opened.first_send, opened.lease_until <= START) == (START, True)


# A call that was carried out.


async def test_a_row_of_another_input_is_not_done(steps: Steps) -> None:
    """A row that was lost, and its key used for another input since: that has another card."""
    row = await steps.claim(OTHER_INPUT)
    assert not await steps.is_settled(ISSUE, row)
    assert (await steps.row()).state == State.SENDING


async def test_a_card_is_that_of_one_key(steps: Steps) -> None:
    """Two clicks never come to one card, whoever writes it last."""
    assert await steps.is_settled(ISSUE, await steps.claim())
    other = await steps.claim(OTHER_ISSUE)
    with pytest.raises(CardTaken):
        await steps.is_settled(OTHER_ISSUE, other)
    assert (await steps.row(OTHER_KEY)).state == State.SENDING


async def test_a_call_about_a_card_does_not_claim_it(steps: Steps) -> None:
    """Of two moves of one card both are done, and the card is still that of the key it is of."""
    other = dataclasses.replace(MOVE, key=OTHER_KEY)
    for click in (MOVE, other):
        assert await steps.is_settled(click, await steps.claim(click))
        assert (await steps.row(click.key)).card is None
    assert not await steps.store.is_claimed(CARD, b"")


async def test_a_card_is_kept_a_day_longer_than_its_row(steps: Steps) -> None:
    """However late a call is settled, its key does not come again while its card is known."""
    row = await steps.claim(latest=START - HOUR)
    steps.now.time = START + DAY
    assert await steps.is_settled(ISSUE, row)
    assert (await steps.row()).expires == START + 31 * DAY


async def test_a_missing_row_is_kept_from_its_settlement_on(steps: Steps) -> None:
    """A row that was lost, and is written again late, is kept as one that is new."""
    row = await steps.claim(latest=START - HOUR)
    steps.now.time = START + DAY
    assert await steps.store.forget(KEY, FIRST)
    opened = await steps.open(ISSUE, row)
    assert opened is not None
    assert opened.expires == START + 31 * DAY
    other = await steps.claim(OTHER_ISSUE, latest=START - HOUR)
    assert await steps.store.forget(OTHER_KEY, FIRST)
    assert await steps.is_settled(OTHER_ISSUE, other)
    assert (await steps.row(OTHER_KEY)).expires == START + 32 * DAY


# Taking the claim to find out what became of a call.


async def test_a_reclaim_waits_for_the_end_of_a_lease(steps: Steps) -> None:
    """While somebody sends, or asks the provider, nobody else decides."""
    await steps.claim(latest=START - HOUR)
    for token in (FIRST, SECOND):
        assert await steps.store.reclaim(ISSUE, token) is None
        steps.now.time += WINDOWS.lease
        assert (await steps.reclaim(ISSUE, token)).claim == token


async def test_a_reclaim_waits_for_the_end_of_the_window(steps: Steps) -> None:
    """While a request may be sent again, nobody decides by the account's cards."""
    await steps.open(ISSUE, await steps.claim())
    steps.now.time = START + WINDOWS.send - 1
    assert await steps.store.reclaim(ISSUE, SECOND) is None
    steps.now.time = START + WINDOWS.send
    assert (await steps.reclaim(token=SECOND)).claim == SECOND


async def test_a_reclaim_marks_the_row(steps: Steps) -> None:
    """A process that died while it sent said nothing of it: its call may have been carried out."""
    await steps.claim()
    steps.now.time = START + HOUR
    row = await steps.reclaim(token=SECOND)
    assert (row.state, row.indeterminate) == (State.INDETERMINATE, 1)


async def test_a_row_of_another_input_is_not_reclaimed(steps: Steps) -> None:
    """What became of a call is found by its own input's address."""
    await steps.claim()
    steps.now.time = START + HOUR
    assert await steps.store.reclaim(OTHER_INPUT, SECOND) is None
    assert (await steps.row()).claim == FIRST


@pytest.mark.parametrize("state", [State.DONE, State.NOT_EXECUTED])
async def test_what_is_settled_is_not_reclaimed(steps: Steps, state: State) -> None:
    """An outcome that is known is not looked for again."""
    await steps.claim()
    steps.now.time = START + HOUR
    await steps.rewrite(state=state.value)
    assert await steps.store.reclaim(ISSUE, SECOND) is None
    assert (await steps.row()).state == state


async def two_who_ask(steps: Steps, click: Click = ISSUE) -> tuple[Row, Row]:
    """The row as somebody has it whose lease ended while it asked, and as the next has it."""
    await steps.claim(click)
    steps.now.time = START + 2 * HOUR
    late = await steps.reclaim(click, FIRST)
    steps.now.time = late.lease_until
    return late, await steps.reclaim(click, SECOND)


async def test_a_card_is_adopted_only_by_the_claim(steps: Steps) -> None:
    """Who has lost the claim while it asked decides nothing, and who has it does."""
    late, row = await two_who_ask(steps)
    assert not await steps.store.adopt(late, CARD, late.fingerprint)
    assert await steps.store.adopt(row, CARD, row.fingerprint)


async def test_an_adopted_card_is_kept_a_day_longer_than_its_row(steps: Steps) -> None:
    """A card that is found late is known for as long as one that was answered."""
    await steps.claim(latest=START - HOUR)
    steps.now.time = START + DAY
    assert await steps.store.adopt(await steps.reclaim(token=SECOND), CARD, A)
    assert (await steps.row()).expires == START + 31 * DAY


@pytest.mark.parametrize(("late", "adopted"), [(-1, True), (0, False)])
async def test_a_card_is_adopted_while_all_rivals_have_their_rows(
    steps: Steps, late: float, adopted: bool
) -> None:
    """After 29 days the row of another click, whose card it may be, can have been deleted."""
    await steps.claim()
    steps.now.time = START + 29 * DAY + late
    assert await steps.store.adopt(await steps.reclaim(token=SECOND), CARD, A) is adopted


async def test_a_card_of_another_key_is_not_adopted(steps: Steps) -> None:
    """Two unknown clicks never come to one card, whoever adopts it last."""
    assert await steps.is_settled(OTHER_ISSUE, await steps.claim(OTHER_ISSUE))
    _, row = await two_who_ask(steps)
    with pytest.raises(CardTaken):
        await steps.store.adopt(row, CARD, row.fingerprint)


async def test_a_call_is_ruled_out_only_by_the_claim(steps: Steps) -> None:
    """Who has lost the claim while it asked decides nothing, and who has it does."""
    late, row = await two_who_ask(steps)
    assert not await steps.store.rule_out(late, START + 2 * HOUR)
    assert await steps.store.rule_out(row, START + 2 * HOUR)


async def test_a_call_is_ruled_out_by_a_list_that_was_asked_for_late_enough(steps: Steps) -> None:
    """How late it is when the list has come does not count: it may be from long before."""
    _, row = await two_who_ask(steps)
    assert steps.now.time > START + WINDOWS.late
    assert not await steps.store.rule_out(row, START + WINDOWS.late - 1)
    assert await steps.store.rule_out(row, START + WINDOWS.late)


async def test_an_uncertain_call_is_ruled_out_a_day_later(steps: Steps) -> None:
    """Where an earlier row may have been lost, an hour and a quarter proves nothing."""
    await steps.claim(mark=True, uncertain=True)
    steps.now.time = START + 26 * HOUR
    row = await steps.reclaim()
    assert not await steps.store.rule_out(row, START + WINDOWS.late_uncertain - 1)
    assert await steps.store.rule_out(row, START + WINDOWS.late_uncertain)


async def test_a_call_is_sent_again_only_by_the_claim(steps: Steps) -> None:
    """Of two who read the card one sends its simulation again, however late the other is."""
    late, row = await two_who_ask(steps, MOVE)
    assert await steps.resend(late) is None
    assert await steps.resend(row) is not None


async def test_a_call_that_is_sent_again_is_marked(steps: Steps) -> None:
    """An earlier run may have been carried out: a refusal of the later says nothing of it."""
    row = await steps.claim(MOVE)
    steps.now.time = START + 2 * HOUR
    resent = await steps.resend(row)
    assert resent is not None
    assert (resent.state, resent.indeterminate) == (State.SENDING, 1)


async def test_a_call_that_is_sent_again_is_kept_for_its_time(steps: Steps) -> None:
    """A simulation that is sent after 29 days is not forgotten a day later."""
    row = await steps.claim(MOVE)
    steps.now.time = START + 29 * DAY
    resent = await steps.resend(row)
    assert resent is not None
    assert resent.first_send == steps.now.time
    assert resent.expires == START + 59 * DAY


async def test_a_call_is_sent_again_by_a_look_that_was_late_enough(steps: Steps) -> None:
    """Before the provider has forgotten the key, a card that is not there yet proves nothing."""
    row = await steps.claim(MOVE)
    steps.now.time = START + 2 * HOUR
    assert await steps.resend(row, asked=START + WINDOWS.late - 1) is None
    assert await steps.resend(row, asked=START + WINDOWS.late) is not None


async def test_a_call_that_makes_a_card_is_not_sent_again(steps: Steps) -> None:
    """A card too many is no harmless thing."""
    row = await steps.claim()
    steps.now.time = START + 2 * HOUR
    assert await steps.resend(row) is None


async def test_a_claim_is_given_back_only_by_itself(steps: Steps) -> None:
    """A process that is late does not end the lease of another, which is sending."""
    _, second = await steps.take_over()
    await steps.store.release(KEY, FIRST)
    assert (await steps.row()).lease_until == second.lease_until
    await steps.store.release(KEY, SECOND)
    assert (await steps.row()).lease_until <= steps.now.time


# The store itself.


async def test_a_store_in_doubt_is_certain_of_later_keys_only(steps: Steps) -> None:
    """A key from before a loss may have had a row, and one that is made after it has none."""
    before, after = START + MINUTE, START + HOUR + MINUTE
    steps.now.time = START + HOUR
    await steps.store.doubt()
    steps.now.time = START + 2 * HOUR
    seen = await steps.store.look(KEY)
    assert not seen.is_certain
    assert not is_certain(dataclasses.replace(ISSUE, time=before), seen)
    assert is_certain(dataclasses.replace(ISSUE, time=after), seen)
