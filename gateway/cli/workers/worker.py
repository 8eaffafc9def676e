"""The life of one worker: it builds the application, and serves what its channel brings."""

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from gateway.cli import serving
from gateway.cli.workers.channel import READY, Channel
from gateway.errors import ConfigError

log = structlog.get_logger()


def work(number: int, channel: Channel, build: Callable[[int], ASGIApp], grace: float) -> int:
    """Serve until the supervisor asks for the end, or has ended itself; the exit code.

    ``build`` makes the application of the worker with this number, here and not before the fork:
    its locks, connections and TLS contexts belong to one process.
    """
    try:
        server = _Server(serving.configuration(build(number), grace=grace), channel)
        serving.stop_on_signals(server)
        serving.run(server, [])
    except ConfigError as error:
        channel.tell(error.message.encode())
        return 2
    except SystemExit as end:  # uvicorn's, where the application does not start
        return end.code if isinstance(end.code, int) else 1
    except Exception as error:
        log.error("worker_failed", error=error)
        return 1
    return 0


class _Server(uvicorn.Server):
    """uvicorn without a listening socket: connections come over a channel."""

    def __init__(self, config: uvicorn.Config, channel: Channel) -> None:
        super().__init__(config)
        self._channel = channel
        self._arriving: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application; then say so, and take connections."""
        await super().startup(sockets=[])
        asyncio.get_running_loop().add_reader(self._channel.lower, self._take)
        self._channel.tell(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end as uvicorn does: what is in flight is answered."""
        asyncio.get_running_loop().remove_reader(self._channel.lower)
        self._channel.leave()
        await asyncio.gather(*self._arriving)
        await super().shutdown(sockets=[])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, however often one is told: a second Ctrl-C breaks no request off."""
        self.should_exit = True

    def _take(self) -> None:
        try:
            connection = self._channel.take()
        except EOFError:  # at each look from now on: one is enough
            asyncio.get_running_loop().remove_reader(self._channel.lower)
            log.warning("supervisor_is_gone")
            self.should_exit = True
            return
        if connection is not None:
            task = asyncio.create_task(self._begin(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _begin(self, connection: socket.socket) -> None:
        """Give a connection to the HTTP protocol, as uvicorn does with those that it accepts."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # its client has gone meanwhile
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        make = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
