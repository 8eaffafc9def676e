"""What is done to the processes while cards are issued, in an order that the seed decides."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, TypeAlias

from tests.chaos.replica import Replica
from tests.chaos.servers import CALL_DEADLINE, LEASE, Servers

WORKER_KILLED = "a worker was killed"
WORKER_STOPPED = "a worker stood still for longer than a lease"
SUPERVISOR_KILLED = "a supervisor was killed"
REPLICA_KILLED = "a replica was killed with its workers"
CALLS_LATE = "calls arrived after their deadline"
DATABASE_KILLED = "the database was killed"
DATABASE_STOPPED = "the database stood still"
GIVEN_UP = "a replica gave up and was started again"

_LATE_FOR = 0.5  # seconds in which calls are late: few of them
_DATABASE_STANDS = 3.0  # seconds, longer than a statement may take
_LOOK_EVERY = 0.5
_Deed: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def kinds(engine: str, workers: int) -> list[str]:
    """What can be done: one worker serves without a supervisor."""
    found = [REPLICA_KILLED, CALLS_LATE]
    if workers > 1:
        found += [WORKER_KILLED, WORKER_STOPPED, SUPERVISOR_KILLED]
    if engine == "postgres":
        found += [DATABASE_KILLED, DATABASE_STOPPED]
    return found


def plan(wanted: Sequence[str], operations: int, seed: int) -> dict[int, str]:
    """After how many finished operations what is done: spread over the run, shuffled."""
    shuffled = list(wanted)
    Random(f"plan {seed}").shuffle(shuffled)
    step = operations / (len(shuffled) + 1)
    return {int(step * nth): kind for nth, kind in enumerate(shuffled, start=1)}


class Disturber:
    """Does it, one thing at a time to each process; ``done`` counts what has been done."""

    def __init__(self, servers: Servers, faults: Mapping[str, Any], seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._servers = servers
        self._faults = faults
        self._chance = Random(f"disturbances {seed}")
        self._locks = {id(replica): asyncio.Lock() for replica in servers.replicas}
        self._provider, self._database = asyncio.Lock(), asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._deeds: dict[str, _Deed] = {
            WORKER_KILLED: self._kill_worker,
            WORKER_STOPPED: self._stop_worker,
            SUPERVISOR_KILLED: self._kill_supervisor,
            REPLICA_KILLED: self._kill_replica,
            CALLS_LATE: self._delay_calls,
            DATABASE_KILLED: self._kill_database,
            DATABASE_STOPPED: self._stop_database,
        }

    def begin(self, kind: str) -> None:
        """Do one thing beside all that goes on."""
        self._tasks.append(asyncio.create_task(self._do(kind)))

    async def _do(self, kind: str) -> None:
        await self._deeds[kind]()
        self.done[kind] += 1

    async def finish(self) -> None:
        """Wait for all that was begun."""
        await asyncio.gather(*self._tasks)

    async def restart_for_ever(self) -> None:
        """Start replicas again that have ended by themselves, as an orchestrator does."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            for replica in self._servers.replicas:
                async with self._locks[id(replica)]:
                    if replica.has_given_up:
                        await asyncio.to_thread(replica.renew)
                        self.done[GIVEN_UP] += 1

    async def _kill_worker(self) -> None:
        replica = self._any_replica()
        async with self._locks[id(replica)]:
            _send(signal.SIGKILL, await self._any_worker(replica))

    async def _stop_worker(self) -> None:
        replica = self._any_replica()
        async with self._locks[id(replica)]:
            pid = await self._any_worker(replica)
            _send(signal.SIGSTOP, pid)
            try:
                await asyncio.sleep(LEASE + 0.5)
            finally:
                _send(signal.SIGCONT, pid)

    async def _kill_supervisor(self) -> None:
        await self._kill(with_workers=False)

    async def _kill_replica(self) -> None:
        await self._kill(with_workers=True)

    async def _kill(self, *, with_workers: bool) -> None:
        replica = self._any_replica()
        async with self._locks[id(replica)]:
            await asyncio.to_thread(replica.kill, with_workers=with_workers)

    async def _delay_calls(self) -> None:
        async with self._provider:
            late = {**self._faults, "latency": CALL_DEADLINE + 1}
            await asyncio.to_thread(self._servers.set_faults, **late)
            await asyncio.sleep(_LATE_FOR)
            # Other faults than before: a seed makes the same choices each time.
            seed = self._chance.getrandbits(32)
            await asyncio.to_thread(self._servers.set_faults, **{**self._faults, "seed": seed})

    async def _kill_database(self) -> None:
        cluster = self._servers.shared.cluster
        assert cluster is not None
        async with self._database:
            await asyncio.to_thread(cluster.kill)
            await asyncio.to_thread(cluster.start)

    async def _stop_database(self) -> None:
        cluster = self._servers.shared.cluster
        assert cluster is not None
        async with self._database:
            cluster.freeze()
            try:
                await asyncio.sleep(_DATABASE_STANDS)
            finally:
                cluster.thaw()

    def _any_replica(self) -> Replica:
        """One to which nothing is being done, if there is one."""
        replicas = self._servers.replicas
        free = [one for one in replicas if not self._locks[id(one)].locked()]
        return self._chance.choice(free or replicas)

    async def _any_worker(self, replica: Replica) -> int:
        return self._chance.choice(await asyncio.to_thread(replica.workers))


def _send(number: signal.Signals, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
