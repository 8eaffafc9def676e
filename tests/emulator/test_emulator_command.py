"""`gateway emulator` as a user meets it: options, help, printed commands, output and colours."""

import contextlib
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import httpx
import pytest

from gateway import cli
from gateway.config import Settings
from gateway.emulator.fault_texts import describe_faults
from gateway.emulator.output import WAITING
from tests.cli.test_cli import three_steps
from tests.processes import ROOT, run, started

LIMIT = 300  # seconds for anything that is waited for: the machine may be slow
SECRET = "hunter2"
UUID_EXAMPLE = "must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000."
NAME = "must be a host name or an IP address, without a port."
EVERY_IPV4 = "0.0.0.0"  # noqa: S104


# --- options ---


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--account", SECRET], f"--account: {UUID_EXAMPLE}"),
        (["--account", "ae61c362413649af8e01544457fe265b"], f"--account: {UUID_EXAMPLE}"),
        (["--api-key", SECRET], f"--api-key: {UUID_EXAMPLE}"),
        (["--api-key", ""], f"--api-key: {UUID_EXAMPLE}"),
        (["--api-secret", ""], "--api-secret: must be printable text, and not empty."),
        (["--api-secret", "  "], "--api-secret: must be printable text, and not empty."),
        (["--api-secret", SECRET + "\n"], "--api-secret: must be printable text, and not empty."),
        (["--second-card", "500"], "--second-card: must be 409, 400 or issue_failed."),
        (["--inactive-account", "400"], "--inactive-account: must be 404, 409 or issue_failed."),
        (
            ["--capture-delay", "-1"],
            "--capture-delay: must be a number of seconds from 0 to 315360000.",
        ),
        (["--error-body", "xml"], "--error-body: must be json or text."),
        (["--reused-key-status", "415"], "--reused-key-status: must be 422 or 409."),
        (["--reused-key-status", "422.0"], "--reused-key-status: must be 422 or 409."),
        (["--bad-signature-status", "402"], "--bad-signature-status: must be 400 or 401."),
        (["--latency", "-1"], "--latency: must be a number of seconds from 0 to 3600."),
        (["--latency", "3601"], "--latency: must be a number of seconds from 0 to 3600."),
        (["--latency", "nan"], "--latency: must be a number of seconds from 0 to 3600."),
        (["--latency", SECRET], "--latency: must be a number of seconds from 0 to 3600."),
        (
            ["--activation-delay", "inf"],
            "--activation-delay: must be a number of seconds from 0 to 315360000.",
        ),
        (
            ["--activation-delay", "-0.1"],
            "--activation-delay: must be a number of seconds from 0 to 315360000.",
        ),
        (
            ["--token-lifetime", "0"],
            "--token-lifetime: must be a number of seconds above 0, up to 315360000.",
        ),
        (
            ["--max-signature-age", "0"],
            "--max-signature-age: must be a number of seconds above 0, up to 315360000.",
        ),
        (
            ["--token-lifetime", "1e400"],
            "--token-lifetime: must be a number of seconds above 0, up to 315360000.",
        ),
        (["--host", ""], f"--host: {NAME}"),
        (["--host", "a b"], f"--host: {NAME}"),
        (["--host", "x" * 300], f"--host: {NAME}"),
        (["--host", "127.0.0.1:8001"], f"--host: {NAME}"),
        (["--allowed-host", "http://emulator"], f"--allowed-host: {NAME}"),
        (["--allowed-host", "emulator:8001"], f"--allowed-host: {NAME}"),
        (["--allowed-host", "*"], f"--allowed-host: {NAME}"),
        (
            ["--faults", f'{{"status": "{SECRET}"}}'],
            "--faults: the faults are not as specified: "
            "status must be a whole number from 400 to 599.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:40],
)
def test_an_option_that_cannot_be_used_is_one_line(
    arguments: list[str],
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names the option and what it must be, not its value; the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        # On a port in use nothing would start if the option were accepted.
        port = str(holder.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["gateway", "emulator", "--port", port, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err) == (2, "", problem + "\n")


@pytest.mark.process
def test_every_option_that_cannot_be_used_is_told() -> None:
    """Two mistakes are two lines, and no traceback."""
    code, printed = run("emulator", "--latency", "x", "--api-key", SECRET)
    assert (code, printed.count("\n")) == (2, 2), printed
    assert sorted(line.split(":")[0] for line in printed.splitlines()) == ["--api-key", "--latency"]
    assert SECRET not in printed


# --- help ---


@pytest.mark.process
def test_the_help_fits_80_columns() -> None:
    """No line is longer, no option's name is cut off, and every fault has its values with it."""
    code, printed = run("emulator", "--help", COLUMNS="80", TERM="xterm")
    assert code == 0
    assert max(map(len, printed.splitlines())) <= 80
    words = " ".join(printed.split())
    for option in (
        "--port",
        "--allowed-host NAME",
        "--bad-signature-status 400|401",
        "--faults JSON",
    ):
        assert option in words
    for fault in describe_faults():
        told = f"{fault.name} {fault.meaning} Takes {fault.value}. [default: {fault.default}]"
        assert told in words


# --- the printed commands ---


def commands(lines: Sequence[str]) -> str:
    """The commands that the emulator printed, as they would be pasted."""
    found = [line for line in lines if line.startswith("  ")]
    assert len(found) == 7, lines
    return "".join(found)


def shell_environment(folder: Path) -> dict[str, str]:
    """A shell's environment in which nothing is configured, and `gateway` is on the PATH."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    (folder / "tmp").mkdir()
    return found | {"PATH": path, "TMPDIR": str(folder / "tmp")}


@contextlib.contextmanager
def pasted(text: str, folder: Path) -> Iterator[IO[str]]:
    """What the commands print when `sh` runs them in an empty folder."""
    (empty := folder / "empty").mkdir()
    shell = subprocess.Popen(
        ["/bin/sh", "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=empty,
        env=shell_environment(folder),
        start_new_session=True,
    )
    assert shell.stdout is not None
    try:
        yield shell.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        shell.stdout.read()
        shell.wait(LIMIT)
        shell.stdout.close()


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    """The port is in use: by us, by a test that runs beside this one, or by somebody else."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", port))
            holder.listen()
        yield


