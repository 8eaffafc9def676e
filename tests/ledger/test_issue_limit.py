"""The limit of cards that are issued for one account in 24 hours, on each engine."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from gateway import errors
from gateway.events import IssueLimitHit
from tests.ledger.world import (
    DAY,
    DURABLE,
    ENGINES,
    HOUR,
    MINUTE,
    Process,
    World,
    url_for,
    world_of,
)

LIMIT = 3
OTHER_ACCOUNT = uuid.UUID(int=77)


@pytest.fixture(params=ENGINES)
async def limited(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose accounts may each have three cards a day."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        made.account_limit = LIMIT
        yield made


@pytest.fixture(params=DURABLE)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """The same where rows outlive the process."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        made.account_limit = LIMIT
        yield made


@pytest.fixture
async def gateway(limited: World) -> Process:
    """A gateway of it."""
    return await limited.process()


async def issue(gateway: Process, number: int) -> None:
    """Issue so many cards, each with a key of its own."""
    for _ in range(number):
        await gateway.ask(uuid.uuid4())


async def is_limited(gateway: Process) -> float:
    """The seconds after which a click may be sent again that the limit refuses."""
    told = await gateway.told(uuid.uuid4())
    assert isinstance(told, errors.RateLimited), told
    assert told.limited_by is errors.LimitedBy.GATEWAY
    assert told.retry_after is not None
    return told.retry_after


async def test_one_more_card_than_the_limit_is_refused(limited: World, gateway: Process) -> None:
    """The limit holds for keys of their own, nothing is sent, and an event tells of it."""
    await issue(gateway, LIMIT)
    assert await is_limited(gateway) == DAY
    assert limited.made == len(limited.provider.calls) == LIMIT
    assert sum(isinstance(event, IssueLimitHit) for event in limited.events) == 1


async def test_cards_leave_the_limit_a_day_after_they_were_issued(
    limited: World, gateway: Process
) -> None:
    """The window moves: each card makes room for another one 24 hours after its own click."""
    await issue(gateway, 1)
    limited.now.time += HOUR
    await issue(gateway, LIMIT - 1)
    assert await is_limited(gateway) == DAY - HOUR
    limited.now.time += DAY - HOUR
    await issue(gateway, 1)
    assert await is_limited(gateway) == HOUR


async def test_what_a_key_has_come_to_is_told_in_any_case(limited: World, gateway: Process) -> None:
    """A key that is known gets its card, also where the account has reached its limit."""
    first = await gateway.ask()
    await issue(gateway, LIMIT - 1)
    assert (await gateway.ask()).card_id == first.card_id


async def test_a_call_without_an_answer_counts_and_is_sent_again(
    limited: World, gateway: Process
) -> None:
    """It may have made a card; its repeat is one attempt more of the same click, and no new one."""
    limited.provider.ending = "lost before"
    assert isinstance(await gateway.told(), errors.OutcomeUnknown)
    limited.provider.ending = "card"
    await issue(gateway, LIMIT - 1)
    await is_limited(gateway)
    await gateway.ask()
    assert limited.made == LIMIT


async def test_a_refused_call_does_not_count(limited: World, gateway: Process) -> None:
    """What the provider did not carry out leaves the account its room."""
    limited.provider.ending = errors.Refused("no")
    for _ in range(LIMIT + 1):
        assert isinstance(await gateway.told(uuid.uuid4()), errors.Refused)
    limited.provider.ending = "card"
    await issue(gateway, LIMIT)


async def test_a_call_that_was_not_executed_does_not_count(kept: World) -> None:
    """Once it is found out that a call made no card, there is room for another one."""
    limited, gateway = kept, await kept.process()
    limited.provider.ending = "lost before"
    assert isinstance(await gateway.told(), errors.OutcomeUnknown)
    limited.provider.ending = "card"
    limited.now.time += 2 * HOUR
    assert isinstance(await gateway.told(), errors.NotExecuted)
    await issue(gateway, LIMIT)


async def test_other_accounts_and_calls_about_cards_are_apart(
    limited: World, gateway: Process
) -> None:
    """The limit of one account is nobody else's, and holds for no call about a card."""
    await issue(gateway, LIMIT)
    await gateway.ask(uuid.uuid4(), target=uuid.uuid4(), operation="terminateCard")
    await gateway.ask(uuid.uuid4(), account=OTHER_ACCOUNT)


async def test_a_key_cannot_claim_to_be_older(limited: World, gateway: Process) -> None:
    """The time of a version 7 key is the client's, and that of the store is what counts."""
    age = 30 * MINUTE
    for _ in range(LIMIT):
        await gateway.ask(uuid.uuid4(), time=limited.now() - age)
    assert await is_limited(gateway) == DAY


async def test_clicks_at_once_come_to_the_limit_and_not_beyond(
    limited: World, gateway: Process
) -> None:
    """Of many clicks at once, in several gateways, as many get a card as the limit says."""
    shared = limited.kind != "memory"
    gateways = [gateway, await limited.process(), await limited.process()] if shared else [gateway]
    clicks = [one.ask(uuid.uuid4()) for one in gateways for _ in range(2 * LIMIT)]
    ended = await asyncio.gather(*clicks, return_exceptions=True)
    refused = [one for one in ended if isinstance(one, BaseException)]
    assert len(ended) - len(refused) == limited.made == LIMIT
    assert all(isinstance(one, errors.RateLimited) for one in refused)


async def test_two_requests_with_one_key_are_one_card(kept: World) -> None:
    """A click that comes twice, to two gateways, takes one place; nobody is refused for it."""
    gateway, other = await kept.process(), await kept.process()
    await issue(gateway, LIMIT - 1)
    key = uuid.uuid4()
    ended = await asyncio.gather(gateway.ask(key), other.ask(key))
    assert ended[0].card_id == ended[1].card_id
    assert kept.made == LIMIT


async def test_the_count_outlives_the_process(kept: World) -> None:
    """A restart begins no new day."""
    gateway = await kept.process()
    await issue(gateway, LIMIT)
    await is_limited(await kept.restart(gateway))


async def test_cards_from_before_the_limit_count(kept: World) -> None:
    """A limit that is set anew counts the cards of the last day."""
    kept.account_limit = None
    gateway = await kept.process()
    await issue(gateway, LIMIT + 1)
    kept.account_limit = LIMIT
    assert await is_limited(await kept.restart(gateway)) > DAY - MINUTE


SLOW_COMMIT = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$",
    "CREATE TRIGGER slow AFTER INSERT ON idempotency_key FOR EACH ROW EXECUTE FUNCTION slow()",
)


@pytest.mark.parametrize("kept", DURABLE[1:], indirect=True)
async def test_transactions_that_overlap_see_each_other(kept: World) -> None:
    """Where a claim takes long to commit, another one for its account does not overlook it."""
    gateway = await kept.process()
    with psycopg.connect(kept.url, autocommit=True) as connection:
        for statement in SLOW_COMMIT:
            connection.execute(statement)
    clicks = [gateway.ask(uuid.uuid4()) for _ in range(LIMIT + 2)]
    await asyncio.gather(*clicks, return_exceptions=True)
    assert kept.made == LIMIT
