"""The admin listener of ``gateway serve``, beside the one that callers reach."""

import socket
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.cli.workers import Served, Service
    from gateway.config import AdminSettings
    from gateway.serving import SideServer
    from gateway.telemetry.metrics import Exposition, SharedMetrics


def listen_for_admin(settings: "AdminSettings") -> socket.socket | None:
    """The listening socket; None where no port is set. Raises ConfigError."""
    from gateway import serving

    if settings.admin_port is None:
        return None
    return serving.listen(settings.admin_host, settings.admin_port, port_from="GATEWAY_ADMIN_PORT")


def admin_server(listener: socket.socket, metrics: "Exposition") -> "SideServer":
    """Serves the metrics of this process, in the event loop of its own server."""
    from gateway import serving
    from gateway.http.admin import admin_app
    from gateway.telemetry import LogSink

    source = serving.ListeningSocket(listener)
    return serving.SideServer(admin_app(metrics), source, serving.Bounds.by_default(), LogSink())


def admin_service(listener: socket.socket, shared: "SharedMetrics") -> "Service":
    """Serves the metrics of all workers, in a process of its own."""
    from gateway.cli.workers import Service, work
    from gateway.serving import Bounds

    build = partial(_shown, shared)
    work_ = partial(work, build=build, bounds=Bounds.by_default())
    return Service(listener, 1, work_, first=0, role="admin")


def _shown(shared: "SharedMetrics", _number: int) -> "Served":
    from gateway.cli.workers import Served
    from gateway.http.admin import admin_app
    from gateway.telemetry import LogSink

    return Served(admin_app(shared.exposition()), LogSink())
