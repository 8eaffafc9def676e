"""The command ``gateway doctor``."""

import asyncio

import typer


def doctor() -> None:
    """Check connection, token, signature and clock of the provider, and say what to do."""
    from gateway.cli.findings import show
    from gateway.config import Settings
    from gateway.diagnosis import examination
    from gateway.telemetry import configure_logging

    settings = Settings.load()
    configure_logging("error", readable=True)
    is_good = asyncio.run(examination.examine(settings, show))
    show(examination.signer(settings))
    if not is_good:
        raise typer.Exit(1)
