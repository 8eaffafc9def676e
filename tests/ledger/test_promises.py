"""Until when the ledger promises that a request can be sent again, of each kind of row."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ledger import Windows
from gateway.ledger.refusals import unknown
from tests.ledger.world import (
    DAY,
    LOST,
    MINUTE,
    START,
    Process,
    World,
    world_of,
)

WINDOWS = Windows()


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose store ends with its process."""
    async with world_of("memory", tmp_path) as made:
        yield made


async def promised(process: Process) -> int:
    """For how many seconds from now a request with the key can be sent again."""
    return process.ledger.promise(await process.ledger.look(process.world.key)).seconds


async def test_a_kept_row_is_good_for_as_long_as_it_is_kept(world: World) -> None:
    """Where nothing is lost, a request with the key learns the outcome for 30 days."""
    one = await world.process()
    world.provider.ending = LOST
    await one.told()
    world.now.time = START + DAY
    assert await promised(one) == 29 * DAY


async def test_an_uncertain_row_is_good_for_the_send_window(world: World) -> None:
    """What is found out of a key whose earlier row was lost may be nothing: only a send is sure."""
    one = await world.process()
    world.provider.ending = unknown(in_flight=False, key_known=True)
    await one.told()
    one = await world.restart(one)
    world.now.time = START + 10 * MINUTE
    assert await promised(one) == WINDOWS.send - 10 * MINUTE


async def test_a_row_in_memory_is_good_for_the_send_window(memory: World) -> None:
    """What ends with the process cannot be found out after it."""
    one = await memory.process()
    memory.provider.ending = LOST
    await one.told()
    memory.now.time = START + 10 * MINUTE
    assert await promised(one) == WINDOWS.send - 10 * MINUTE


async def test_a_request_that_may_have_to_wait_must_come_earlier(memory: World) -> None:
    """While another one's lease runs a retry waits for its end, and must still be sent then."""
    one = await memory.process()
    memory.provider.gate.clear()
    memory.provider.ending = LOST
    asked = asyncio.create_task(one.told())
    await memory.provider.wait_for_calls()
    memory.now.time = START + 5
    left = WINDOWS.send - 5
    assert await promised(one) == left - (WINDOWS.lease - 5)
    memory.provider.gate.set()
    await asked
    assert await promised(one) == left


async def test_a_window_that_is_over_promises_nothing(memory: World) -> None:
    """No promise is for a time before now."""
    one = await memory.process()
    memory.provider.ending = LOST
    await one.told()
    memory.now.time = START + DAY
    assert await promised(one) == 0
