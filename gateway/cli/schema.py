"""The command ``gateway schema``."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import shown
from gateway.errors import ConfigError

_MEANING: dict[str, tuple[str, str]] = {
    "breaking": ("red", "queries that worked may now be refused"),
    "dangerous": ("yellow", "queries still work, and may now get what they do not expect"),
    "safe": ("green", "no query notices"),
}


def schema(
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with this file instead of printing."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="List what changed since this version of the schema."),
    ] = None,
) -> None:
    """Print the GraphQL schema, check a file against it, or list what changed since another."""
    if check and against:
        raise ConfigError(["Give one of --check and --against."])
    from gateway.cards import schema_text

    ours = schema_text()
    if against:
        _list_changes(against, ours)
    elif check:
        _check(check, ours)
    else:
        typer.echo(ours, nl=False)


def _check(path: Path, ours: str) -> None:
    name = shown(path)
    if difference := schema_difference(_read(path), ours, name):
        typer.echo(difference)
        typer.echo(f"{name} is not the code's schema. Mend it: gateway schema > {name}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{name} is the code's schema.")


def schema_difference(old: str, new: str, name: str) -> str:
    """A unified diff from the file to the code's schema; empty when they are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), name, "the code", lineterm="", n=4
    )
    return "\n".join(lines)


def _list_changes(path: Path, ours: str) -> None:
    from gateway.graphql.changes import SEVERITIES, changes

    found = changes(_read(path), ours, shown(path))
    if not found:
        typer.echo(f"Nothing has changed since {shown(path)}.")
    for severity in SEVERITIES:
        texts = [change.text for change in found if change.severity == severity]
        if texts:
            colour, meaning = _MEANING[severity]
            # Colours are taken out by typer where the output is no terminal.
            typer.secho(f"{severity}: {meaning}", fg=colour, bold=True)
            typer.echo("".join(f"  {text}\n" for text in texts), nl=False)
    if any(change.severity == "breaking" for change in found):
        raise typer.Exit(1)


def _read(path: Path) -> str:
    from gateway.config import Unreadable, read_text

    try:
        return read_text(path)
    except Unreadable as error:
        raise ConfigError([f"Cannot read {shown(path)}: {error}."]) from error
