"""No document within the limits costs much more than any other."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.document_costs import Gateway
from tests.hostile_documents import DOCUMENTS, Maker, plain
from tests.waiting import PATIENCE

MOST = 0.060  # seconds of CPU, from the text to the answer
# The same where the machine is slower or busy: a plain document took 1.5 ms where MOST was set.
MOST_PLAIN = 40
MEMORY = 64  # MiB


async def least(gateway: Gateway, maker: Maker, first: int) -> float:
    """The cost of a document of this kind: what else the machine does only adds to it."""
    return min([await gateway.cost(maker, first + number) for number in range(5)])


async def is_cheap(gateway: Gateway, maker: Maker) -> bool:
    """Whether a document of this kind takes little, in one of a few tries at least."""
    for first in range(0, 25, 5):
        usual = await least(gateway, plain, first)
        if await least(gateway, maker, first) <= max(MOST, MOST_PLAIN * usual):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    "closed",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["development", "production"],
)
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_no_document_costs_much(name: str, closed: bool) -> None:
    """Whatever stands in a document, its preparation and its first execution take few ms."""
    tracer = sys.gettrace()
    sys.settrace(None)  # counting coverage makes everything several times as slow
    try:
        gateway = Gateway(introspection=not closed, suggestions=not closed)
        assert await is_cheap(gateway, DOCUMENTS[name]), gateway.told
    finally:
        sys.settrace(tracer)


def resident(process: str) -> str:
    """What a process prints that runs this program: MiB, before and after the attack."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", process]
    ended = subprocess.run(
        command, cwd=root, capture_output=True, check=True, text=True, timeout=PATIENCE
    )
    return ended.stdout


ATTACK = """
import asyncio
from tests.document_costs import Gateway
from tests.hostile_documents import DOCUMENTS, plain

def resident():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * 4096 / 2**20

async def attack():
    gateway = Gateway(introspection=True, suggestions=True)
    for number in range(20):
        await gateway.cost(plain, number)
    before = resident()
    for number in range(ROUNDS):
        for name in NAMES or DOCUMENTS:
            await gateway.cost(DOCUMENTS[name], 100 + number)
    print(before, resident())

asyncio.run(attack())
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("names", "rounds"),
    [
        (["many_aliases"], 2),
        pytest.param([], 2, marks=pytest.mark.long),
        pytest.param(["many_aliases", "largest_valid"], 30, marks=pytest.mark.long),
        pytest.param(["conditions_everywhere"], 40, marks=pytest.mark.long),
        pytest.param(["many_places"], 600, marks=pytest.mark.long),
    ],
    ids=["one", "all", "plans", "texts", "errors"],
)
def test_what_is_kept_is_bounded(names: list[str], rounds: int) -> None:
    """After hundreds of hostile documents the process is hardly larger than before."""
    program = ATTACK.replace("NAMES", repr(names)).replace("ROUNDS", str(rounds))
    before, after = map(float, resident(program).split())
    assert after - before <= MEMORY
