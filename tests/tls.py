"""Servers of the provider's kind and of others, over TLS and in the clear, in threads."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp

from tests.loopback import on_loopback

WAIT = 60.0  # seconds that no test should need
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def served(app: ASGIApp, certificate: Path | None = None) -> Iterator[int]:
    """Run an ASGI application in a thread, over TLS where there is a certificate; its port."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(on_loopback(app, certificate)) as port,
    ):
        yield port


def server_context(certificate: Path) -> ssl.SSLContext:
    """TLS as a server speaks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextlib.contextmanager
def talking(talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Accept connections and do the same to each, after a handshake if there is a context."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if context is None:
                talk(sock)
            else:
                with context.wrap_socket(sock, server_side=True) as wrapped:
                    talk(wrapped)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.settimeout(WAIT)
                accepted.append(sock)
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        threads[0].join(WAIT)
        for sock in accepted:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(WAIT)


def says(data: bytes) -> Talk:
    """Read what comes first, say this, and wait for the client to go."""

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(data)
        while sock.recv(65536):
            pass

    return talk


def closes(sock: socket.socket) -> None:
    """Read what comes first and close the connection."""
    sock.recv(65536)


def resets(sock: socket.socket) -> None:
    """Read what comes first and reset the connection."""
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


silent: Talk = says(b"")
