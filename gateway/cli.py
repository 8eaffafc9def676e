"""The command line: dev · serve · emulator · keygen · register-key · doctor, and the schema's."""

import asyncio
import contextlib
import errno
import os
import shlex
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from typer.exceptions import TyperException

from gateway import __version__, emulator_options, serving
from gateway import doctor as doctors
from gateway.app import create_app
from gateway.config import ServeSettings, Settings, file_reason
from gateway.dev import dev
from gateway.diagnosis import Finding
from gateway.errors import ConfigError, GatewayError
from gateway.options import Commands, Port, colour, refusal, shown
from gateway.schema_commands import documents_cli, schema
from gateway.signing import PrivateKey
from gateway.telemetry import configure_logging

log = structlog.get_logger()

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


@cli.command()
def serve() -> None:
    """Serve the real provider.

    All settings come from GATEWAY_… variables, from .env and from the files in
    GATEWAY_SECRETS_DIR; the README lists them.
    """
    settings = ServeSettings.load()
    configure_logging(settings.log_level, readable=False)
    if settings.provider_plaintext_host:
        log.warning("provider_is_reached_without_encryption")
    app = create_app(settings)
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    serve_now = serving.server(app, listener, grace=settings.shutdown_grace)
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    serve_now()


@cli.command(cls=emulator_options.EmulatorHelp)
def emulator(
    context: typer.Context,
    port: Port = 8001,
    host: emulator_options.Host = "127.0.0.1",
    allowed_host: emulator_options.AllowedHosts = None,
    api_key: emulator_options.ApiKey = None,
    api_secret: emulator_options.ApiSecret = None,
    account: emulator_options.Accounts = None,
    any_account: emulator_options.AnyAccount = False,
    one_card_per_account: emulator_options.OneCard = False,
    second_card: emulator_options.SecondCard = "409",
    activation_delay: emulator_options.ActivationDelay = "1",
    token_lifetime: emulator_options.TokenLifetime = "3600",  # noqa: S107 - not a token
    latency: emulator_options.Latency = "0",
    sparse_cards: emulator_options.SparseCards = False,
    bad_signature_status: emulator_options.BadSignatureStatus = "400",
    reused_key_status: emulator_options.ReusedKeyStatus = "422",
    error_body: emulator_options.ErrorBody = "json",
    faults: emulator_options.FaultsJson = "{}",
) -> None:
    """Run the provider's strict double over HTTP; one line is printed for each request."""
    from gateway.emulator import create_emulator
    from gateway.emulator.command_line import read_command_line
    from gateway.emulator.output import Output, banner

    chosen = read_command_line(context.params)
    listener = serving.listen(chosen.host, port)
    hosts = (*chosen.hosts, listener.getsockname()[0])
    url, port_of_gateway = serving.address(listener), _free_port(8000)
    with contextlib.closing(Output(sys.stdout)) as output:
        app = create_emulator(
            chosen.options, faults=chosen.faults, hosts=hosts, observe=output.observe
        )
        serve_now = serving.server(app, listener, date_header=False)
        output.write(banner(url, chosen.options, port_of_gateway, coloured=output.coloured))
        serve_now()


def _free_port(wanted: int) -> int:
    """The port, if `gateway serve` can have it now, else 0: any free one."""
    try:
        serving.listen("127.0.0.1", wanted).close()
    except ConfigError:
        return 0
    return wanted


cli.command()(schema)
cli.add_typer(documents_cli, name="documents")


@cli.command()
def keygen(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the private key goes.")] = Path(
        "signing-key.pem"
    ),
) -> None:
    """Make a P-384 signing key, and an id to register it under.

    Prints the two settings of the key: eval "$(gateway keygen)" sets them in a shell.
    """
    try:
        _write_new(out, PrivateKey.generate().to_pem())
    except OSError as error:
        is_there = isinstance(error, FileExistsError) and out.is_file()
        hint = " Use it, or choose another file with --out." if is_there else ""
        reason = f"Cannot write {shown(out)}: {file_reason(error)}.{hint}"
        raise ConfigError([reason]) from error
    # On stderr what people read, on stdout what a shell does.
    typer.echo(f"The private key is in {shown(out)}; keep it secret.", err=True)
    typer.echo("With its two settings in place, run: gateway register-key", err=True)
    typer.echo(f"export GATEWAY_SIGNING_KEY_FILE={shlex.quote(str(out.resolve()))}")
    typer.echo(f"export GATEWAY_SIGNING_KEY_ID={uuid.uuid4()}")


def _write_new(path: Path, content: bytes) -> None:
    """Create a file for its owner alone, whole or not at all, and never over an existing one."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink()
            raise


@cli.command("register-key")
def register_key() -> None:
    """Tell the provider the public half of the signing key."""
    settings = Settings.load()
    configure_logging("warning", readable=True)
    finding = asyncio.run(doctors.register_key(settings))
    if not finding.good:
        _show(finding, err=True)
        raise typer.Exit(1)
    typer.echo(finding.what)


@cli.command()
def doctor() -> None:
    """Check connection, token, signature and clock of the provider, and say what to do."""
    settings = Settings.load()
    configure_logging("error", readable=True)
    if not asyncio.run(doctors.examine(settings, _show)):
        raise typer.Exit(1)


_MARKS = {True: ("ok  ", "green"), False: ("bad ", "red"), None: ("--  ", "yellow")}


def _show(finding: Finding, *, err: bool = False) -> None:
    mark, mark_colour = _MARKS[finding.good]
    typer.secho(mark, fg=mark_colour, nl=False, err=err)
    typer.echo(f" {finding.what}", err=err)
    if finding.advice:
        typer.echo(f"      {finding.advice}", err=err)


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
        _refuse([error.message], 1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _refuse([f"The output cannot be written: {file_reason(error)}."], 1)
    sys.exit(code or 0)


def _refuse(lines: Iterable[str], code: int) -> NoReturn:
    for line in lines:
        typer.secho(line, fg="red", err=True, color=colour())
    sys.exit(code)
