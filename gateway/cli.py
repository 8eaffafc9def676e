"""The command line: dev · serve · emulator · keygen · register-key · doctor, and the schema's."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar

import typer

from gateway import __version__, serving
from gateway.app import create_app
from gateway.config import ServeSettings, Settings
from gateway.doctor import Finding, examine
from gateway.errors import ConfigError, GatewayError
from gateway.provider import ProviderClient
from gateway.schema_commands import documents_cli, schema
from gateway.signing import PrivateKey
from gateway.telemetry import configure_logging

# The emulator, and httpx, which joins it to the gateway in one process, are imported by the
# commands that run it: `gateway serve` needs neither, and starts sooner.
if TYPE_CHECKING:
    from gateway.emulator import Faults

T = TypeVar("T")
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")]

cli = typer.Typer(
    name="gateway",
    help="A GraphQL gateway in front of a card-issuing provider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_TRY = """\
curl -s {address}/graphql -H 'Content-Type: application/json' -d '{body}'
"""
_TRY_QUERY = """\
mutation {{ issueVirtualCard(input: {{accountId: "{account}", billingAddress: {{\
firstLine: "1 Test Avenue", city: "London", country: "GB", postCode: "SW1 1AA"}}}}) {{ \
... on IssueVirtualCardSuccess {{ card {{ id status }} }} ... on Error {{ message }} }} }}"""


@cli.command()
def dev(port: Port = 8000, activation_delay: float = 1.0) -> None:
    """Try it out: GraphiQL and an embedded emulator of the provider, nothing to configure."""
    import httpx

    from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator

    configure_logging("info", readable=True)
    key = PrivateKey.generate()
    settings = _dev_settings(key)
    emulator = create_emulator(
        EmulatorOptions(
            api_key=settings.provider_api_key.get_secret_value(),
            api_secret=settings.provider_api_secret.get_secret_value(),
            signing_keys={str(settings.signing_key_id): key.public_key().to_pem()},
            activation_delay=activation_delay,
        )
    )
    app = create_app(settings, transport=httpx.ASGITransport(app=emulator))
    listener = serving.listen("127.0.0.1", port)
    where = serving.address(listener)
    typer.secho(f"\nGraphiQL with the guide's three steps:  {where}/graphql\n", bold=True)
    typer.echo("Or from another terminal:\n")
    body = json.dumps({"query": _TRY_QUERY.format(account=GUIDE_ACCOUNT)})
    typer.echo(_TRY.format(address=where, body=body))
    typer.echo("The provider is an emulator inside this process. Ctrl-C stops both.\n")
    serving.run(app, listener)


def _dev_settings(key: PrivateKey) -> Settings:
    return Settings.load(
        _env_file=None,
        provider_url="http://emulator.localhost/v1",
        provider_api_key=str(uuid.uuid4()),
        provider_api_secret=uuid.uuid4().hex,
        signing_key_id=uuid.uuid4(),
        signing_key_file=None,
        signing_key=key.to_pem().decode(),
        auth="none",
        graphiql=True,
        introspection=True,
        suggestions=True,
    )


@cli.command()
def serve() -> None:
    """Serve the real provider; all settings come from GATEWAY_… variables and .env."""
    settings = ServeSettings.load()
    configure_logging(settings.log_level, readable=False)
    app = create_app(settings)
    listener = serving.listen(settings.host, settings.port)
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    serving.run(app, listener, grace=settings.shutdown_grace)


@cli.command()
def emulator(
    port: Port = 8001,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
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
    out: Annotated[Path, typer.Option(help="Where the private key goes.")] = Path(
        "signing-key.pem"
    ),
) -> None:
    """Make a P-384 signing key, and an id to register it under."""
    key = PrivateKey.generate()
    try:
        # Created for the owner alone, and never over an existing key.
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError([f"Cannot write {out}: {(error.strerror or '').lower()}."]) from error
    with open(handle, "wb") as file:
        file.write(key.to_pem())
    typer.echo(f"The private key is in {out}; keep it secret. Set these, then register it:\n")
    typer.echo(f"  export GATEWAY_SIGNING_KEY_FILE={out.resolve()}")
    typer.echo(f"  export GATEWAY_SIGNING_KEY_ID={uuid.uuid4()}")
    typer.echo("  gateway register-key")


@cli.command("register-key")
def register_key() -> None:
    """Tell the provider the public half of the signing key."""
    settings = Settings.load()
    configure_logging("warning", readable=True)
    public = settings.private_key.public_key()
    _with_provider(settings, lambda provider: provider.register_signing_key(public))
    typer.echo(f"Registered under the key id {settings.signing_key_id}.")


@cli.command()
def doctor() -> None:
    """Check token, signature and clock against the provider; says what to do about each."""
    settings = Settings.load()
    configure_logging("error", readable=True)
    findings = _with_provider(settings, examine)
    for finding in findings:
        _show(finding)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    mark, colour = ("ok  ", "green") if finding.good else ("bad ", "red")
    typer.secho(mark, fg=colour, nl=False)
    typer.echo(f" {finding.what}")
    if finding.advice:
        typer.echo(f"      {finding.advice}")


def _with_provider(settings: Settings, act: Callable[[ProviderClient], Awaitable[T]]) -> T:
    async def run() -> T:
        provider = ProviderClient(settings)
        try:
            return await act(provider)
        finally:
            await provider.aclose()

    return asyncio.run(run())


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
        cli()
    except ConfigError as error:
        for problem in error.problems:
            typer.secho(problem, fg="red", err=True)
        sys.exit(2)
    except GatewayError as error:
        typer.secho(error.message, fg="red", err=True)
        sys.exit(1)
    sys.exit(0)
