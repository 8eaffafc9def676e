"""Running an ASGI application on a socket of ours, with words a person understands."""

import errno
import gc
import ipaddress
import math
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.errors import ConfigError

BACKLOG = 2048
# Objects of one request are freed by counting; few are left for the collector to find.
THRESHOLDS = (10_000, 10, 10)


def listen(host: str, port: int, *, port_from: str = "--port") -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises ConfigError when it cannot be had; ``port_from`` is where another port can be set.
    """
    listener = None
    try:
        family, target = _resolve(host, port)
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except (OSError, ValueError) as error:
        if listener is not None:
            listener.close()
        why = _reason(error, port_from)
        raise ConfigError([f"Cannot listen on {host} port {port}: {why}."]) from error
    return listener


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The first address of a host name, of IPv4 where there is one."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, target = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, target


def _reason(error: Exception, port_from: str) -> str:
    if isinstance(error, socket.gaierror | ValueError):
        return "the host name cannot be resolved"
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return f"address already in use; choose another port with {port_from}"
        case OSError(errno=errno.EACCES):
            return f"permission denied; choose a port from 1024 on with {port_from}"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return "this machine does not have that address"
        case OSError(strerror=str(words)):
            return words.lower()
    return "it cannot be used"


def address(listener: socket.socket) -> str:
    """A URL under which this machine reaches the listener: an address, never "all addresses"."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server(
    app: ASGIApp, listener: socket.socket, *, date_header: bool = True, grace: float = 5
) -> Callable[[], None]:
    """What serves until SIGINT or SIGTERM; requests in flight get ``grace`` seconds to be answered.

    From now on these signals mean an orderly end: it can be told that the server runs before it
    does, and whoever stops it then is obeyed.
    """
    uvicorn_server = uvicorn.Server(configuration(app, date_header=date_header, grace=grace))
    stop_on_signals(uvicorn_server)
    return partial(run, uvicorn_server, [listener])


def configuration(app: ASGIApp, *, date_header: bool = True, grace: float = 5) -> uvicorn.Config:
    """How uvicorn serves an application here."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=date_header,
        timeout_graceful_shutdown=math.ceil(grace),
        proxy_headers=False,  # nobody's X-Forwarded-For is believed
    )


def run(uvicorn_server: uvicorn.Server, listeners: list[socket.socket]) -> None:
    """Serve until the server is told to end."""
    _leave_alone_what_is_there()
    uvicorn_server.run(sockets=listeners)


def stop_on_signals(uvicorn_server: uvicorn.Server) -> None:
    """End the server in an orderly way, with exit code 0, from now on.

    uvicorn takes the signals over only once its event loop runs, and raises them once more when it
    has finished: before that a signal must not be lost, after that it must not kill the process.
    """

    def stop(*_: object) -> None:
        uvicorn_server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _leave_alone_what_is_there() -> None:
    """Keep modules and schema out of the garbage collections: they live as long as the process."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