def has_ipv6() -> bool:
    """Whether this machine has the IPv6 loopback address."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), marks=pytest.mark.long),
        ("--host", EVERY_IPV4, "--api-secret", 'it\'s a "$HOME" `secret` \\ & more'),
        pytest.param(
            ("--host", "::"),
            marks=[
                pytest.mark.long,
                pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6"),
            ],
        ),
    ],
    ids=["loopback", "all of IPv4", "all of IPv6"],
)
def test_the_printed_commands_work_as_they_are(options: Sequence[str], tmp_path: Path) -> None:
    """Pasted into a shell in an empty folder they start a gateway in front of the emulator, also
    where its usual port is in use."""
    usual = Settings.model_fields["port"].default
    with taken(usual), started("emulator", "--port", "0", *options) as emulator:
        emulator.wait_for("export GATEWAY_PORT=0", LIMIT)
        emulator.wait_for("gateway serve", LIMIT)
        with pasted(commands(emulator.lines), tmp_path) as output:
            printed = ""
            while (found := re.search(r"Serving (http://\S+)/graphql", printed)) is None:
                line = output.readline()
                assert line, f"the commands ended without a gateway:\n{printed}"
                printed += line
            assert three_steps(found[1]) in {"ISSUING", "ACTIVE"}
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.process
def test_keygen_prints_what_a_shell_can_evaluate(tmp_path: Path) -> None:
    """On stdout are the two settings alone, whatever the folder is called."""
    (folder := tmp_path / "it's $HOME").mkdir()
    made = subprocess.run(
        [sys.executable, "-m", "gateway", "keygen"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    file, key_id = made.stdout.splitlines()
    name, _, value = file.removeprefix("export ").partition("=")
    assert (name, shlex.split(value)) == (
        "GATEWAY_SIGNING_KEY_FILE",
        [str(folder.resolve() / "signing-key.pem")],
    )
    assert re.fullmatch(r"export GATEWAY_SIGNING_KEY_ID=[0-9a-f-]{36}", key_id)
    assert "keep it secret" in made.stderr
    assert "gateway register-key" in made.stderr


# --- output ---


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
    return port


@contextlib.contextmanager
def emulator_with(stdout: int | None, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """An emulator whose output goes there; None: it is closed before the start."""
    closing = [] if stdout is not None else ["/bin/sh", "-c", 'exec "$@" >&-', "sh"]
    process = subprocess.Popen(
        [*closing, sys.executable, "-m", "gateway", "emulator", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LIMIT)
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()


def url_in(stream: IO[bytes]) -> str:
    """Read the printed commands to their end; the emulator's URL in them."""
    lines = b""
    while b"gateway serve\n\n" not in lines:
        line = stream.readline()
        assert line, lines
        lines += line
    found = re.search(rb"PROVIDER_URL=(http://\S+)/v1", lines)
    assert found is not None
    return found[1].decode()


