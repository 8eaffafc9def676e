"""The commands of ``gateway``, and how their refusals are told."""

import errno
import sys
from collections.abc import Iterable
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from gateway import __version__
from gateway.cli.audit import audit_cli
from gateway.cli.config import config
from gateway.cli.dev import dev
from gateway.cli.doctor import doctor
from gateway.cli.documents import documents_cli
from gateway.cli.emulator import emulator
from gateway.cli.emulator_options import EmulatorHelp
from gateway.cli.explain import explain
from gateway.cli.keys import delete_key, keygen, register_key
from gateway.cli.ledger import ledger_cli
from gateway.cli.options import Commands, colour, refusal
from gateway.cli.schema import schema
from gateway.cli.serve import serve
from gateway.cli.signature import explain_signature
from gateway.errors import ConfigError, GatewayError

cli = typer.Typer(
    name="gateway",
    cls=Commands,
    help="A GraphQL gateway in front of a card-issuing provider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut what is too wide for them
)

cli.command()(dev)
cli.command()(serve)
cli.command(cls=EmulatorHelp)(emulator)
cli.command()(schema)
cli.add_typer(documents_cli, name="documents")
cli.add_typer(ledger_cli, name="ledger")
cli.add_typer(audit_cli, name="audit")
cli.command()(keygen)
cli.command("register-key")(register_key)
cli.command("delete-key")(delete_key)
cli.command()(doctor)
cli.command()(config)
cli.command()(explain)
cli.command("explain-signature")(explain_signature)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def run() -> NoReturn:
    """Run the command line; expected problems are sentences on stderr and exit code 2 or 1."""
    try:
        code = cli(standalone_mode=False, color=colour())
    except ConfigError as error:
        _refuse(error.problems, 2)
    except TyperException as error:
        typer.echo(refusal(error), err=True)
        sys.exit(error.exit_code)
    except GatewayError as error:
        _refuse([error.with_hint], 1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        from gateway.config import file_reason

        _refuse([f"The output cannot be written: {file_reason(error)}."], 1)
    sys.exit(code or 0)


def _refuse(lines: Iterable[str], code: int) -> NoReturn:
    for line in lines:
        typer.secho(line, fg="red", err=True, color=colour())
    sys.exit(code)
