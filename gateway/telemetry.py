"""Structured logs and the request id: what happened, never with what.

Nothing here redacts afterwards: events are written with named facts only (operation, status,
duration, attempts), so that a body, a variable, a token or a name has no way into a line.
"""

import asyncio
import logging
import os
import re
import secrets
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_REQUEST = "-"  # the request id of what no request asked for
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C, version 00


def configure_logging(level: str, *, readable: bool, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's lines to ``stream`` (default: stderr).

    ``readable`` gives coloured text where the stream is a terminal, else JSON lines.
    """
    out = stream or sys.stderr
    shared: list[Any] = [
        _add_request_id,
        structlog.processors.add_log_level,
        _add_timestamp,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty() and not os.environ.get("NO_COLOR"))
        if readable
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    structlog.configure(
        processors=[*shared, _exception_facts, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=stream is None,  # a process has one, tests have many
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _exception_facts,
                renderer,
            ],
        )
    )
    handler.addFilter(_without_quotes)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("httpx", "httpcore"):  # they log whole URLs and headers
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _as_json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


_FRAMES = 8  # of a traceback, innermost last


def _without_quotes(record: logging.LogRecord) -> bool:
    """Cut asyncio's lines short: what follows the first one are futures with their exceptions."""
    if record.name == "asyncio":
        record.msg, record.args = record.getMessage().splitlines()[0], ()
    return True


def _add_request_id(_logger: Any, _name: str, event: Any) -> Any:
    event.setdefault("request_id", request_id.get())
    return event


def _add_timestamp(_logger: Any, _name: str, event: Any) -> Any:
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _exception_facts(_logger: Any, _name: str, event: Any) -> Any:
    """Turn an exception into its class and where it came from.

    Its text may quote a value and its frames hold them all: neither is written, at any level.
    """
    error = event.pop("error", None)
    info = event.pop("exc_info", None)
    if error is None and isinstance(info, tuple):
        error = info[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = [
            f"{frame.f_globals.get('__name__')}:{line}"
            for frame, line in list(traceback.walk_tb(error.__traceback__))[-_FRAMES:]
        ]
    return event


def look_at(future: asyncio.Future[Any]) -> None:
    """Take notice of an error that nobody may be left to see: asyncio would log its text.

    For ``add_done_callback``.
    """
    if not future.cancelled():
        future.exception()


class RequestIdMiddleware:
    """Gives each HTTP request an id: the caller's ``X-Request-Id`` where usable, else a new one.

    It and a W3C ``traceparent`` go on to the provider with every call that the request makes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the id set, and show it in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        name = given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(16)
        trace = headers.get(b"traceparent", b"").decode("latin-1")
        names = request_id.set(name)
        traces = traceparent.set(trace if _TRACEPARENT.fullmatch(trace) else None)
        shown = (b"x-request-id", name.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(shown)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id.reset(names)
            traceparent.reset(traces)
