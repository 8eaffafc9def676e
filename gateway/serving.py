"""Running an ASGI application on a socket of ours, with words a person understands."""

import gc
import math
import signal
import socket

import uvicorn
from starlette.types import ASGIApp

from gateway.errors import ConfigError

BACKLOG = 2048
# Objects of one request are freed by counting; few are left for the collector to find.
THRESHOLDS = (10_000, 10, 10)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises ConfigError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or "it cannot be used"
        raise ConfigError([f"Cannot listen on {host} port {port}: {reason.lower()}."]) from error
    return listener


def address(listener: socket.socket) -> str:
    """The listener's address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    app: ASGIApp, listener: socket.socket, *, date_header: bool = True, grace: float = 5
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight get ``grace`` seconds to be answered."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal once more when it has finished: an orderly end is exit code 0.
        signal.signal(stop, lambda *_: None)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=date_header,
        timeout_graceful_shutdown=math.ceil(grace),
        proxy_headers=False,  # nobody's X-Forwarded-For is believed
    )
    _leave_alone_what_is_there()
    uvicorn.Server(config).run(sockets=[listener])


def _leave_alone_what_is_there() -> None:
    """Keep modules and schema out of the garbage collections: they live as long as the process."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
