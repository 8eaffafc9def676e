"""The life of one worker: it builds the application, and serves what its channel brings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp

from gateway import serving
from gateway.cli.workers.channel import Channel
from gateway.errors import ConfigError
from gateway.events import Sink

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker serves, what its server tells of itself to, and what SIGHUP calls."""

    app: ASGIApp
    emit: Sink
    reload: Callable[[], Awaitable[None]] | None = None


def work(
    number: int,
    channel: Channel,
    build: Callable[[int], Served],
    bounds: serving.Bounds,
) -> int:
    """Serve until the supervisor asks for the end, or has ended itself; the exit code.

    ``build`` makes what the worker with this number serves, here and not before the fork: locks,
    connections and TLS contexts belong to one process.
    """
    try:
        served = build(number)
        server = serving.Server(
            served.app, channel, bounds, served.emit, supervised=True, reload=served.reload
        )
        serving.stop_on_signals(server)
        serving.run(server)
    except ConfigError as error:
        channel.tell(error.message.encode())
        return 2
    except SystemExit as end:  # uvicorn's, where the application does not start
        return end.code if isinstance(end.code, int) else 1
    except Exception as error:
        log.error("worker_failed", error=error)
        return 1
    return 0
