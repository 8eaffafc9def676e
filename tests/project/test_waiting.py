"""The tests' own waits: they end with the event, or with a sentence."""

import asyncio

import pytest

from tests.processes import Process
from tests.waiting import settled, skip_time, waiting_for


async def test_a_wait_in_vain_says_what_was_awaited() -> None:
    """A block that takes too long fails with what it waited for."""
    with pytest.raises(AssertionError, match=r"^Waited 0 s in vain for the provider\.$"):
        async with waiting_for("the provider", 0):
            await asyncio.Event().wait()


async def test_an_error_within_a_wait_stays_what_it_is() -> None:
    """A TimeoutError that the code under test raises is not taken for the end of the wait."""
    with pytest.raises(TimeoutError):
        async with waiting_for("nothing"):
            raise TimeoutError


@pytest.mark.process
def test_a_line_that_a_process_does_not_write_is_named() -> None:
    """The failure says which output was awaited, and the process does not outlive it."""
    process = Process("emulator", "--port", "0")
    process.wait_for("register-key")
    with pytest.raises(AssertionError, match=r"Waited 0 s in vain for 'no such line'"):
        process.wait_for("no such line", 0)
    assert process.stop() == 0


async def test_time_that_is_skipped_lets_limits_expire() -> None:
    """A limit of a minute is over at once when a minute is skipped, and not before."""
    limited = asyncio.create_task(asyncio.wait_for(asyncio.Event().wait(), 60))
    await settled()
    skip_time(20)
    await settled()
    assert not limited.done()
    skip_time(40)
    with pytest.raises(TimeoutError):
        await limited
