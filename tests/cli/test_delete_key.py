"""`gateway delete-key`: it asks before it deletes, and says what came of it."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from gateway.emulator import create_emulator
from tests.commands import Command
from tests.stack import KEY_ID, environment, options
from tests.tls import served

OTHER = "0B0E6B0A-5E0C-4a39-9d1f-0c6f2f9f5c11"


class Terminal(io.StringIO):
    """Input that is typed."""

    def isatty(self) -> bool:
        """Somebody can be asked."""
        return True


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starlette]:
    """An emulator with no key on a socket, and the settings for it in the environment."""
    app = create_emulator(options(signing_keys={}))
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    with served(app) as port:
        url = f"http://127.0.0.1:{port}/v1"
        for name, value in environment(GATEWAY_PROVIDER_URL=url).items():
            monkeypatch.setenv(name, value)
        yield app


def has(emulator: Starlette, key_id: str) -> bool:
    """Whether a key is registered under the id."""
    return emulator.state.emulator.find_key(key_id) is not None


def test_a_key_is_registered_used_and_deleted(emulator: Starlette, command: Command) -> None:
    """Once it is deleted, a signed call is refused; deleting it again is told in words."""
    assert command("register-key")[0] == 0
    assert command("doctor")[0] == 0
    code, printed = command("delete-key", "--yes")
    assert (code, printed) == (0, f"Deleted the signing key with the id {KEY_ID}.\n")
    code, printed = command("doctor")
    assert (code, "refuses the signature" in printed) == (1, True)
    code, printed = command("delete-key", "--yes")
    assert code == 1
    assert "does not delete it (status 400)" in printed
    assert "deleted before or never registered" in printed


def test_another_key_is_named(
    emulator: Starlette, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an id, that key is deleted, in the spelling it was given in, and ours stays."""
    assert command("register-key")[0] == 0
    monkeypatch.setenv("GATEWAY_SIGNING_KEY_ID", OTHER)
    assert command("register-key")[0] == 0
    monkeypatch.setenv("GATEWAY_SIGNING_KEY_ID", KEY_ID)
    assert has(emulator, OTHER)
    code, printed = command("delete-key", OTHER, "--yes")
    assert (code, OTHER in printed) == (0, True)
    assert (has(emulator, OTHER), has(emulator, KEY_ID)) == (False, True)


@pytest.mark.parametrize(
    ("typed", "deleted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_it_asks_on_a_terminal(
    typed: str,
    deleted: bool,
    emulator: Starlette,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a yes deletes; the question names the id and the provider's host."""
    assert command("register-key")[0] == 0
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    code, printed = command("delete-key")
    assert (
        f"Delete the signing key {KEY_ID}, which this gateway signs with, at 127.0.0.1:" in printed
    )
    assert (code, has(emulator, KEY_ID)) == ((0, False) if deleted else (1, True))
    assert ("Nothing was deleted." in printed) is not deleted


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
def test_without_a_terminal_it_wants_yes(
    stdin: io.StringIO | None,
    emulator: Starlette,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that did not say --yes deletes nothing."""
    assert command("register-key")[0] == 0
    monkeypatch.setattr("sys.stdin", stdin)
    code, printed = command("delete-key")
    assert code == 2
    assert printed == "Nothing was deleted: without a terminal to ask on, give --yes.\n"
    assert has(emulator, KEY_ID)


def test_an_id_that_is_none_is_refused(emulator: Starlette, command: Command) -> None:
    """One line, which names the argument and not its value."""
    code, printed = command("delete-key", "canary", "--yes")
    assert (code, printed.splitlines()[0]) == (2, "KEY_ID: must be a UUID.")
    assert "canary" not in printed
