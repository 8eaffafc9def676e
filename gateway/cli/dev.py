"""The command ``gateway dev``: the gateway with an emulator inside, by its options alone."""

import json
import socket
import uuid
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.emulator_options import emulator_default
from gateway.cli.options import DefaultFrom, port_option, setting_default

if TYPE_CHECKING:
    from gateway.config import DevSettings
    from gateway.signing import PrivateKey

_TRY = """\
curl -s {address}/graphql -H 'Content-Type: application/json' -d '{body}'
"""
_TRY_QUERY = """\
mutation {{ issueVirtualCard(input: {{accountId: "{account}", billingAddress: {{\
firstLine: "1 Test Avenue", city: "London", country: "GB", postCode: "SW1 1AA"}}}}) {{ \
... on IssueVirtualCardSuccess {{ card {{ id status }} }} ... on Error {{ message }} }} }}"""

AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Host name that is answered besides those of this machine; may be repeated.",
    ),
]
Host = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(setting_default, "host"),
        metavar="ADDRESS",
        help="Address to listen on.",
        # No GATEWAY_ variable, which this command does not read: the container image sets it.
        envvar="CARD_GATEWAY_DEV_HOST",
    ),
]
Port = Annotated[int, port_option(default_factory=DefaultFrom(setting_default, "port"))]
ActivationDelay = Annotated[
    float,
    typer.Option(
        default_factory=DefaultFrom(emulator_default, "activation_delay"),
        min=0,
        max=3600,
        metavar="SECONDS",
        help="Time until an issued card is active.",
    ),
]


def dev(
    *,
    host: Host,
    port: Port,
    allowed_host: AllowedHost = None,
    activation_delay: ActivationDelay,
) -> None:
    """Try it out: GraphiQL and an embedded emulator of the provider.

    There is nothing to configure: GATEWAY_… variables and .env are not read.
    """
    import httpx

    from gateway import serving
    from gateway.app import create_app
    from gateway.config import TracingVariables
    from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator
    from gateway.signing import PrivateKey
    from gateway.telemetry import LogSink, QueuedWriter, configure_logging, tracing_of

    names = [_checked(name) for name in allowed_host or []]
    listener = serving.listen(host, port, port_from="--port, or make run PORT=9000")
    key = PrivateKey.generate()
    settings = _settings(key, [*_own_names(listener), *names])
    configure_logging(settings.log_level, readable=True, writer=QueuedWriter)
    emulator = create_emulator(
        EmulatorOptions(
            api_key=settings.provider_api_key.get_secret_value(),
            api_secret=settings.provider_api_secret.get_secret_value(),
            signing_keys={settings.signing_key_id: key.public_key().to_pem()},
            activation_delay=activation_delay,
        )
    )
    tracing = tracing_of(TracingVariables.read(), LogSink())
    app = create_app(settings, transport=httpx.ASGITransport(app=emulator), tracing=tracing)
    source, bounds = serving.ListeningSocket(listener), serving.Bounds.by_default()
    server = serving.Server(app, source, bounds, LogSink())
    serving.stop_on_signals(server)
    _greet(serving.address(listener), GUIDE_ACCOUNT)
    serving.run(server)


def _checked(name: str) -> str:
    from gateway.config import host_name

    try:
        return host_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--allowed-host") from None


def _own_names(listener: socket.socket) -> list[str]:
    """The address that is listened on, where it is a single one, beside the loopback names."""
    address = listener.getsockname()[0].partition("%")[0]
    return ["localhost"] if ip_address(address).is_unspecified else ["localhost", address]


def _settings(key: "PrivateKey", allowed_hosts: list[str]) -> "DevSettings":
    from gateway.config import DevSettings

    return DevSettings.of(
        provider_url="http://emulator.localhost/v1",
        provider_api_key=str(uuid.uuid4()),
        provider_api_secret=uuid.uuid4().hex,
        signing_key_id=str(uuid.uuid4()),
        signing_key=key.to_pem().decode(),
        auth="none",
        allowed_hosts=allowed_hosts,
        graphiql=True,
        introspection=True,
        suggestions=True,
    )


def _greet(address: str, account: str) -> None:
    typer.secho(f"\nGraphiQL with the guide's three steps:  {address}/graphql\n", bold=True)
    typer.echo("Or from another terminal:\n")
    body = json.dumps({"query": _TRY_QUERY.format(account=account)})
    typer.echo(_TRY.format(address=address, body=body))
    typer.echo("The provider is an emulator inside this process. Ctrl-C stops both.\n")
