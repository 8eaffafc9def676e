"""A gateway with the usual settings, a provider, a neighbour, and one attack after the other."""

import asyncio
import contextlib
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.config import Settings
from tests.attack.neighbour import Neighbour, Waits
from tests.pair import pair
from tests.processes import ROOT, memory_of
from tests.stack import ISSUE, LIMITS, issue_input
from tests.tokens import IdentityProvider

SHORTEST = 0.25  # seconds that a neighbour may have to wait in any case, on a usual machine
FACTOR = 5  # or so many times as long as without the attack
MEMORY = 64 * 1024 * 1024  # bytes more than at rest
DESCRIPTORS = 1024
TRIES = 3  # what a busy machine does to a neighbour, it does not do each time
_BETWEEN = 0.05  # seconds between two looks at the memory


@dataclass
class Found:
    """What one attack did to the neighbour and to the gateway."""

    name: str
    before: Waits
    during: Waits
    at_rest: int
    peak: int
    sent: int
    codes: dict[str, int]
    tries: int = 1

    @property
    def allowed(self) -> float:
        """Seconds that the neighbour may have waited."""
        return max(SHORTEST * self.during.slowness, FACTOR * self.before.worst)

    @property
    def faults(self) -> list[str]:
        """What was not as promised."""
        found = self.during.failures[:3]
        if self.during.worst > self.allowed:
            found.append(
                f"the neighbour waited {self.during.worst:.3f} s, over {self.allowed:.3f} s"
            )
        if self.peak > self.at_rest + MEMORY:
            found.append(f"{(self.peak - self.at_rest) / 2**20:.0f} MiB more than at rest")
        if not self.sent:
            found.append("nothing was sent")
        return found


class Scenario:
    """The gateway and its neighbour, ready to be attacked."""

    def __init__(self, pid: int, port: int, token: str, neighbour: Neighbour) -> None:
        self._pid = pid
        self._port = port
        self._token = token
        self._neighbour = neighbour
        self._at_rest = memory_of(pid)

    async def play(self, name: str, seconds: float) -> Found:
        """One attack, repeated where the machine may have been to blame."""
        for tries in range(1, TRIES + 1):
            found = await self._once(name, seconds)
            found.tries = tries
            if not found.faults:
                break
        return found

    async def _once(self, name: str, seconds: float) -> Found:
        async with self._neighbour.asking() as before:
            await asyncio.sleep(min(seconds, 1))
        async with self._neighbour.asking() as during:
            attacker = asyncio.create_task(self._attack(name, seconds))
            peak = await self._peak_until(attacker)
        told = await attacker
        return Found(name, before, during, self._at_rest, peak, told["sent"], told["codes"])

    async def _attack(self, name: str, seconds: float) -> Any:
        words = [sys.executable, "-m", "tests.attack.attacker", name, str(self._port), str(seconds)]
        environment = {**os.environ, "TOKEN": self._token}
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=environment
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, name
        return json.loads(printed)

    async def _peak_until(self, task: "asyncio.Task[Any]") -> int:
        peak = memory_of(self._pid)
        while not task.done():
            await asyncio.wait([task], timeout=_BETWEEN)
            peak = max(peak, memory_of(self._pid))
        return peak


@contextlib.asynccontextmanager
async def scenario(folder: Path) -> AsyncIterator[Scenario]:
    """Run gateway and provider, with callers that are told apart, for the length of a block."""
    identity = IdentityProvider(folder)
    usual = {name: Settings.model_fields[name].default for name in LIMITS}
    settings = identity.settings(**usual, log_level="error")
    given: dict[str, Any] = {name: str(value) for name, value in settings.items()}
    async with contextlib.AsyncExitStack() as stack:
        with few_descriptors():
            one = await stack.enter_async_context(pair(folder, **given))
        tokens = [identity.token(sub=name) for name in ("neighbour", "attacker")]
        port = int(one.url.rpartition(":")[2])
        card_id = await _issued(one.url, tokens[0])
        processes = (one.gateway.pid, one.emulator.pid)
        neighbour = Neighbour(port, tokens[0], card_id, processes)
        async with neighbour.asking():
            await asyncio.sleep(0.5)
        yield Scenario(one.gateway.pid, port, tokens[1], neighbour)


@contextlib.contextmanager
def few_descriptors() -> Iterator[None]:
    """Let processes that are started now have as few descriptors as is usual."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def _issued(url: str, token: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        body = {"query": ISSUE, "variables": issue_input()}
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.post(f"{url}/graphql", json=body, headers=headers)
        return str(answer.json()["data"]["issueVirtualCard"]["card"]["id"])
