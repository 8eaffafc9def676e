"""The commands about the signing key: keygen · register-key · delete-key."""

import asyncio
import os
import shlex
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli.options import shown
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.diagnosis import Finding


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
    from gateway.config import Settings
    from gateway.diagnosis import examination
    from gateway.telemetry import configure_logging

    settings = Settings.load()
    configure_logging("warning", readable=True)
    _report(asyncio.run(examination.register_key(settings)))


KeyId = Annotated[
    str | None,
    typer.Argument(
        metavar="KEY_ID",
        show_default=False,
        help="The id of the key; without it that of GATEWAY_SIGNING_KEY_ID.",
    ),
]


def delete_key(
    key_id: KeyId = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Have the provider delete a public signing key.

    Requests that are signed with it are refused from then on. Its private key stays where it is.
    """
    from gateway.config import Settings
    from gateway.diagnosis import examination
    from gateway.telemetry import configure_logging

    settings = Settings.load()
    chosen = settings.signing_key_id if key_id is None else _key_id(key_id)
    if not yes:
        _confirm(settings, chosen)
    configure_logging("warning", readable=True)
    _report(asyncio.run(examination.delete_key(settings, chosen)))


def _key_id(text: str) -> str:
    from gateway.config import uuid_text

    try:
        return uuid_text(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="KEY_ID") from None


def _confirm(settings: "Settings", key_id: str) -> None:
    """Ask on a terminal; ends the command where the answer is not yes, or nobody can be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(["Nothing was deleted: without a terminal to ask on, give --yes."])
    used = (
        ", which this gateway signs with"
        if key_id.lower() == settings.signing_key_id.lower()
        else ""
    )
    host = urlsplit(settings.provider_url).netloc
    try:
        agreed = typer.confirm(f"Delete the signing key {key_id}{used}, at {host}?", err=True)
    except typer.Abort:  # Ctrl-C or the end of the input
        agreed = False
    if not agreed:
        typer.echo("Nothing was deleted.", err=True)
        raise typer.Exit(1)


def _report(finding: "Finding") -> None:
    from gateway.cli.findings import show

    if not finding.good:
        show(finding, err=True)
        raise typer.Exit(1)
    typer.echo(finding.what)
