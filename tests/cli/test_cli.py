"""The commands, as real processes on real sockets."""

import re
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from gateway import __version__
from gateway.cli import cli
from tests.commands import Command
from tests.processes import run, started
from tests.stack import CARD, ISSUE, SIMULATE, issue_input
from tests.waiting import PATIENCE

PLAIN: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE}
URL = r"http://[\d.]+:\d+"


def ask(url: str, query: str, variables: Any) -> Any:
    """The data of one GraphQL request over a socket."""
    body = {"query": query, "variables": variables}
    return httpx.post(f"{url}/graphql", json=body, **PLAIN).json()["data"]


def three_steps(url: str) -> str:
    """Issue, simulate and read; the status that the card then has."""
    issued = ask(url, ISSUE, issue_input())["issueVirtualCard"]
    card_id = issued["card"]["id"]
    simulated = ask(url, SIMULATE, {"input": {"cardId": card_id}})["simulateCardIssue"]
    assert simulated["__typename"] == "SimulateCardIssueSuccess"
    status = ask(url, CARD, {"id": card_id})["card"]["status"]
    assert isinstance(status, str)
    return status


@pytest.mark.process
def test_dev_answers_the_three_steps_with_nothing_configured() -> None:
    """`gateway dev` needs no settings, prints where it is, and ends cleanly on Ctrl-C."""
    with started("dev", "--port", "0", "--activation-delay", "0") as dev:
        url = dev.wait_for(URL)[0]
        assert three_steps(url) == "ACTIVE"
        page = httpx.get(f"{url}/graphql", headers={"Accept": "text/html"}, **PLAIN)
        assert "GraphiQL" in page.text
        assert dev.stop(signal.SIGINT) == 0
    assert "canary" not in dev.output


@pytest.mark.process
def test_devs_first_query_can_be_copied_and_run(tmp_path: Path) -> None:
    """The command that `gateway dev` prints works as it stands."""
    with started("dev", "--port", "0") as dev:
        dev.wait_for("both")
        text = "".join(dev.lines)
        body = re.search(r"-d '(.*?)'", text, re.DOTALL)
        url = re.search(URL, text)
        assert body is not None
        assert url is not None
        answer = httpx.post(
            f"{url[0]}/graphql",
            content=body[1],
            headers={"Content-Type": "application/json"},
            **PLAIN,
        )
        assert answer.json()["data"]["issueVirtualCard"]["card"]["status"] == "ISSUING"


@pytest.mark.process
def test_serve_with_the_emulator_over_http(tmp_path: Path) -> None:
    """keygen, register-key, doctor and serve work against the emulator over real sockets."""
    with started("emulator", "--port", "0", "--activation-delay", "0") as emulator:
        emulator.wait_for("register-key")
        environment = exports("".join(emulator.lines))
        code, printed = run("keygen", "--out", str(tmp_path / "key.pem"))
        assert code == 0
        environment |= exports(printed)
        environment |= {"GATEWAY_PORT": "0", "GATEWAY_AUTH": "none", "cwd": str(tmp_path)}

        code, printed = run("doctor", **environment)
        assert (code, "signature" in printed) == (1, True), printed
        code, printed = run("register-key", **environment)
        assert (code, "Registered" in printed) == (0, True), printed
        code, printed = run("doctor", **environment)
        assert (code, printed.count("ok  ")) == (0, 4), printed

        with started("serve", **environment) as serve:
            url = serve.wait_for(URL)[0]
            assert three_steps(url) == "ACTIVE"
            page = httpx.get(f"{url}/graphql", headers={"Accept": "text/html"}, **PLAIN)
            assert page.status_code == 406
            assert serve.stop() == 0
        for secret in (environment["GATEWAY_PROVIDER_API_SECRET"], "Test Avenue", "530518"):
            assert secret not in serve.output


def exports(text: str) -> dict[str, str]:
    """The settings that a command printed."""
    return dict(re.findall(r"export (\w+)=(\S+)", text))


@pytest.mark.process
def test_serve_refuses_to_start_with_all_problems(tmp_path: Path) -> None:
    """Without settings `gateway serve` lists everything that is missing, and exits with 2."""
    code, printed = run("serve", cwd=str(tmp_path))
    assert code == 2
    assert printed.count("is not set") == 5
    assert "Traceback" not in printed


@pytest.mark.process
def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    """With a provider that cannot be reached, doctor says why and names the setting to check."""
    run("keygen", "--out", str(tmp_path / "key.pem"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, printed = run(
        "doctor",
        cwd=str(tmp_path),
        GATEWAY_PROVIDER_URL=f"http://127.0.0.1:{port}/v1",
        GATEWAY_PROVIDER_API_KEY="d04953b7-5878-4fd0-8970-0a5f77fbce59",
        GATEWAY_PROVIDER_API_SECRET="canary",
        GATEWAY_SIGNING_KEY_ID="d04953b7-5878-4fd0-8970-0a5f77fbce59",
        GATEWAY_SIGNING_KEY_FILE=str(tmp_path / "key.pem"),
    )
    assert code == 1
    assert f"127.0.0.1:{port} refuses the connection" in printed
    assert "GATEWAY_PROVIDER_URL" in printed
    assert "canary" not in printed


@pytest.mark.process
def test_a_port_in_use_is_said_plainly() -> None:
    """A port that is taken is one sentence, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, printed = run("dev", "--port", str(port))
    assert (code, f"port {port}: address already in use" in printed) == (2, True)
    assert "Traceback" not in printed


def test_keygen_writes_for_the_owner_and_never_over_a_key(tmp_path: Path, command: Command) -> None:
    """The private key is readable by its owner alone, and an existing file is kept."""
    out = tmp_path / "key.pem"
    assert command("keygen", "--out", str(out))[0] == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    code, printed = command("keygen", "--out", str(out))
    assert (code, "file exists" in printed) == (2, True)
    assert out.read_bytes() == before


def test_schema_prints_and_checks(tmp_path: Path, command: Command) -> None:
    """`gateway schema` prints the SDL; --check passes on it and shows a diff of anything else."""
    code, text = command("schema")
    assert (code, "type Card implements Node {" in text) == (0, True)
    file = tmp_path / "schema.graphql"
    file.write_text(text)
    assert command("schema", "--check", str(file))[0] == 0
    file.write_text(text.replace("maskedPan: String", "pan: String"))
    code, printed = command("schema", "--check", str(file))
    assert code == 1
    assert "-  pan: String" in printed
    assert "+  maskedPan: String" in printed


def invoke(*arguments: str) -> tuple[int, str]:
    """Run a command in this process: for those that only print."""
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.output


def test_the_version_is_told() -> None:
    """`gateway --version` prints the version alone."""
    assert invoke("--version") == (0, __version__ + "\n")


COMMANDS = [
    *("dev", "serve", "emulator", "schema", "documents", "ledger"),
    *("keygen", "register-key", "delete-key", "doctor"),
]


@pytest.mark.parametrize("command", [[], *([one] for one in COMMANDS)], ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    """--help tells what a command is for, and names it."""
    code, printed = invoke(*command, "--help")
    assert (code, "Usage" in printed) == (0, True)
    assert all(one in printed for one in command or COMMANDS)
