"""The command ``gateway serve``: the gateway in front of the real provider."""

import typer


def serve() -> None:
    """Serve the real provider.

    All settings come from GATEWAY_… variables, from .env and from the files in
    GATEWAY_SECRETS_DIR; the README lists them.
    """
    import asyncio

    import structlog

    from gateway.app import check_ledger, create_app
    from gateway.cli import serving
    from gateway.config import ServeSettings
    from gateway.telemetry import configure_logging

    settings = ServeSettings.load()
    configure_logging(settings.log_level, readable=False)
    if settings.provider_plaintext_host:
        structlog.get_logger().warning("provider_is_reached_without_encryption")
    asyncio.run(check_ledger(settings))
    app = create_app(settings)
    listener = serving.listen(settings.host, settings.port, port_from="GATEWAY_PORT")
    serve_now = serving.server(app, listener, grace=settings.shutdown_grace)
    typer.echo(f"Serving {serving.address(listener)}/graphql", err=True)
    serve_now()
