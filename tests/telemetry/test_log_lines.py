"""The table of log lines has the lines that are written, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path

from gateway.telemetry import LOG_LINES

GATEWAY = Path(__file__).parent.parent.parent / "gateway"
LEVELS = {"debug", "info", "warning", "error"}


def test_each_log_line_is_in_the_table() -> None:
    """Each event that the gateway writes is explained, and none that it does not write."""
    written = {name for path in GATEWAY.rglob("*.py") for name in events_in(path)}
    # Those that stand elsewhere than in the call, or are put together from the worker's role.
    written |= {"log_lines_dropped", "ledger_is_lost_with_its_container_or_machine"}
    written |= {f"worker_{end}" for end in ("started", "ended", "is_killed", "cannot_be_started")}
    assert written == LOG_LINES.keys()


def events_in(path: Path) -> Iterator[str]:
    """The names that calls such as ``log.info("name")`` write, and those of the sink's lines."""
    source = path.read_text("utf-8")
    if "structlog" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Tuple(elts=[_, ast.Constant(value=str(name)), _]) if path.stem == "log_sink":
                yield name
            case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(name)), *_]):
                if level in LEVELS:
                    yield name
