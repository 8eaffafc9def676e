"""A collector of OpenTelemetry's spans over OTLP/HTTP, that keeps what it gets."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.waiting import PATIENCE


class Collector:
    """What was exported; ``status`` is the answer, and without one there is no answer."""

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: set[str] = set()
        self.url = ""
        self.ends = threading.Event()
        self._changed = threading.Condition()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep a request."""
        with self._changed:
            self.paths.add(path)
            self.headers.append(headers)
            self.bodies.append(body)
            self._changed.notify_all()

    @property
    def resources(self) -> list[Any]:
        """What was exported, by the process and the library that made it."""
        read = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [one for request in read for one in request.resource_spans]

    @property
    def spans(self) -> list[Any]:
        """All spans."""
        scopes = [scope for one in self.resources for scope in one.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def wait_for(self, awaited: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + PATIENCE
        with self._changed:
            while not is_so():
                left = until - time.monotonic()
                assert self._changed.wait(left), f"Waited in vain for {awaited}"

    def named(self, name: str) -> Any:
        """The one span of this name, as soon as it is there."""
        self.wait_for(name, lambda: any(span.name == name for span in self.spans))
        [span] = [span for span in self.spans if span.name == name]
        return span


def attributes(message: Any) -> dict[str, Any]:
    """The attributes of a span, an event or a resource."""
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value")) for one in message.attributes
    }


@contextmanager
def collecting(status: int | None = 200) -> Iterator[Collector]:
    """Run a collector."""
    collector = Collector(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, dict(self.headers), body)
            if collector.status is None:
                collector.ends.wait(PATIENCE)
                return
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        collector.ends.set()
        server.shutdown()
        thread.join()
        server.server_close()
