"""The commands about the signing key: keygen · register-key."""

import asyncio
import os
import shlex
import uuid
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import shown
from gateway.errors import ConfigError


def keygen(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the private key goes.")] = Path(
        "signing-key.pem"
    ),
) -> None:
    """Make a P-384 signing key, and an id to register it under.

    Prints the two settings of the key: eval "$(gateway keygen)" sets them in a shell.
    """
    from gateway.signing import PrivateKey

    try:
        _write_new(out, PrivateKey.generate().to_pem())
    except OSError as error:
        from gateway.config import file_reason

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


def register_key() -> None:
    """Tell the provider the public half of the signing key."""
    from gateway.cli.findings import show
    from gateway.config import Settings
    from gateway.diagnosis import examination
    from gateway.telemetry import configure_logging

    settings = Settings.load()
    configure_logging("warning", readable=True)
    finding = asyncio.run(examination.register_key(settings))
    if not finding.good:
        show(finding, err=True)
        raise typer.Exit(1)
    typer.echo(finding.what)
