"""The commands about the schema and its documents: schema · documents build."""

import difflib
import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.api import schema_text
from gateway.api.changes import SEVERITIES, Severity, changes
from gateway.api.limits import DocumentLimits
from gateway.api.manifest import Format, ManifestRefused, Operation, as_json, build
from gateway.errors import ConfigError

documents_cli = typer.Typer(help="Trusted documents.", no_args_is_help=True)

_MEANING: dict[Severity, tuple[str, str]] = {
    "breaking": ("red", "queries that worked may now be refused"),
    "dangerous": ("yellow", "queries still work, and may now get what they do not expect"),
    "safe": ("green", "no query notices"),
}


def schema(
    check: Annotated[
        Path | None, typer.Option(help="Compare with this file instead of printing.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="List what changed since this version of the schema.")
    ] = None,
) -> None:
    """Print the GraphQL schema, check a file against it, or list what changed since another."""
    if check and against:
        raise ConfigError(["Give one of --check and --against."])
    if against:
        _list_changes(against)
    elif check:
        _check(check)
    else:
        typer.echo(schema_text(), nl=False)


def _check(path: Path) -> None:
    if difference := schema_difference(_read(path), schema_text(), str(path)):
        typer.echo(difference)
        typer.echo(f"{path} is not the code's schema. Mend it: gateway schema > {path}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{path} is the code's schema.")


def schema_difference(old: str, new: str, name: str) -> str:
    """A unified diff from the file to the code's schema; empty when they are equal."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), name, "the code", lineterm="", n=4
    )
    return "\n".join(lines)


def _list_changes(path: Path) -> None:
    found = changes(_read(path), schema_text(), str(path))
    if not found:
        typer.echo(f"Nothing has changed since {path}.")
    for severity in SEVERITIES:
        texts = [change.text for change in found if change.severity == severity]
        if texts:
            colour, meaning = _MEANING[severity]
            # Colours are taken out by typer where the output is no terminal.
            typer.secho(f"{severity}: {meaning}", fg=colour, bold=True)
            typer.echo("".join(f"  {text}\n" for text in texts), nl=False)
    if any(change.severity == "breaking" for change in found):
        raise typer.Exit(1)


@documents_cli.callback()
def documents() -> None:
    """Trusted documents: texts that a gateway runs by their id (GATEWAY_DOCUMENTS)."""


@documents_cli.command("build")
def build_documents(
    files: Annotated[list[Path], typer.Argument(help="The frontend's .graphql files.")],
    out: Annotated[Path, typer.Option(help="Where the manifest goes.")],
    form: Annotated[
        Format, typer.Option("--format", help="Apollo's manifest, or {id: text}.")
    ] = "apollo",
) -> None:
    """Write the manifest of trusted documents; the GATEWAY_MAX_DOCUMENT_… limits apply."""
    try:
        operations = build(files, DocumentLimits.read(os.environ))
    except ManifestRefused as refused:
        for problem in refused.problems:
            typer.secho(problem, fg="red", err=True)
        raise typer.Exit(1) from None
    try:
        out.write_text(as_json(operations, form), "utf-8")
    except OSError as error:
        raise ConfigError([f"Cannot write {out}: {(error.strerror or '').lower()}."]) from error
    _show(operations)
    typer.echo(f"{len(operations)} in {out}", err=True)


def _show(operations: list[Operation]) -> None:
    width = max(len(one.name) for one in operations)
    for one in operations:
        numbers = f"cost {one.measure.cost:>5}  depth {one.measure.depth:>2}"
        typer.echo(f"{one.name:<{width}}  {numbers}  {one.id}")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError([f"Cannot read {path}: {(error.strerror or '').lower()}."]) from error
    except UnicodeDecodeError:
        raise ConfigError([f"{path} is not text in UTF-8."]) from None
