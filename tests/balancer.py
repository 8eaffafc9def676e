"""A small TCP load balancer: it sends each connection to a gateway whose ``/readyz`` is 200."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import httpx

from tests.waiting import PATIENCE, waiting_for


class Balancer:
    """Forwards bytes, and knows nothing of HTTP but the health checks that it makes itself."""

    def __init__(self) -> None:
        self._ports: list[int] = []
        self._ready: list[int] = []
        self._turn = 0
        self._connections: Counter[int] = Counter()
        self._changed = asyncio.Condition()
        self.port = 0

    def add(self, port: int) -> None:
        """Look at the gateway on this port, too."""
        self._ports.append(port)

    async def until(self, ready: set[int], idle: int | None = None) -> None:
        """Wait until these gateways are ready, and ``idle`` has no connection left."""
        async with waiting_for(f"{ready} to be ready and {idle} to be idle"), self._changed:
            await self._changed.wait_for(
                lambda: set(self._ready) == ready and not (idle and self._connections[idle])
            )

    async def _watch(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            while True:
                ready = [port for port in self._ports if await self._is_ready(client, port)]
                async with self._changed:
                    self._ready = ready
                    self._changed.notify_all()
                await asyncio.sleep(0.05)

    async def _is_ready(self, client: httpx.AsyncClient, port: int) -> bool:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        port = self._ready[self._turn % len(self._ready)]
        self._connections[port] += 1
        try:
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        finally:
            self._connections[port] -= 1
            async with self._changed:
                self._changed.notify_all()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Run a balancer for the length of a block."""
    balancer = Balancer()
    server = await asyncio.start_server(balancer._forward, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    watching = asyncio.create_task(balancer._watch())
    try:
        yield balancer
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        server.close()
