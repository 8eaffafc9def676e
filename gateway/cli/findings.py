"""How a finding about the connection to the provider is shown."""

import typer

from gateway.diagnosis import Finding

_MARKS = {True: ("ok  ", "green"), False: ("bad ", "red"), None: ("--  ", "yellow")}


def show(finding: Finding, *, err: bool = False) -> None:
    """Print what was found, with a mark, and the advice below it."""
    mark, mark_colour = _MARKS[finding.good]
    typer.secho(mark, fg=mark_colour, nl=False, err=err)
    typer.echo(f" {finding.what}", err=err)
    if finding.advice:
        typer.echo(f"      {finding.advice}", err=err)
