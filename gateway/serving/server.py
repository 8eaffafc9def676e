"""The server: it takes connections, and ends in an order that loses nothing.

How it ends
-----------
::

    SIGTERM ──► not ready, accepting    readiness delay; a second signal, or SIGINT, ends it at once
            ──► requests in progress    drain: what has not come in whole is dropped
            ──► settling                the application writes down what its calls came to

Kubernetes stops sending new connections only some seconds after it sends SIGTERM: whoever closes
the listening socket at once refuses those that are still on their way.
"""

import asyncio
import gc
import math
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.events import (
    ConnectionsCounted,
    ConnectionsNotAccepted,
    RequestsCutOff,
    ServerEnds,
    Sink,
    SupervisorGone,
)
from gateway.runtime import Shutdown
from gateway.serving.bounds import Bounds
from gateway.serving.connections import Connections
from gateway.serving.protocol import BoundedHttp

# Objects of one request are freed by counting; few are left for the collector to find.
_THRESHOLDS = (10_000, 10, 10)
_AT_ONCE = 16  # connections that are taken before others are closed to make room for them
_EXHAUSTED = 0.1  # seconds without accepting where the process has no descriptor left
_TICK = 0.1  # seconds
_TICKS_OF_A_COUNT = 20


class Source(Protocol):
    """Where connections come from."""

    def fileno(self) -> int:
        """What becomes readable with a connection."""

    def take(self) -> socket.socket | None:
        """The next connection, or None; raises EOFError when there will be no more, and OSError."""

    def leave(self) -> None:
        """Take no more connections."""

    def is_up(self) -> None:
        """Learn that the application has started."""


def run(server: "Server") -> None:
    """Serve until the server is told to end."""
    _leave_alone_what_is_there()
    server.run()


def stop_on_signals(server: "Server") -> None:
    """End the server in an orderly way, with exit code 0, from now on.

    Call this before anybody is told that the server runs: whoever stops it then is obeyed. uvicorn
    takes the signals over only once its event loop runs, and raises them once more when it has
    finished: before that a signal must not be lost, after that it must not kill the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    if server.reloads:
        signal.signal(signal.SIGHUP, server.handle_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])


def hold_reloads() -> None:
    """Keep SIGHUP back until ``stop_on_signals``: it must neither end the process nor be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])


