"""A listening socket, with words a person understands where it cannot be had."""

import errno
import ipaddress
import socket
from typing import Any

from gateway.errors import ConfigError

BACKLOG = 2048


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


class ListeningSocket:
    """The connections that a listening socket brings, for ``Server``."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        listener.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable with a connection."""
        return self._listener.fileno()

    def take(self) -> socket.socket | None:
        """The next connection, or None; raises OSError where the process has no descriptor left."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # or its client has gone meanwhile
            return None
        connection.setblocking(False)
        return connection

    def leave(self) -> None:
        """Close the socket: whoever connects from now on is refused."""
        self._listener.close()

    def is_up(self) -> None:
        """Nobody waits for this."""
