"""The command ``gateway emulator``: the provider's double as a server of its own."""

import contextlib
import sys
from typing import Annotated

import typer

from gateway.cli import emulator_options
from gateway.cli.options import port_option, setting_default
from gateway.errors import ConfigError


def emulator(
    context: typer.Context,
    *,
    port: Annotated[int, port_option()] = 8001,
    host: emulator_options.Host = "127.0.0.1",
    allowed_host: emulator_options.AllowedHosts = None,
    api_key: emulator_options.ApiKey = None,
    api_secret: emulator_options.ApiSecret = None,
    account: emulator_options.Accounts = None,
    any_account: emulator_options.AnyAccount = False,
    one_card_per_account: emulator_options.OneCard = False,
    second_card: emulator_options.SecondCard,
    inactive_account: emulator_options.InactiveAccount,
    activation_delay: emulator_options.ActivationDelay,
    capture_delay: emulator_options.CaptureDelay,
    token_lifetime: emulator_options.TokenLifetime,
    latency: emulator_options.Latency,
    sparse_cards: emulator_options.SparseCards = False,
    bad_signature_status: emulator_options.BadSignatureStatus,
    max_signature_age: emulator_options.MaxSignatureAge = None,
    reused_key_status: emulator_options.ReusedKeyStatus,
    error_body: emulator_options.ErrorBody,
    faults: emulator_options.FaultsJson = "{}",
) -> None:
    """Run the provider's strict double over HTTP; one line is printed for each request."""
    from gateway import serving
    from gateway.emulator import create_emulator
    from gateway.emulator.command_line import read_command_line
    from gateway.emulator.output import Output, banner
    from gateway.telemetry import LogSink, QueuedWriter, configure_logging

    chosen = read_command_line(context.params)
    listener = serving.listen(chosen.host, port)
    configure_logging("warning", readable=True, writer=QueuedWriter)
    hosts = (*chosen.hosts, listener.getsockname()[0])
    url, port_of_gateway = serving.address(listener), _port_of_gateway()
    with contextlib.closing(Output(sys.stdout)) as output:
        app = create_emulator(
            chosen.options, faults=chosen.faults, hosts=hosts, observe=output.observe
        )
        source, bounds = serving.ListeningSocket(listener), serving.Bounds.by_default()
        server = serving.Server(app, source, bounds, LogSink(), date_header=False)
        serving.stop_on_signals(server)
        output.write(banner(url, chosen.options, port_of_gateway, coloured=output.coloured))
        serving.run(server)


def _port_of_gateway() -> int:
    """The usual port of `gateway serve` if it can have it now, else 0: any free one."""
    from gateway import serving

    wanted: int = setting_default("port")
    try:
        serving.listen(setting_default("host"), wanted).close()
    except ConfigError:
        return 0
    return wanted
