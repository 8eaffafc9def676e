"""Wrong command lines, addresses and files: one plain line each, and never a traceback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Command
from tests.misspelt import MISSPELT
from tests.processes import ROOT, on_a_terminal, started
from tests.stack import environment


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder where nothing is, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith("GATEWAY_")]:
        monkeypatch.delenv(name)


PORT = "--port: must be a whole number from 0 to 65535."
DELAY = "--activation-delay: must be a number from 0 to 3600."
HOST = "--allowed-host: must be a host name without scheme or port, such as gateway.example."
KEY = "123e4567-e89b-12d3-a456-426614174000"
ONE_OF = "Give one of --card and --not-executed."
FIELD = (
    "--field: must be activateCard, deactivateCard, issueVirtualCard, "
    "simulateAuthorisationCapture, simulateAuthorisationRelease, simulateCardAuthorisation, "
    "simulateCardIssue, simulateCardIssueFailure or terminateCard."
)

OPTIONS = [
    (["dev", "--port", "70000"], PORT),
    (["dev", "--port", "-1"], PORT),
    (["dev", "--port", "x"], PORT),
    (["dev", "--port", ""], PORT),
    (["dev", "--port", "1e3"], PORT),
    (["emulator", "--port", "65536"], PORT),
    (["dev", "--activation-delay", "-1"], DELAY),
    (["dev", "--activation-delay", "nan"], DELAY),
    (["dev", "--activation-delay", "inf"], DELAY),
    (["dev", "--activation-delay", "-inf"], DELAY),
    (["dev", "--activation-delay", "soon"], DELAY),
    (["dev", "--allowed-host", "https://a.example"], HOST),
    (["dev", "--allowed-host", "a.example:8000"], HOST),
    (["dev", "--allowed-host", ""], HOST),
    (["dev", "--allowed-host"], "Option '--allowed-host' requires an argument."),
    (["dev", "--prot", "1"], "No such option: --prot (Possible options: --host, --port)"),
    (["dev", "extra"], "Got unexpected extra argument(s) (extra)"),
    (["serve", "--workers", "0"], "--workers: must be a whole number from 1 to 64."),
    (["serve", "--workers", "many"], "--workers: must be a whole number from 1 to 64."),
    (["serve", "--port", "1"], "No such option: --port"),
    (["serve", "extra"], "Got unexpected extra argument(s) (extra)"),
    (["keygen", "--out"], "Option '--out' requires an argument."),
    (["schema", "--chekc", "x"], "No such option: --chekc (Possible options: --check, --help)"),
    (["schema", "--check", "a", "--against", "b"], "Give one of --check and --against."),
    (["documents", "build", "--out", "x"], "Missing argument 'FILES...'."),
    (["documents", "build", "x"], "Missing option '--out'."),
    (["documents", "build", "--format", "x"], "--format: must be apollo or flat."),
    (["ledger", "show"], "Give one of KEY and --row."),
    (["ledger", "show", KEY, "--row", KEY], "Give one of KEY and --row."),
    (["ledger", "show", "x"], "KEY: must be a UUID."),
    (["ledger", "show", "--row", "x"], "--row: must be a UUID."),
    (["ledger", "show", MISSPELT["braces"]], "KEY: must be a UUID."),
    (["ledger", "show", "--row", MISSPELT["a URN"]], "--row: must be a UUID."),
    (["ledger", "show", "--row", MISSPELT["a blank after"]], "--row: must be a UUID."),
    (["ledger", "resolve", KEY, "--card", MISSPELT["no hyphens"]], "--card: must be a UUID."),
    (["ledger", "show", KEY, "--field", "card"], FIELD),
    (["ledger", "resolve", KEY], ONE_OF),
    (["ledger", "resolve", KEY, "--card", KEY, "--not-executed"], ONE_OF),
    (["ledger", "resolve", KEY, "--card", "x"], "--card: must be a UUID."),
    (["documents", "biuld"], "No such command 'biuld'. Did you mean 'build'?"),
    (["serv"], "No such command 'serv'. Did you mean 'serve'?"),
]


@pytest.mark.parametrize(("arguments", "line"), OPTIONS, ids=str)
def test_a_wrong_command_line_is_one_line(
    command: Command, arguments: list[str], line: str
) -> None:
    """The option is named with what it must be; at most a hint follows; the exit code is 2."""
    code, printed = command(*arguments)
    first, *rest = printed.splitlines()
    assert (code, first) == (2, line)
    assert all(one.startswith("Try 'gateway ") for one in rest)
    assert len(rest) <= 1


ADDRESSES = [
    ("10.1.2.3", "this machine does not have that address"),
    ("2001:db8::1", "this machine does not have that address"),
    ("nowhere.invalid", "the host name cannot be resolved"),
    ("a..b", "the host name cannot be resolved"),
    ("x" * 300, "the host name cannot be resolved"),
    ("999.1.1.1", "the host name cannot be resolved"),
]


@pytest.mark.parametrize(("host", "why"), ADDRESSES)
def test_an_address_that_cannot_be_had_is_one_line(command: Command, host: str, why: str) -> None:
    """An address of another machine, and a name that is none, are told apart."""
    code, printed = command("dev", "--host", host, "--port", "0")
    assert (code, printed) == (2, f"Cannot listen on {host} port 0: {why}.\n")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [(["dev"], "--port, or make run PORT=9000"), (["emulator"], "--port")],
)
def test_a_busy_port_says_where_to_choose_another(
    command: Command, arguments: list[str], advice: str
) -> None:
    """The line names the option, and for `make run` its variable."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, printed = command(*arguments, "--port", str(port))
    assert code == 2
    assert printed == (
        f"Cannot listen on 127.0.0.1 port {port}: "
        f"address already in use; choose another port with {advice}.\n"
    )


