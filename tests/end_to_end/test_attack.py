"""A short form of ``make attack``: one attack of each kind, and what a neighbour notices of it."""

from pathlib import Path

import pytest

from tests.attack.attacker import ATTACKS
from tests.attack.scenario import scenario
from tests.unmeasured import unmeasured

pytestmark = pytest.mark.process
SHORT = [
    "header value without an end",
    "pipelined requests that nobody reads",
    "document: trial",
    "83 cards in new documents",
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("names", "seconds"),
    [(SHORT, 1), pytest.param(list(ATTACKS), 2, marks=pytest.mark.long)],
    ids=["short", "all"],
)
async def test_a_neighbour_is_served_during_attacks(
    tmp_path: Path, names: list[str], seconds: float
) -> None:
    """Whatever one client sends, another one's worst wait is at most 0.25 s, longer by as much as
    the machine is slow meanwhile, or 5 times its wait without the attack, leaving out the time in
    which other programs had the processors; it gets all its answers, and the gateway takes at most
    64 MiB more."""
    with unmeasured():
        async with scenario(tmp_path) as one:
            found = [await one.play(name, seconds) for name in names]
    assert {one.name: one.faults for one in found if one.faults} == {}
