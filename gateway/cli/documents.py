"""The commands about trusted documents: documents build."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.cli.options import Commands, shown
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.graphql.manifest import TrustedOperation

documents_cli = typer.Typer(
    help="Trusted documents.", cls=Commands, no_args_is_help=True, rich_markup_mode=None
)


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
        Literal["apollo", "flat"],
        typer.Option("--format", help="Apollo's manifest, or {id: text}."),
    ] = "apollo",
    typename: Annotated[
        bool,
        typer.Option(
            "--typename/--no-typename",
            help="Add __typename as Apollo Client and urql do before they send.",
        ),
    ] = True,
) -> None:
    """Write the manifest of trusted documents.

    It has the texts that Apollo Client and urql print, under their hashes. The limits of a document
    apply, read from where `gateway serve` reads its settings.
    """
    from gateway.app import document_limits
    from gateway.cards import build_schema
    from gateway.config import DocumentSettings, Settings, file_reason
    from gateway.graphql import engine_schema
    from gateway.graphql.manifest import ManifestRefused, as_json, build, without_typename

    limits = document_limits(DocumentSettings.load(beside=Settings.model_fields))
    schema = engine_schema(build_schema())
    try:
        operations = build(files, schema, limits, typename=typename)
    except ManifestRefused as refused:
        for problem in refused.problems:
            typer.secho(problem, fg="red", err=True)
        raise typer.Exit(1) from None
    try:
        out.write_text(as_json(operations, form), "utf-8")
    except OSError as error:
        raise ConfigError([f"Cannot write {shown(out)}: {file_reason(error)}."]) from error
    for warning in [] if typename else without_typename(files, schema):
        typer.secho(warning, fg="yellow", err=True)
    _show(operations)
    typer.echo(f"{len(operations)} in {shown(out)}", err=True)


def _show(operations: "list[TrustedOperation]") -> None:
    width = max(len(one.name) for one in operations)
    for one in operations:
        numbers = f"cost {one.measure.cost:>5}  depth {one.measure.depth:>2}"
        typer.echo(f"{one.name:<{width}}  {numbers}  {one.id}")
