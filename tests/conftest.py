"""Fixtures that many tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.stack import Stack, running


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    """A gateway in front of an emulator with its default options."""
    async with running() as stack:
        yield stack
