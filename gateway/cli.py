"""The command line: dev · serve · emulator · keygen · register-key · doctor, and the schema's."""

import asyncio
import errno
import os
import shlex
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import structlog
import typer
from typer.exceptions import TyperException

from gateway import __version__, serving
from gateway import doctor as doctors
from gateway.app import create_app
from gateway.config import ServeSettings, Settings, file_reason
from gateway.dev import dev
from gateway.diagnosis import Finding
from gateway.errors import ConfigError, GatewayError
from gateway.options import Commands, Host, Port, colour, refusal, shown
from gateway.schema_commands import documents_cli, schema
from gateway.signing import PrivateKey
from gateway.telemetry import configure_logging

# The emulator is imported by the commands that run it: `gateway serve` does not need it, and
# starts sooner.
if TYPE_CHECKING:
    from gateway.emulator import Faults

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
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    serving.run(app, listener, grace=settings.shutdown_grace)


@cli.command()
def emulator(
    port: Port = 8001,
    host: Host = "127.0.0.1",
    api_key: Annotated[str, typer.Option(help="API key that is accepted (a UUID).")] = "",
    api_secret: Annotated[str, typer.Option(help="API secret that is accepted.")] = "",
    account: Annotated[list[str] | None, typer.Option(help="An account; may be repeated.")] = None,
    any_account: Annotated[bool, typer.Option(help="Take any UUID as an account.")] = False,
    one_card_per_account: Annotated[bool, typer.Option(help="The provider's limit.")] = False,
    second_card: Annotated[
        Literal["409", "400", "issue_failed"], typer.Option(help="What a card beyond it gets.")
    ] = "409",
    activation_delay: Annotated[float, typer.Option(help="Seconds until a card is active.")] = 1.0,
    token_lifetime: Annotated[float, typer.Option(help="Seconds that a token lives.")] = 3600,
    latency: Annotated[float, typer.Option(help="Seconds that each call takes.")] = 0,
    sparse_cards: Annotated[bool, typer.Option(help="Leave out name, PAN and expiry.")] = False,
    bad_signature_status: Annotated[int, typer.Option(help="400 or 401.", min=400, max=401)] = 400,
    reused_key_status: Annotated[int, typer.Option(help="422 or 409.", min=409, max=422)] = 422,
    error_body: Annotated[Literal["json", "text"], typer.Option(help="Form of errors.")] = "json",
    faults: Annotated[str, typer.Option(help="What goes wrong, as a JSON object.")] = "{}",
) -> None:
    """Run the provider's strict double over HTTP."""
    from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator

    options = EmulatorOptions(
        api_key=api_key or str(uuid.uuid4()),
        api_secret=api_secret or uuid.uuid4().hex,
        accounts=tuple(account or [GUIDE_ACCOUNT]),
        any_account=any_account,
        one_card_per_account=one_card_per_account,
        second_card=second_card,
        activation_delay=activation_delay,
        token_lifetime=token_lifetime,
        latency=latency,
        rich_cards=not sparse_cards,
        bad_signature_status=401 if bad_signature_status == 401 else 400,
        reused_key_status=409 if reused_key_status == 409 else 422,
        error_body=error_body,
    )
    app = create_emulator(options, faults=_faults(faults))
    listener = serving.listen(host, port)
    typer.secho("The emulator is running. To point a gateway at it:\n", bold=True)
    typer.echo(f"  export GATEWAY_PROVIDER_URL={serving.address(listener)}/v1")
    typer.echo(f"  export GATEWAY_PROVIDER_API_KEY={options.api_key}")
    typer.echo(f"  export GATEWAY_PROVIDER_API_SECRET={options.api_secret}")
    typer.echo("  gateway keygen         # prints the two settings of the signing key")
    typer.echo("  gateway register-key && gateway serve\n")
    serving.run(app, listener, date_header=False)


def _faults(text: str) -> "Faults":
    from gateway.emulator import read_faults

    try:
        return read_faults(text)
    except ValueError as error:
        raise ConfigError([f"--faults: {error}."]) from error


cli.command()(schema)
cli.add_typer(documents_cli, name="documents")


@cli.command()
def keygen(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the private key goes.")] = Path(
        "signing-key.pem"
    ),
) -> None:
    """Make a P-384 signing key, and an id to register it under."""
    key = PrivateKey.generate()
    try:
        # Created for the owner alone, and never over an existing key.
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.to_pem())
    except OSError as error:
        raise ConfigError([f"Cannot write {shown(out)}: {file_reason(error)}."]) from error
    typer.echo(f"The private key is in {shown(out)}; keep it secret.")
    typer.echo("Set these, then register it:\n")
    typer.echo(f"  export GATEWAY_SIGNING_KEY_FILE={shlex.quote(str(out.resolve()))}")
    typer.echo(f"  export GATEWAY_SIGNING_KEY_ID={uuid.uuid4()}")
    typer.echo("  gateway register-key")


@cli.command("register-key")
def register_key() -> None:
    """Tell the provider the public half of the signing key."""
    settings = Settings.load()
    configure_logging("warning", readable=True)
    finding = asyncio.run(doctors.register_key(settings))
    if not finding.good:
        _show(finding)
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


def _show(finding: Finding) -> None:
    mark, mark_colour = _MARKS[finding.good]
    typer.secho(mark, fg=mark_colour, nl=False)
    typer.echo(f" {finding.what}")
    if finding.advice:
        typer.echo(f"      {finding.advice}")


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