def test_serve_names_the_setting_of_a_busy_port(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`gateway serve` has no option for the port: its line names GATEWAY_PORT."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for name, value in environment(GATEWAY_AUTH="none", GATEWAY_PORT=port).items():
            monkeypatch.setenv(name, value)
        code, printed = command("serve")
    assert (code, printed.endswith("choose another port with GATEWAY_PORT.\n")) == (2, True)


FILES = [
    (["keygen", "--out", "none/key.pem"], "Cannot write none/key.pem: it is not found."),
    (["keygen", "--out", "folder"], "Cannot write folder: file exists."),
    (["keygen", "--out", ""], "Cannot write .: file exists."),
    (["schema", "--check", "none"], "Cannot read none: it is not found."),
    (["schema", "--check", "folder"], "Cannot read folder: it is a directory."),
    (["schema", "--check", "binary"], "Cannot read binary: it is not text in UTF-8."),
    (["schema", "--against", "huge"], "Cannot read huge: it is larger than 1 MiB."),
    (["schema", "--against", "/dev/zero"], "Cannot read /dev/zero: it is larger than 1 MiB."),
    (["schema", "--against", "two\nlines"], "Cannot read two?lines: it is not found."),
    (["schema", "--against", "text"], "text:1: Syntax Error: Unexpected Name 'no'."),
    (["schema", "--against", "deep"], "deep:1: Syntax Error: Document is nested too deeply."),
    (["schema", "--against", "misfit"], "misfit is not a GraphQL schema: Unknown type"),
    (["documents", "build", "query.graphql", "--out", "folder"], "it is a directory."),
]


@pytest.mark.parametrize(("arguments", "line"), FILES, ids=str)
def test_a_file_that_cannot_be_used_is_one_line(
    command: Command, arguments: list[str], line: str
) -> None:
    """Files that are not there, are no text or too large, and outputs that cannot be written."""
    Path("folder").mkdir()
    Path("binary").write_bytes(b"\x00\xff")
    Path("huge").write_text("#" * 1_048_577)
    Path("text").write_text("no schema")
    Path("deep").write_text("type Query { a: " + "[" * 100_000)
    Path("misfit").write_text("type Query { a: A } type B { c: C }")
    Path("query.graphql").write_text("query Q { __typename }")
    code, printed = command(*arguments)
    assert (code, printed.count("\n")) == (2, 1)
    assert line in printed


COMMANDS: list[list[str]] = [
    [],
    *([one] for one in ("dev", "serve", "emulator", "keygen", "schema", "documents")),
    *([one] for one in ("register-key", "delete-key", "doctor", "ledger")),
    ["documents", "build"],
    *(["ledger", one] for one in ("create", "status", "show", "purge", "upgrade", "resolve")),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=str)
def test_help_fits_a_terminal_and_loses_no_word(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """Help is at most 80 wide, cuts nothing, has no escape codes, and explains each option."""
    monkeypatch.setenv("COLUMNS", "80")
    code, printed = command(*arguments, "--help")
    lines = printed.splitlines()
    assert (code, max(map(len, lines)) <= 80, "\x1b" in printed) == (0, True, False)
    usages = "[ARGS]...", "FILES..."
    assert not [line for line in lines if "..." in line and not any(u in line for u in usages)]
    options = [at for at, line in enumerate(lines) if line.startswith("  --")]
    for at in options:
        name, _, words = lines[at].strip().partition("  ")
        assert words.strip("[ ") or lines[at + 1].startswith("     "), name


def test_commands_are_listed_with_whole_sentences(
    command: Command,
) -> None:
    """What a command is for is wrapped in the list, where it is too long for a line."""
    _, printed = command("--help")
    words = " ".join(printed.split("Commands:")[1].split())
    assert "Print the GraphQL schema, check a file against it, or list what changed" in words


TERMINALS = [["serve"], ["--help"], ["dev", "--port", "x"], ["dev", "--port", "0"]]


@pytest.mark.process
@pytest.mark.parametrize("arguments", TERMINALS, ids=str)
def test_no_color_holds_on_a_terminal(arguments: list[str]) -> None:
    """With NO_COLOR nothing that is written to a terminal holds an escape code."""
    until = "startup complete" if arguments[-1] == "0" else ""
    assert "\x1b" not in on_a_terminal(*arguments, until=until, NO_COLOR="1")


@pytest.mark.process
def test_colours_are_for_terminals() -> None:
    """Refusals are coloured on a terminal, unless nobody wants that."""
    assert "\x1b" in on_a_terminal("serve", NO_COLOR="")


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["schema"], ["--help"], ["keygen"], ["dev", "--port", "0"]])
def test_a_reader_that_has_gone_is_no_traceback(arguments: list[str]) -> None:
    """A command whose output nobody reads, as with `| head -1`, ends without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(writer)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)


@pytest.mark.process
def test_a_full_disk_is_one_line() -> None:
    """Output that cannot be written is said, and is no traceback."""
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "gateway", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "The output cannot be written: no space left on device.\n"


@pytest.mark.process
def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    """Ctrl-C before anything is served ends the command without a word."""
    os.mkfifo(tmp_path / ".env")
    with started("serve", cwd=str(tmp_path)) as serve:
        writer = os.open(tmp_path / ".env", os.O_WRONLY)  # returns when it is being read
        code = serve.stop(signal.SIGINT)
        os.close(writer)
    assert (code, serve.output) == (130, "")
