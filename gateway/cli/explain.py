"""The command ``gateway explain``: what a code, or a line of the log, means."""

import difflib
from collections.abc import Iterator
from typing import Annotated

import typer

from gateway.cli.options import colour
from gateway.errors import CODES, ConfigError, GatewayError

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="CODE",
        show_default=False,
        help="A code of an error, or the event of a log line; without it all codes are listed.",
    ),
]


def explain(name: Name = None) -> None:
    """Say what a code of an error, or the event of a log line, means and what to do about it."""
    if name is None:
        _list_codes()
    elif not _explained(name):
        raise ConfigError([f"There is no such code or event. {_advice(name)}"])


def _explained(name: str) -> bool:
    """Show what has this name in any case; some codes and events have the same one."""
    from gateway.telemetry import LOG_LINES

    error = CODES.get(name.upper())
    if error is not None:
        _show(name.upper(), [*_of_code(error)])
    line = LOG_LINES.get(name.lower().replace("admin_", "worker_", 1))
    if line is not None:
        _show(name.lower(), [("meaning", line.meaning), ("what to do", line.advice)])
    return bool(error or line)


def _list_codes() -> None:
    width = max(map(len, CODES))
    for code, error in sorted(CODES.items()):
        typer.echo(f"{code:<{width}}  {error.meaning}")


def _show(name: str, facts: list[tuple[str, str]]) -> None:
    typer.secho(name, bold=True, color=colour())
    for fact, text in facts:
        typer.echo(f"  {fact:<12}{text}")


def _of_code(error: type[GatewayError]) -> Iterator[tuple[str, str]]:
    yield "meaning", error.meaning
    yield "where", _where(error)
    yield "HTTP status", _status(error)
    yield "retryable", "yes" if error.retryable else "no"
    yield "client", error.advice
    yield "operator", error.operator_advice


def _where(error: type[GatewayError]) -> str:
    if not error.in_results:
        return "an error with extensions.code"
    from gateway.cards import member_name

    return f"{member_name(error)} in the result of a mutation; elsewhere extensions.code"


def _status(error: type[GatewayError]) -> str:
    if error is GatewayError or error.status != GatewayError.status:
        return f"{error.status}, where it stops a request before its execution; else 200"
    if error.in_results:
        return "200"
    return "400 in application/graphql-response+json, 200 in application/json"


def _advice(name: str) -> str:
    from gateway.telemetry import LOG_LINES

    known = {one.lower(): one for one in [*LOG_LINES, *CODES]}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"Did you mean {known[near[0]]}?" if near else "`gateway explain` lists the codes."
