"""ASGI applications on loopback sockets, which are gone as soon as a test is done with them."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tests.waiting import settled


class _Server(uvicorn.Server):
    """uvicorn without its waits for clients, of which none is left when a test is over."""

    def start(self) -> None:
        """Load what ``serve`` would load."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners and connections at once, and wait until they are closed."""
        for server in self.servers:
            server.close()
        for task in self.server_state.tasks:
            task.cancel()
        for connection in self.server_state.connections:
            connection.transport.abort()
        await settled()


@contextlib.asynccontextmanager
async def on_loopback(app: ASGIApp, certificate: Path | None = None) -> AsyncIterator[int]:
    """Serve it from the running event loop, over TLS where there is a certificate; its port."""
    tls: dict[str, Any] = {} if certificate is None else {"ssl_certfile": certificate}
    config = uvicorn.Config(app, log_config=None, lifespan="off", date_header=False, **tls)
    server, listener = _Server(config), socket.create_server(("127.0.0.1", 0))
    server.start()
    await server.startup([listener])
    try:
        yield listener.getsockname()[1]
    finally:
        await server.shutdown()
        listener.close()
