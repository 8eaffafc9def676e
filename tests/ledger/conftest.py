"""Worlds that the tests of the ledger share; a module may have its own ``world``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ledger.world import DURABLE, Process, World, url_for, world_of


@pytest.fixture(params=DURABLE)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose store outlives its processes, and has lost nothing."""
    async with world_of(request.param, tmp_path, url=url_for(request)) as made:
        yield made


@pytest.fixture
async def one(world: World) -> Process:
    """A gateway in it."""
    return await world.process()
