"""Every command that needs settings reads them from the same places."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from gateway.cli import cli
from tests.commands import Command
from tests.stack import environment


@dataclass(frozen=True)
class Reading:
    """A command, a setting and its value, and what the command prints where it is heeded."""

    command: str
    setting: str
    value: str
    printed: str


BUSY = "PORT"  # of a socket that these tests have: nobody can listen on it, and nothing answers
ROW = "123e4567-e89b-12d3-a456-426614174000"
READINGS = [
    Reading("serve", "GATEWAY_PORT", BUSY, f"Cannot listen on 127.0.0.1 port {BUSY}: "),
    Reading("doctor", "GATEWAY_PROVIDER_URL", f"http://localhost:{BUSY}/v1", f"localhost:{BUSY}"),
    *(
        Reading(command, "GATEWAY_PROVIDER_URL", f"http://localhost:{BUSY}/v1", f"localhost:{BUSY}")
        for command in ("register-key", "delete-key --yes")
    ),
    Reading(
        "documents build card.graphql --out manifest.json",
        "GATEWAY_MAX_DOCUMENT_COST",
        "11",
        "The document has a cost of 13",
    ),
    *(
        Reading(f"ledger {command}", "GATEWAY_LEDGER", "memory", "memory is not kept anywhere")
        for command in (
            *("create", "status", "purge", "upgrade", f"show --row {ROW}"),
            *(f"resolve --row {ROW} --card {ROW}", f"resolve --row {ROW} --not-executed"),
        )
    ),
    *(
        Reading(f"audit {command}", "GATEWAY_AUDIT_FILE", "no.jsonl", "no.jsonl cannot be read")
        for command in ("verify", f"find --card {ROW}")
    ),
]
READINGS += [
    Reading("config", "GATEWAY_LOG_LEVEL", "loud", "GATEWAY_LOG_LEVEL: must be debug, info, "),
    Reading("explain-signature", "GATEWAY_SIGNING_KEY_FILE", "no.pem", "KEY_FILE: names a file"),
]
WITHOUT_SETTINGS = {"dev", "emulator", "schema", "keygen", "explain"}


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A port that is bound and silent, a folder with a document, and what each command needs."""
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    needed = environment(
        GATEWAY_PROVIDER_URL="https://provider.invalid/v1",
        GATEWAY_AUTH="none",
        GATEWAY_AUDIT_KEY="k" * 32,
    )
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "card.graphql").write_text("query Card { card(id: 1) { id } }")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


@pytest.mark.parametrize("place", ["environment", ".env", "secrets"])
@pytest.mark.parametrize("reading", READINGS, ids=lambda one: one.command)
def test_every_command_reads_every_source(
    reading: Reading, place: str, port: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that stands in one place alone is heeded by each command that needs settings."""
    value, printed = (text.replace(BUSY, port) for text in (reading.value, reading.printed))
    monkeypatch.delenv(reading.setting, raising=False)
    match place:
        case "environment":
            monkeypatch.setenv(reading.setting, value)
        case ".env":
            Path(".env").write_text(f"{reading.setting}={value}\n")
        case "secrets":
            Path("secrets").mkdir()
            Path("secrets", reading.setting.lower()).write_text(f"{value}\n")
            monkeypatch.setenv("GATEWAY_SECRETS_DIR", "secrets")
    code, output = command(*reading.command.split())
    assert code != 0
    assert printed in output


@pytest.mark.parametrize("reading", READINGS, ids=lambda one: one.command)
def test_every_command_refuses_a_misspelt_name(
    reading: Reading, port: str, command: Command
) -> None:
    """A name that is no setting ends each command that reads settings, whichever it needs."""
    Path(".env").write_text("GATEWAY_PROT=1\n")
    code, output = command(*reading.command.split())
    refusal = "GATEWAY_PROT: is not a setting (in .env); did you mean GATEWAY_PORT?\n"
    told = output[-len(refusal) :] if reading.command == "config" else output  # it shows the rest
    assert (code, told) == (2, refusal)


def test_no_command_is_forgotten() -> None:
    """Each command is among those above, or is one of those that read no setting."""
    group = typer.main.get_group(cli)
    names = {reading.command.split()[0] for reading in READINGS}
    assert group.commands.keys() == names | WITHOUT_SETTINGS
    assert not names & WITHOUT_SETTINGS


@pytest.mark.parametrize("arguments", ["schema", "keygen", "explain"])
def test_other_commands_read_no_setting(arguments: str, port: str, command: Command) -> None:
    """A command that needs no setting runs, whatever stands in .env."""
    Path(".env").write_text("GATEWAY_PROT=1\nGATEWAY_PORT=x\n")
    code, _ = command(*arguments.split())
    assert code == 0
