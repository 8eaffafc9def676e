"""The command ``gateway serve``: the gateway in front of the real provider."""

import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from gateway.cli.workers import Served
    from gateway.config import Settings
    from gateway.events import Sink
    from gateway.serving import Bounds
    from gateway.telemetry.metrics import SharedMetrics

    Load: TypeAlias = Callable[[], Settings]

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
    from gateway.serving import hold_reloads
    from gateway.storage import check_ledger
    from gateway.telemetry import DirectWriter, QueuedWriter, configure_logging

    hold_reloads()
    chosen: dict[str, Any] = {} if workers is None else {"workers": workers}
    load = partial(ServeSettings.load, **chosen)
    settings = load()
    # What forks must have one thread.
    writer = QueuedWriter if settings.workers == 1 else DirectWriter
    configure_logging(settings.log_level, readable=False, writer=writer)
    if settings.provider_plaintext_host:
        structlog.get_logger().warning("provider_is_reached_without_encryption")
    refuse_memory(settings.ledger.get_secret_value(), settings.workers)
    for warning in asyncio.run(check_ledger(settings)):
        structlog.get_logger().warning(warning)
    if settings.workers == 1:
        _serve_alone(settings, load)
    else:
        _serve_with_workers(settings, load)


def _serve_alone(settings: "Settings", load: "Load") -> None:
    from gateway import serving
    from gateway.cli.admin import admin_server, listen_for_admin

    metrics = admin = None
    if (admin_listener := listen_for_admin(settings)) is not None:
        from gateway.telemetry.metrics import MetricsSink

        metrics = MetricsSink()
        admin = admin_server(admin_listener, metrics.exposition)
    served = _served(settings, metrics, load)
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    source, bounds = serving.ListeningSocket(listener), _bounds(settings)
    server = serving.Server(
        served.app, source, bounds, served.emit, beside=admin, reload=served.reload
    )
    serving.stop_on_signals(server)
    _greet(listener, admin_listener)
    serving.run(server)


def _served(settings: "Settings", metrics: "Sink | None", load: "Load") -> "Served":
    """The application of a process that serves, and what goes with it."""
    from gateway.app import create_app
    from gateway.cli.workers import Served
    from gateway.config import TracingVariables
    from gateway.events import to_all
    from gateway.telemetry import LogSink, tracing_of

    emit = to_all([LogSink(), *([] if metrics is None else [metrics])])
    tracing = tracing_of(TracingVariables.read(), emit)
    app = create_app(settings, metrics=metrics, tracing=tracing)
    return Served(app, emit, partial(app.state.reloading.reload, load))


def _greet(listener: socket.socket, admin: socket.socket | None) -> None:
    from gateway.serving import address

    typer.echo(f"Serving {address(listener)}/graphql", err=True)
    if admin is not None:
        typer.echo(f"Metrics at {address(admin)}/metrics", err=True)


def _bounds(settings: "Settings") -> "Bounds":
    from gateway.serving import Bounds

    return Bounds.of(
        settings, call_deadline=settings.call_deadline, max_calls=settings.max_connections
    )


def _serve_with_workers(settings: "Settings", load: "Load") -> None:
    from gateway import serving
    from gateway.cli.admin import admin_service, listen_for_admin
    from gateway.cli.workers import Service, Supervisor, work
    from gateway.telemetry import LogSink, with_subject_key

    if settings.auth == "jwt":
        settings = with_subject_key(settings, LogSink())  # one key for all workers
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    admin_listener, shared, beside = listen_for_admin(settings), None, None
    if admin_listener is not None:
        from gateway.telemetry.metrics import SharedMetrics

        shared = SharedMetrics()
        beside = admin_service(admin_listener, shared)
    bounds = _bounds(settings)
    # Workers wait for SIGINT, which comes once nothing more is handed to them.
    patient = replace(bounds, readiness_delay=bounds.readiness_delay + 2)
    current = Current(settings)
    build = partial(_application, current, shared, load)
    service = Service(
        listener,
        settings.workers,
        partial(work, build=build, bounds=patient),
        ended=(lambda _: None) if shared is None else shared.ended,
    )
    supervisor = Supervisor(
        service,
        beside=beside,
        reload=partial(current.reload, load),
        readiness_delay=bounds.readiness_delay,
        end=bounds.end,
    )
    _greet(listener, admin_listener)
    try:
        raise typer.Exit(supervisor.run())
    finally:
        if shared is not None:
            shared.close()


class Current:
    """The settings that hold, for workers that are started later."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings

    def reload(self, load: "Load") -> bool:
        """Load settings; False where they cannot be used, and those from before hold."""
        from gateway.config import RELOADABLE
        from gateway.errors import ConfigError
        from gateway.events import SettingsRefused
        from gateway.reloading import Prepared
        from gateway.telemetry import LogSink

        try:
            loaded = load()
            Prepared.of(loaded)
        except ConfigError as error:
            LogSink()(SettingsRefused(problems=error.problems))
            return False
        given = {name: getattr(loaded, name) for name in RELOADABLE}
        self.settings = self.settings.model_copy(update=given)
        return True


def _application(
    current: Current, shared: "SharedMetrics | None", load: "Load", worker: int
) -> "Served":
    from gateway.telemetry import QueuedWriter, configure_logging

    settings = current.settings
    configure_logging(settings.log_level, readable=False, worker=worker, writer=QueuedWriter)
    metrics = None
    if shared is not None:
        from gateway.telemetry.metrics import MetricsSink

        shared.use(worker)
        metrics = MetricsSink()
    return _served(settings, metrics, load)
