"""Structured logs: what happened, never with what.

Nothing here redacts afterwards: events are written with named facts only (operation, status,
duration, attempts), so that a body, a variable, a token or a name has no way into a line.
"""

import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from gateway.events import places_of
from gateway.telemetry.request_id import request_id


def configure_logging(
    level: str, *, readable: bool, stream: TextIO | None = None, worker: int | None = None
) -> None:
    """Send structlog's and the standard library's lines to ``stream`` (default: stderr).

    ``readable`` gives coloured text where the stream is a terminal, else JSON lines. Where there
    are several workers, each line has the number of the one that writes it.
    """
    out = stream or sys.stderr
    shared: list[Any] = [
        _add_request_id,
        *([] if worker is None else [_adds_worker(worker)]),
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


def _without_quotes(record: logging.LogRecord) -> bool:
    """Cut asyncio's lines short: what follows the first one are futures with their exceptions."""
    if record.name == "asyncio":
        record.msg, record.args = record.getMessage().splitlines()[0], ()
    return True


def _add_request_id(_logger: Any, _name: str, event: Any) -> Any:
    event.setdefault("request_id", request_id.get())
    return event


def _adds_worker(worker: int) -> Callable[[Any, str, Any], Any]:
    def add(_logger: Any, _name: str, event: Any) -> Any:
        event["worker"] = worker
        return event

    return add


def _add_timestamp(_logger: Any, _name: str, event: Any) -> Any:
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _exception_facts(_logger: Any, _name: str, event: Any) -> Any:
    """Turn an exception into its class and where it came from.

    Its text may quote a value and its frames hold them all: neither is written, at any level.
    """
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else event.get("error")
    if isinstance(error, BaseException):
        event["error"], event["at"] = type(error).__name__, places_of(error)
    return event