def _leave_alone_what_is_there() -> None:
    """Keep modules and schema out of the garbage collections: they live as long as the process."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


class Server(uvicorn.Server):
    """uvicorn's server, with connections from a source, and the end that is described above.

    ``supervised``: see ``handle_exit``. uvicorn's ``date_header`` says when an answer was made.
    ``beside`` is a server that runs in the same event loop, for as long as this one, and ``reload``
    is called where SIGHUP asks for it.
    """

    def __init__(
        self,
        app: ASGIApp,
        source: Source,
        bounds: Bounds,
        emit: Sink,
        *,
        date_header: bool = True,
        supervised: bool = False,
        beside: "SideServer | None" = None,
        reload: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        config = uvicorn.Config(
            _Interruptible(app),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=date_header,
            proxy_headers=False,  # nobody's X-Forwarded-For is believed
            ws="none",
        )
        super().__init__(config)
        self._source = source
        self._bounds = bounds
        self._emit = emit
        self._supervised = supervised
        self._beside = beside
        self._reload = reload
        self._reload_is_wanted = False
        self._connections = Connections(bounds.connections, emit)
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepts = True
        self._hurries = self._ends = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order; who is told twice, or by SIGINT, does not stay ready any longer.

        For a supervised process only SIGINT counts so: a SIGTERM that goes to all processes of a
        service, as systemd sends it, comes once more from the supervisor.
        """
        told_twice = self.should_exit and not self._supervised
        self._hurries = self._hurries or told_twice or sig == signal.SIGINT
        self.should_exit = True

    @property
    def reloads(self) -> bool:
        """Whether SIGHUP means something to it."""
        return self._reload is not None

    def handle_reload(self, _sig: int, _frame: FrameType | None) -> None:
        """Reload settings soon, from the event loop."""
        self._reload_is_wanted = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections."""
        await super().startup(sockets=[])
        asyncio.get_running_loop().add_reader(self._source.fileno(), self._take)
        self._source.is_up()
        if self._beside is not None:
            self._beside.begin()

    async def on_tick(self, counter: int) -> bool:
        """Tell of the connections every two seconds, beside what uvicorn does at each tick."""
        if counter % _TICKS_OF_A_COUNT == 0:
            self._emit(ConnectionsCounted(open=len(self._connections)))
        if self._reload_is_wanted and self._reload is not None:
            self._reload_is_wanted = False
            await self._reload()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as the head of this file says."""
        delay = 0 if self._hurries else self._bounds.readiness_delay
        self._emit(ServerEnds(readiness_delay=delay))
        await self._stay_ready_to_accept(delay)
        await self._take_the_last()
        await self._drain()
        await self.lifespan.shutdown()
        if self._beside is not None:
            await self._beside.end()

    async def _stay_ready_to_accept(self, delay: float) -> None:
        """Say that this server is not ready, and serve on until that has been noticed."""
        loop = asyncio.get_running_loop()
        accepts_until = loop.time() + delay
        told: Shutdown | None = self.lifespan.state.get("shutdown")
        self._announce_end(told)
        ticks = 0
        while loop.time() < accepts_until and not self._hurries:
            await asyncio.sleep(_TICK)
            ticks += 1
            await self.on_tick(ticks)
        if told is not None:
            told.calls_end_at = loop.time() + self._bounds.drain

    def _announce_end(self, told: Shutdown | None) -> None:
        """Let the application know, and each connection: its next answer is the last one."""
        self._ends = True
        if told is not None:
            told.begun = True
        for protocol in self._protocols():
            protocol.announce_end()

    def _protocols(self) -> list[BoundedHttp]:
        return [one for one in self.server_state.connections if isinstance(one, BoundedHttp)]

    async def _take_the_last(self) -> None:
        """Take what has connected, then nothing more."""
        self._accepts = False
        asyncio.get_running_loop().remove_reader(self._source.fileno())
        self._take(most=math.inf)
        self._source.leave()
        await asyncio.gather(*self._arriving)

    async def _drain(self) -> None:
        """Wait for the answers of requests in progress; those that take too long are cut off."""
        for protocol in self._protocols():
            protocol.shutdown()
        until = asyncio.get_running_loop().time() + self._bounds.drain
        while asyncio.get_running_loop().time() < until:
            if not self.server_state.connections and not self.server_state.tasks:
                return
            await asyncio.sleep(_TICK)
        self._emit(RequestsCutOff(requests=len(self.server_state.tasks)))
        for protocol in self._protocols():
            protocol.cut_off()
        for task in self.server_state.tasks:
            task.cancel()

    def _take(self, most: float = _AT_ONCE) -> None:
        try:
            while len(self._arriving) < most and (one := self._source.take()) is not None:
                task = asyncio.create_task(self._begin(one))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)
        except EOFError:  # at each look from now on: one is enough
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            if self._accepts:
                self._emit(SupervisorGone())
            self._hurries = self.should_exit = True
        except OSError as error:
            self._pause(error)

    def _pause(self, error: OSError) -> None:
        """Close a connection that waits, and try again: the kernel's queue keeps what arrives."""
        self._emit(ConnectionsNotAccepted(error=type(error).__name__))
        self._connections.make_room()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._source.fileno())
        loop.call_later(_EXHAUSTED, self._take_again)

    def _take_again(self) -> None:
        if self._accepts:
            asyncio.get_running_loop().add_reader(self._source.fileno(), self._take)

    async def _begin(self, connection: socket.socket) -> None:
        """Give a connection to the HTTP protocol."""
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # its client has gone meanwhile
            connection.close()

    def _protocol(self) -> BoundedHttp:
        protocol = BoundedHttp(
            self.config,
            self.server_state,
            self.lifespan.state,
            bounds=self._bounds,
            connections=self._connections,
            emit=self._emit,
        )
        if self._ends:
            protocol.announce_end()
        return protocol


class SideServer(Server):
    """A server in the event loop of another one, which gets the signals of the process."""

    _serving: asyncio.Task[None]

    def begin(self) -> None:
        """Serve until ``end``."""
        self._serving = asyncio.create_task(self.serve())

    async def end(self) -> None:
        """Answer what was asked, and stop."""
        self._hurries = self.should_exit = True
        await self._serving

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the other server."""
        yield


class _Interruptible:
    """An application whose cancellation is no error: only the end of the server cancels."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
