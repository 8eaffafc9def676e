"""The life of one worker: it builds the application, and serves what its channel brings."""

from collections.abc import Callable

import structlog
from starlette.types import ASGIApp

from gateway import serving
from gateway.cli.workers.channel import Channel
from gateway.errors import ConfigError
from gateway.events import Sink

log = structlog.get_logger()


def work(
    number: int,
    channel: Channel,
    build: Callable[[int], tuple[ASGIApp, Sink]],
    bounds: serving.Bounds,
) -> int:
    """Serve until the supervisor asks for the end, or has ended itself; the exit code.

    ``build`` makes the application of the worker with this number, and what its server tells of
    itself to, here and not before the fork: locks, connections and TLS contexts belong to one
    process.
    """
    try:
        app, emit = build(number)
        server = serving.Server(app, channel, bounds, emit, supervised=True)
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
