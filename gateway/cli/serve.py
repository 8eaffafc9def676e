"""The command ``gateway serve``: the gateway in front of the real provider."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from gateway.config import Settings
    from gateway.serving import Bounds

Workers = Annotated[
    int | None,
    typer.Option(
        min=1, max=64, metavar="N", help="Processes that serve; without it GATEWAY_WORKERS decides."
    ),
]


def serve(workers: Workers = None) -> None:
    """Serve the real provider.

    All settings come from GATEWAY_… variables, from .env and from the files in
    GATEWAY_SECRETS_DIR; the README lists them.
    """
    import asyncio

    import structlog

    from gateway.cli.workers import refuse_memory
    from gateway.config import ServeSettings
    from gateway.storage import check_ledger
    from gateway.telemetry import DirectWriter, QueuedWriter, configure_logging

    chosen: dict[str, Any] = {} if workers is None else {"workers": workers}
    settings = ServeSettings.load(**chosen)
    # What forks must have one thread.
    writer = QueuedWriter if settings.workers == 1 else DirectWriter
    configure_logging(settings.log_level, readable=False, writer=writer)
    if settings.provider_plaintext_host:
        structlog.get_logger().warning("provider_is_reached_without_encryption")
    refuse_memory(settings.ledger.get_secret_value(), settings.workers)
    for warning in asyncio.run(check_ledger(settings)):
        structlog.get_logger().warning(warning)
    if settings.workers == 1:
        _serve_alone(settings)
    else:
        _serve_with_workers(settings)


def _serve_alone(settings: "Settings") -> None:
    from gateway import serving
    from gateway.app import create_app
    from gateway.telemetry import LogSink

    app = create_app(settings)
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    source = serving.ListeningSocket(listener)
    server = serving.Server(app, source, _bounds(settings), LogSink())
    serving.stop_on_signals(server)
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    serving.run(server)


def _bounds(settings: "Settings") -> "Bounds":
    from gateway.serving import Bounds

    return Bounds.of(
        settings, call_deadline=settings.call_deadline, max_calls=settings.max_connections
    )


def _serve_with_workers(settings: "Settings") -> None:
    from gateway import serving
    from gateway.cli.workers import Supervisor, work
    from gateway.telemetry import LogSink, with_subject_key

    if settings.auth == "jwt":
        settings = with_subject_key(settings, LogSink())  # one key for all workers
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    bounds = _bounds(settings)
    # Workers wait for SIGINT, which comes once nothing more is handed to them.
    patient = replace(bounds, readiness_delay=bounds.readiness_delay + 2)
    supervisor = Supervisor(
        listener,
        settings.workers,
        partial(work, build=partial(_application, settings), bounds=patient),
        readiness_delay=bounds.readiness_delay,
        end=bounds.end,
    )
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    raise typer.Exit(supervisor.run())


def _application(settings: "Settings", worker: int) -> "Starlette":
    from gateway.app import create_app
    from gateway.telemetry import QueuedWriter, configure_logging

    configure_logging(settings.log_level, readable=False, worker=worker, writer=QueuedWriter)
    return create_app(settings)
