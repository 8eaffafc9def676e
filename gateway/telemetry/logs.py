"""Structured logs: what happened, never with what.

Nothing here redacts afterwards: events are written with named facts only (operation, status,
duration, attempts), so that a body, a variable, a token or a name has no way into a line.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO, TypeAlias

import msgspec
import structlog

from gateway.events import places_of
from gateway.runtime import rfc3339
from gateway.telemetry.log_writers import DirectWriter, QueuedWriter
from gateway.telemetry.request_id import request_id
from gateway.telemetry.trace_context import trace_context

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}  # those of the standard library
_least = _LEVELS["info"]
Writer: TypeAlias = type[QueuedWriter] | type[DirectWriter]


def configure_logging(
    level: str,
    *,
    readable: bool,
    stream: TextIO | None = None,
    worker: int | None = None,
    writer: Writer | None = None,
) -> None:
    """Send structlog's and the standard library's lines to ``stream`` (default: stderr).

    ``readable`` gives coloured text where the stream is a terminal, else JSON lines. Where there
    are several workers, each line has the number of the one that writes it. ``writer`` is the kind
    that writes to the stream's descriptor, so that nobody waits for the reader; None: the stream.
    """
    out: TextIO = stream or sys.stderr
    coloured = out.isatty() and not os.environ.get("NO_COLOR")
    shared: list[Any] = [
        _add_request_id,
        _add_trace,
        *([] if worker is None else [_adds_worker(worker)]),
        structlog.processors.add_log_level,
        _add_timestamp,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=coloured)
        if readable
        else structlog.processors.JSONRenderer(serializer=_as_json)
    )
    target = _target(out, writer, [*shared, renderer])
    structlog.configure(
        processors=[_drop_below_level, *shared, _exception_facts, renderer],
        # The level can change, and loggers that are made once keep their class.
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=stream is None,  # a process has one, tests have many
    )
    handler = _handler(target, shared, renderer)
    logging.basicConfig(handlers=[handler], force=True)
    set_log_level(level)
    for noisy in ("httpx", "httpcore"):  # they log whole URLs and headers
        logging.getLogger(noisy).setLevel(logging.WARNING)


def set_log_level(level: str) -> None:
    """Write lines of this level and of more severe ones from now on."""
    global _least
    _least = _LEVELS[level]
    logging.getLogger().setLevel(_least)


def is_logged(level: str) -> bool:
    """Whether lines of this level are written."""
    return _LEVELS[level] >= _least


def _drop_below_level(_logger: Any, method: str, event: Any) -> Any:
    if _LEVELS.get(method, _least) < _least:
        raise structlog.DropEvent
    return event


def lines_dropped() -> int:
    """How many lines this process could not write, because their reader is gone or too slow."""
    handlers = logging.getLogger().handlers
    writers = [one.stream for one in handlers if isinstance(one, _Handler)]
    return sum(getattr(writer, "dropped", 0) for writer in writers)


class _Handler(logging.StreamHandler[Any]):
    """Its end, with ``logging.shutdown`` at the latest, waits for the last lines of a writer."""

    def close(self) -> None:
        if isinstance(self.stream, QueuedWriter | DirectWriter):
            self.stream.finish()
        super().close()


def _handler(target: Any, shared: list[Any], renderer: Any) -> _Handler:
    """What writes the standard library's lines as structlog's are written."""
    handler = _Handler(target)
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
    return handler


def _target(out: TextIO, writer: Writer | None, processors: list[Any]) -> Any:
    """What lines are written to."""
    descriptor = _descriptor(out)
    if writer is None or descriptor is None:
        return out

    def dropped(count: int) -> str:
        event: Any = {"lines": count, "event": "log_lines_dropped"}
        for process in processors:
            event = process(None, "error", event)
        return f"{event}\n"

    return writer(descriptor, dropped)


def _descriptor(stream: TextIO) -> int | None:
    """A descriptor of our own for the stream: its number would be another file's after a close."""
    try:
        return os.dup(stream.fileno())
    except (OSError, ValueError):
        return None


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


def _add_trace(_logger: Any, _name: str, event: Any) -> Any:
    """The trace, and the span where it is one of the gateway's."""
    if (context := trace_context.get()) is not None:
        event["trace_id"] = context.trace_id
        if context.is_ours:
            event["span_id"] = context.span_id
    return event


def _adds_worker(worker: int) -> Callable[[Any, str, Any], Any]:
    def add(_logger: Any, _name: str, event: Any) -> Any:
        event["worker"] = worker
        return event

    return add


def _add_timestamp(_logger: Any, _name: str, event: Any) -> Any:
    event["timestamp"] = rfc3339(time.time())
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
