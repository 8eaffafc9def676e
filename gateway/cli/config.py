"""The command ``gateway config``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config import Effective


def config(
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Leave out what nothing sets.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object in JSON with settings and problems.")
    ] = False,
) -> None:
    """Show the settings of gateway serve, and where each of them comes from.

    Of secrets only whether they are set. Exit code 2 where the gateway would not start with them.
    """
    from gateway.config import ServeSettings, effective

    settings, problems = effective(ServeSettings)
    shown = [one for one in settings if one.is_given or not changed]
    if as_json:
        typer.echo(_json(shown, problems))
    else:
        _table(shown)
    if problems:
        raise ConfigError(problems)


def _json(settings: "Sequence[Effective]", problems: Sequence[str]) -> str:
    rows = [{"name": one.variable, "value": one.value, "origin": one.origin} for one in settings]
    return json.dumps({"settings": rows, "problems": problems}, indent=2, ensure_ascii=False)


def _table(settings: "Sequence[Effective]") -> None:
    """One line for each; a long value moves the origin of its own line alone."""
    name = max((len(one.variable) for one in settings), default=0)
    value = max((len(one.value) for one in settings if len(one.value) <= 40), default=0)
    for one in settings:
        typer.echo(f"{one.variable:<{name}}  {one.value:<{value}}  {one.origin}")
