"""Serving an ASGI application over HTTP/1.1, with bounds on everything that a client can make us
keep, and an end that loses nothing.

accepted socket ──► BoundedHttp ──► application
                     │                 ▲
                     └ Connections     └ Shutdown: the application learns that the server ends

uvicorn does the work. What it leaves open is closed here: bytes and time that a request may take,
the number of connections, and the order of the end.
"""

from gateway.serving.bounds import Bounds
from gateway.serving.listening import ListeningSocket, address, listen
from gateway.serving.server import Server, SideServer, hold_reloads, run, stop_on_signals

__all__ = [
    "Bounds",
    "ListeningSocket",
    "Server",
    "SideServer",
    "address",
    "hold_reloads",
    "listen",
    "run",
    "stop_on_signals",
]
