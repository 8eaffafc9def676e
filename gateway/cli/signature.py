"""The command ``gateway explain-signature``: what a verifier makes of a captured request."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway.cli.options import shown
from gateway.errors import ConfigError, SigningError

if TYPE_CHECKING:
    from gateway.diagnosis import Finding
    from gateway.diagnosis.captures import Capture
    from gateway.diagnosis.signature_check import Verifier
    from gateway.signing import PublicKey

_STDIN = Path("-")
_Read = TypeVar("_Read")


def _moment(text: str) -> float:
    """UNIX seconds, or a date-time of RFC 3339."""
    try:
        if text.isdecimal() and len(text) <= 12:
            return float(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be UNIX seconds, or a time such as 2026-11-27T12:00:00Z")
    return moment.timestamp()


Given = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="The request as text: request line, header fields, an empty line and the body. "
        "Without it, or for -, standard input is read.",
    ),
]
Received = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The same request as the other side received it, or its header fields alone.",
    ),
]
PublicKeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="PEM file of the public key; without it that of GATEWAY_SIGNING_KEY is taken.",
    ),
]
At = Annotated[
    float | None,
    typer.Option(
        parser=_moment,
        metavar="TIME",
        help="When the request arrived, in UNIX seconds or by RFC 3339; without it: now.",
    ),
]


def explain_signature(
    file: Given = _STDIN,
    *,
    received: Received = None,
    public_key: PublicKeyFile = None,
    at: At = None,
) -> None:
    """Show what a verifier makes of a captured request, and why it refuses its signature.

    Exit code 1 where it does. Tokens, cookies and bodies are not shown.
    """
    from gateway.diagnosis.signature_changes import changes, completed

    if file == received == _STDIN:
        raise ConfigError(["Standard input can be read once: name a file for one of the two."])
    verifier = _verifier(public_key, time.time() if at is None else at)
    sent, arrived = _request(file), None if received is None else _capture(received)
    good = _examined(sent, verifier, "Signature base")
    if arrived is not None:
        good &= _told("What has changed on the way", changes(sent, arrived))
        arrived = completed(arrived, sent)
        good &= _examined(arrived, verifier, "Signature base of what was received")
    if not good:
        raise typer.Exit(1)


def _request(path: Path) -> "Capture":
    captured = _capture(path)
    if not captured.method:
        reason = "its first line is no request line, such as POST /v1/cards HTTP/1.1"
        raise ConfigError([f"{_name(path)} is no HTTP request: {reason}."])
    return captured


def _capture(path: Path) -> "Capture":
    from gateway.diagnosis.captures import Capture, Malformed

    try:
        return Capture.parse(_content(path))
    except Malformed as error:
        raise ConfigError([f"{_name(path)} is no HTTP request: {error}."]) from error


def _content(path: Path) -> bytes:
    from gateway.config import read_bytes

    return _read(path, lambda it: sys.stdin.buffer.read() if it == _STDIN else read_bytes(it))


def _read(path: Path, read: Callable[[Path], _Read]) -> _Read:
    from gateway.config import Unreadable

    try:
        return read(path)
    except Unreadable as error:
        raise ConfigError([f"{_name(path)} cannot be read: {error}."]) from error


def _name(path: Path) -> str:
    return "Standard input" if path == _STDIN else shown(path)


def _verifier(path: Path | None, now: float) -> "Verifier":
    """What verifies: the public key of the file, or ours, whose id is known as well."""
    from gateway.config import ProviderSettings, Settings
    from gateway.diagnosis.signature_check import Verifier

    if path is not None:
        return Verifier(_public_key(path), None, now)
    settings = ProviderSettings.load(beside=Settings.model_fields)
    return Verifier(settings.private_key.public_key(), settings.signing_key_id, now)


def _public_key(path: Path) -> "PublicKey":
    from gateway.config import read_bytes
    from gateway.signing import PublicKey

    try:
        return PublicKey.from_pem(_read(path, read_bytes))
    except SigningError as error:
        raise ConfigError([f"{shown(path)}: {error.message}."]) from error


def _examined(capture: "Capture", verifier: "Verifier", heading: str) -> bool:
    from gateway.diagnosis.signature_check import base_lines, examine

    if lines := base_lines(capture):
        typer.secho(heading, bold=True)
        typer.echo("".join(f"    {line}\n" for line in lines), nl=False)
    return _told(None, examine(capture, verifier))


def _told(heading: str | None, findings: "Iterator[Finding]") -> bool:
    """Show the findings; whether none is bad."""
    from gateway.cli.findings import show

    if heading is not None:
        typer.secho(heading, bold=True)
    good = True
    for finding in findings:
        show(finding)
        good = good and finding.good is not False
    return good
