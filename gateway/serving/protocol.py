"""HTTP/1.1 on one connection: uvicorn's protocol, with bounds on bytes and on time (RFC 9112).

What passes a bound is answered with an error, after the answers to the requests before it, and the
connection is closed. What a client still sends then is dropped for a moment: a connection that is
closed with bytes unread is reset, and the client might never see the answer.
"""

import asyncio
from typing import Any, NoReturn

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.errors import BadRequest
from gateway.events import HttpRequestRefused, Sink
from gateway.serving import bounds as most
from gateway.serving.arrival import PIECE, Arrival, Part
from gateway.serving.bounds import Bounds
from gateway.serving.connections import Connections
from gateway.serving.refusals import refusal
from gateway.serving.slow_reader import SlowReader

_MALFORMED = "The bytes sent are not a request of HTTP/1.1."
_PIPELINED = f"More than {most.PIPELINED} requests wait on this connection; wait for their answers."
_TOO_SLOW = "The header section of the request did not arrive in time; send it again."
_ENDING = "The request did not arrive in whole before the server ended; send it again."
_TUNNEL = "Use GET or POST."


class BoundedHttp(HttpToolsProtocol):
    """One connection; ``connections`` counts it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        bounds: Bounds,
        connections: Connections,
        emit: Sink,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.timeout_keep_alive = bounds.keep_alive  # type: ignore[assignment]
        self._bounds = bounds
        self._counted = connections
        self._emit = emit
        self._arrival = Arrival()
        self.url, self.headers = b"", []
        self._upgrades = self._ends = False
        self._refused: BadRequest | None = None
        self._lingers = False
        """Whether the last answer has been written: what still comes is dropped."""
        self._answered: RequestResponseCycle | None = None
        self._timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; its first request may be as long in coming as any other."""
        super().connection_made(transport)
        self._reader = SlowReader(self.loop, transport, self._bounds.stalled)
        self._watch()
        self._counted.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and all that waits for it."""
        super().connection_lost(exc)
        self._disconnect()
        self.cycle = self._answered = None  # type: ignore[assignment]
        self.pipeline.clear()
        self._unset_keepalive_if_required()
        self._set_timer(None)
        self._reader.forget()
        self._counted.lost(self)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more; what it has sent is answered before the connection ends."""
        if self._is_incomplete():
            self._drop_request()
        if self._is_busy() and not self._refused:
            self.cycle.keep_alive = False
        return self._is_busy()

    def give_way(self) -> None:
        """Close at once: no request of this connection is being carried out."""
        self.transport.abort()

    def announce_end(self) -> None:
        """Let the next answer be the last one of this connection."""
        self._ends = True
        if self._is_busy():
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Answer the requests that have come in whole, then close; the rest is dropped."""
        self.announce_end()
        if self._is_incomplete():
            self._refuse(BadRequest(_ENDING, status=408))
        elif not (self._is_busy() or self._lingers):
            self.transport.close()

    def cut_off(self) -> None:
        """Close although a request is being answered."""
        self._disconnect()
        self.transport.abort()

    def _disconnect(self) -> None:
        """Let the application know that nobody takes its answer."""
        for cycle in (self._answered, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

    def timeout_keep_alive_handler(self) -> None:
        """No request has come for long; a client that does not even read is not waited for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _is_busy(self) -> bool:
        """Whether a request is being answered: of several the last one is answered last."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _is_incomplete(self) -> bool:
        """Whether the last request is to be answered, and some of its body is still to come."""
        return self._arrival.part is Part.BODY and self._is_busy()

    def _is_unwanted(self) -> bool:
        """Whether what comes is the rest of a body whose request has been answered."""
        return self._arrival.part is Part.BODY and not self._is_busy()

    # What arrives

    def data_received(self, data: bytes) -> None:
        """Parse and count what has come."""
        if self._lingers:
            self._drop(len(data))
        elif self._refused is None:  # else that is told after the answers that are still to come
            self._unset_keepalive_if_required()
            for start in range(0, len(data), PIECE):
                if not self._take(data[start : start + PIECE]):
                    return
            self._watch()
            if self._is_incomplete():
                self.cycle.transport = _Early(self)  # type: ignore[assignment]

    def _take(self, piece: bytes) -> bool:
        """Whether a piece was taken, and more can be."""
        steps = self._arrival.steps
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            return self._take_without_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refused or BadRequest(_MALFORMED))
        else:
            self._count(len(piece), steps)
        return self._refused is None and not self.transport.is_closing()

    def _take_without_upgrade(self, rest: bytes) -> bool:
        """Take a request that offers another protocol as one that does not (RFC 9110, 7.8).

        Java's and curl's clients offer HTTP/2 in this way. The parser would take what follows the
        head for the other protocol, so that the head is parsed again without the offer.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self._upgrades = False
        if method == b"CONNECT":
            self._refuse(BadRequest(_TUNNEL, status=405, Allow="GET, POST"))
            return False
        fields = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        head = [method + b" " + self.url + b" HTTP/" + version, *fields, b"", b""]
        self.parser = httptools.HttpRequestParser(self)
        return self._take(b"\r\n".join(head) + rest)

    def _count(self, size: int, steps: int) -> None:
        self._arrival.add(size, steps)
        if error := self._beyond_bounds():
            self._refuse(error)
        elif self._is_unwanted():
            self._limit_unwanted()

    def _beyond_bounds(self) -> BadRequest | None:
        return self._arrival.error(self.url, self.headers, is_taken=self._is_busy())

    def _drop(self, size: int) -> None:
        self._arrival.count += size
        self._limit_unwanted()

    def _limit_unwanted(self) -> None:
        if self._arrival.count > most.UNWANTED:
            self.transport.abort()

    # Time

    def _watch(self) -> None:
        """Give the client its time: for what it has begun, or for the beginning of a request."""
        if self._is_busy():  # it waits for us
            self._set_timer(None)
        elif self._arrival.part is Part.NOTHING and not self._arrival.count:
            self._set_timer(None)
            self._set_keepalive_if_required()
        else:
            self._unset_keepalive_if_required()
            if self._timer is None:
                self._set_timer(self._bounds.head)

    def _set_keepalive_if_required(self) -> None:
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._timer = None
        if self._arrival.part is Part.HEAD and not self._lingers:
            self._refuse(BadRequest(_TOO_SLOW, status=408))
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not take what is written; it has so long to take any of it."""
        super().pause_writing()
        self._reader.watch()

    def resume_writing(self) -> None:
        """The client has taken enough."""
        super().resume_writing()
        if not self.transport.is_closing():  # else it has to take all of it
            self._reader.forget()

    # Refusals

    def _stop(self, error: BadRequest) -> NoReturn:
        """Stop the parser from within one of its callbacks."""
        self._refused = error
        raise _Stop

    def _refuse(self, error: BadRequest) -> None:
        """Take nothing more; answer with the error, after the answers that are still to come."""
        self._refused = error
        self._set_timer(None)
        if self._is_incomplete():
            self._drop_request()
        if not self._is_busy():
            self._tell(error)

    def _drop_request(self) -> None:
        """The last request will never be whole: the application need not wait for it."""
        self._arrival.part = Part.NOTHING
        if self.pipeline:
            self.pipeline.popleft()
            last = self.pipeline[0][0] if self.pipeline else self._answered
            self.cycle = last  # type: ignore[assignment]
            return
        if self.cycle.response_started:
            self.transport.abort()
        self._disconnect()
        self.cycle.waiting_for_100_continue = False
        self.cycle = None  # type: ignore[assignment]

    def _tell(self, error: BadRequest) -> None:
        """Write the refusal, the last that this connection brings."""
        if not self.transport.is_closing():
            self._emit(HttpRequestRefused(status=error.status))
            self.transport.write(refusal(error))
            self._linger()

    def close_early(self) -> None:
        """Close after an answer; the rest of its request may still be on its way."""
        if self._arrival.part is Part.BODY and not self.pipeline:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Drop what still comes for a moment: closing at once could lose the last answer."""
        self._lingers, self._arrival.count = True, 0
        self._unset_keepalive_if_required()
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset the connection, which is yet to be read
            self.transport.abort()
            return
        self._set_timer(most.LINGER)
        self.flow.resume_reading()

    # uvicorn's callbacks

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """A request has been answered: the next one may come, or a refusal is due."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._reader.watch()
        elif self._refused and not self._is_busy():
            self._tell(self._refused)
        else:
            self._watch()
            if not self.pipeline and (self._arrival.part is Part.BODY or not self._is_busy()):
                self._counted.waits(self)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: another protocol that is offered need not be taken."""

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= most.PIPELINED:
            self._stop(BadRequest(_PIPELINED))
        super().on_message_begin()
        self._arrival.enter(Part.HEAD)

    def on_headers_complete(self) -> None:
        """The head is whole: the application may begin."""
        if error := self._beyond_bounds():
            self._stop(error)
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            return
        super().on_headers_complete()  # which may refuse the target: no request has begun then
        self.headers = []  # for the trailer fields, which nobody asks for
        self._arrival.enter(Part.BODY)
        if self._ends:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of the body has come."""
        is_taken = self._is_busy()
        self._arrival.add_body(len(body), is_taken=is_taken)
        if is_taken:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._upgrades:
            return
        super().on_message_complete()
        self._arrival.enter(Part.NOTHING)
        if self._is_busy():
            self._counted.works(self)


class _Early:
    """The transport for an answer that may come before the end of its request."""

    def __init__(self, protocol: BoundedHttp) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_early


class _Stop(Exception):
    """Raised in a callback of the parser, which then reports an error of its own."""
