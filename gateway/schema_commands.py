"""The commands about the schema and its documents: schema · documents build."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

from gateway.api import schema_text
from gateway.api.changes import SEVERITIES, Severity, changes
from gateway.api.limits import DocumentLimits
from gateway.api.manifest import Format, ManifestRefused, Operation, as_json, build
from gateway.config import DocumentSettings, Settings, Unreadable, file_reason, read_text
from gateway.errors import ConfigError
from gateway.options import Commands, shown

documents_cli = typer.Typer(
    help="Trusted documents.", cls=Commands, no_args_is_help=True, rich_markup_mode=None
)

_MEANING: dict[Severity, tuple[str, str]] = {
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
    if against:
        _list_changes(against)
    elif check:
        _check(check)
    else:
        typer.echo(schema_text(), nl=False)


def _check(path: Path) -> None:
    name = shown(path)
    if difference := schema_difference(_read(path), schema_text(), name):
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


def _list_changes(path: Path) -> None:
    found = changes(_read(path), schema_text(), shown(path))
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


@documents_cli.callback()
def documents() -> None:
    """Trusted documents: texts that a gateway runs by their id (GATEWAY_DOCUMENTS)."""


@documents_cli.command("build")
def build_documents(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="The frontend's .graphql files.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the manifest goes.")],
    form: Annotated[
        Format, typer.Option("--format", help="Apollo's manifest, or {id: text}.")
    ] = "apollo",
) -> None:
    """Write the manifest of trusted documents.

    The limits of a document apply, read from where `gateway serve` reads its settings.
    """
    limits = DocumentLimits.of(DocumentSettings.load(beside=Settings.model_fields))
    try:
        operations = build(files, limits)
    except ManifestRefused as refused:
        for problem in refused.problems:
            typer.secho(problem, fg="red", err=True)
        raise typer.Exit(1) from None
    try:
        out.write_text(as_json(operations, form), "utf-8")
    except OSError as error:
        raise ConfigError([f"Cannot write {shown(out)}: {file_reason(error)}."]) from error
    _show(operations)
    typer.echo(f"{len(operations)} in {shown(out)}", err=True)


def _show(operations: list[Operation]) -> None:
    width = max(len(one.name) for one in operations)
    for one in operations:
        numbers = f"cost {one.measure.cost:>5}  depth {one.measure.depth:>2}"
        typer.echo(f"{one.name:<{width}}  {numbers}  {one.id}")


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except Unreadable as error:
        raise ConfigError([f"Cannot read {shown(path)}: {error}."]) from error