def stopped(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """End it in order; its exit code, and what it wrote to stderr."""
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    return process.wait(LIMIT), process.stderr.read()


@pytest.mark.process
@pytest.mark.timeout(600)
def test_output_that_nobody_reads_stops_nothing() -> None:
    """Requests are answered while the pipe is full; what could not be written is counted."""
    # More lines than wait for a reader and fit into a pipe, which holds 64 KiB.
    requests, path = WAITING + 1000, "/v1" + f"/{'x' * 40}" * 4
    with emulator_with(subprocess.PIPE, "--port", "0") as process:
        assert process.stdout is not None
        url = url_in(process.stdout)
        with httpx.Client(base_url=url, trust_env=False, timeout=LIMIT) as client:
            for _ in range(requests):
                assert client.get(path).status_code == 404
        read: list[bytes] = []
        reader = threading.Thread(target=lambda stream: read.extend(stream), args=[process.stdout])
        reader.start()
        assert stopped(process) == (0, b"")
        reader.join(LIMIT)
    missing = sum(int(found) for found in re.findall(rb"\((\d+) lines are missing", b"".join(read)))
    assert missing > 0
    assert sum(b" 404 " in line for line in read) == requests - missing


@pytest.mark.process
def test_output_whose_reader_has_left_stops_nothing() -> None:
    """After its pipe was closed the emulator answers on, and ends in order."""
    with emulator_with(subprocess.PIPE, "--port", "0") as process:
        assert process.stdout is not None
        url = url_in(process.stdout)
        process.stdout.close()
        for _ in range(3):
            assert httpx.get(f"{url}/v1/cards", trust_env=False).status_code == 401
        assert stopped(process) == (0, b"")


@pytest.mark.process
def test_output_that_was_closed_before_the_start_stops_nothing() -> None:
    """Without a standard output the emulator works, and ends in order."""
    port = free_port()
    with emulator_with(None, "--port", str(port)) as process:
        wait_until_it_listens(port)
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/cards", trust_env=False)
        assert answer.status_code == 401
        assert stopped(process) == (0, b"")


def wait_until_it_listens(port: int) -> None:
    """Poll until the port takes connections."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"the emulator did not listen on port {port} within {LIMIT} s")


@pytest.mark.process
@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "", "TERM": "dumb"}, False),
        ({"NO_COLOR": ""}, True),
    ],
    ids=["NO_COLOR", "dumb", "coloured"],
)
def test_colours_are_for_terminals_that_want_them(
    environment: dict[str, str], coloured: bool
) -> None:
    """On a terminal the printed commands and request lines have colours, never with NO_COLOR."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "emulator", "--port", "0"],
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    try:
        printed = read_until(ours, rb"gateway serve\r\n")
        url = re.search(rb"PROVIDER_URL=(http://\S+)/v1", printed)
        assert url is not None
        httpx.get(f"{url[1].decode()}/v1/cards", trust_env=False)
        printed += read_until(ours, rb"bearer token")
    finally:
        process.terminate()
        process.wait(LIMIT)
        os.close(ours)
    assert (b"\x1b" in printed) == coloured
    assert (b"\x1b[33m401\x1b[0m" in printed) == coloured


def read_until(descriptor: int, pattern: bytes) -> bytes:
    """What a terminal shows up to and with the pattern."""
    shown = b""
    while not re.search(pattern, shown):
        part = os.read(descriptor, 4096)
        assert part, shown
        shown += part
    return shown


@pytest.mark.process
def test_output_that_is_no_terminal_has_no_colours() -> None:
    """Into a pipe no escape sequence is written."""
    with started("emulator", "--port", "0", NO_COLOR="", TERM="xterm") as emulator:
        emulator.wait_for("gateway serve", LIMIT)
        assert emulator.stop() == 0
    assert "\x1b" not in emulator.output


@pytest.mark.process
def test_the_embedded_emulator_prints_no_requests() -> None:
    """`gateway dev` says nothing of the calls to the emulator inside it."""
    with started("dev", "--port", "0", "--activation-delay", "0") as dev:
        three_steps(dev.wait_for(r"http://[\d.]+:\d+", LIMIT)[0])
        assert dev.stop() == 0
    assert "/v1/" not in dev.output
