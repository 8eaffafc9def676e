"""README, compose.yaml, Dockerfile and commands agree, as far as is seen without an engine."""

import fnmatch
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml

from gateway.cli import cli
from gateway.config import ServerSettings, Settings
from gateway.serving import Bounds
from gateway.signing import PrivateKey
from tests.cli.test_cli import three_steps
from tests.pair import URL
from tests.processes import ROOT, Process, run, started
from tests.stack import environment

IMAGE = "card-gateway"
LIMIT = 90  # seconds until a server answers, on a busy machine
HEALTHCHECK = ROOT / "deploy" / "healthcheck"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
README = (ROOT / "README.md").read_text()
LEDGER = "/var/lib/card-gateway"  # the folder of the image
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "profiles" not in service}
"""The services that run our image, and that start without being asked for."""
VARIABLES = {f"GATEWAY_{name.upper()}" for name in Settings.model_fields} | {"GATEWAY_SECRETS_DIR"}
# Options of `docker run` that stand alone, and those whose value is the next word.
ALONE = {"--rm", "--read-only"}
WITH_VALUE = {"-p", "-v", "-e", "--user", "--cap-drop", "--security-opt", "--stop-timeout"}


def readme_commands(program: str) -> list[list[str]]:
    """The words of each command in the README's shell blocks that runs this program."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if "docker" in line]
    return [words for words in commands if words[words.index("docker") :][1:2] == [program]]


def parts(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options of a `docker run`, and what follows the image's name."""
    options: dict[str, list[str]] = {}
    rest = words[2:]
    while rest[0] != IMAGE:
        name = rest.pop(0)
        assert name in ALONE | WITH_VALUE, f"docker run {name}"
        options.setdefault(name, []).extend([rest.pop(0)] if name in WITH_VALUE else [])
    return options, rest[1:]


def parse(arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of arguments; raises for a command or an option it has not."""
    root = typer.main.get_command(cli)
    assert isinstance(root, typer.core.TyperGroup)
    with root.make_context("gateway", list(arguments)) as context:
        name, command, rest = root.resolve_command(context, list(arguments))
        assert command is not None
        with command.make_context(name, rest, parent=context) as inner:
            return dict(inner.params)


RUNS = readme_commands("run")


def test_the_readme_runs_the_image_that_it_builds() -> None:
    """The README builds one image, and each of its `docker run` uses that."""
    [build] = readme_commands("build")
    assert build == ["docker", "build", "-t", IMAGE, "."]
    assert {tuple(parts(words)[1][:1]) for words in RUNS} == {
        ("dev",),
        ("keygen",),
        ("register-key",),
        ("doctor",),
        ("serve",),
    }


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_the_readmes_container_commands_hold(words: list[str]) -> None:
    """The arguments parse, variables are settings, ports are on loopback, and what is mounted is a
    folder as the image's working folder, used as its owner, or the ledger's volume."""
    options, arguments = parts(words)
    parse(arguments)
    given = [value.partition("=")[0] for value in options.get("-e", [])]
    assert set(given) <= VARIABLES
    assert all(port.startswith("127.0.0.1:") for port in options.get("-p", []))
    volumes = options.get("-v", [])
    assert (f"card-gateway-ledger:{LEDGER}" in volumes) is (arguments == ["serve"])
    for volume in volumes:
        assert volume.removesuffix(":ro") in {"$PWD:/work", f"card-gateway-ledger:{LEDGER}"}
        assert options["--user"] == ["$(id -u):$(id -g)"]
    assert "\nWORKDIR /work\n" in DOCKERFILE


def test_the_readmes_serve_command_has_valid_settings() -> None:
    """What is set by `-e` is taken: open by decision, for loopback names only."""
    [options] = [parts(words)[0] for words in RUNS if parts(words)[1] == ["serve"]]
    values = dict(value.split("=", 1) for value in options["-e"])
    assert values == {"GATEWAY_AUTH": "open", "GATEWAY_ALLOWED_HOSTS": '["localhost"]'}


@pytest.mark.parametrize("name", OURS)
def test_each_service_is_hardened_and_known(name: str) -> None:
    """Each service of compose.yaml runs our image, read-only and without privileges, as the key's
    owner; its command parses, its variables are settings, its secrets are defined settings."""
    service = SERVICES[name]
    assert service["image"] == IMAGE
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "${CARD_GATEWAY_USER:-10001:10001}"
    parse(service["command"])
    assert set(service.get("environment", {})) <= VARIABLES
    for secret in service.get("secrets", []):
        assert COMPOSE["secrets"][secret] == {"file": "./signing-key.pem"}
        assert secret.upper() in VARIABLES
        assert service["environment"]["GATEWAY_SECRETS_DIR"] == "/run/secrets"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_ledger_outlives_its_container() -> None:
    """The image's ledger is in a folder that any user may write to, which is a volume; compose.yaml
    gives `serve`, and nothing else, a volume with a name for it."""
    assert f" GATEWAY_LEDGER=sqlite:{LEDGER}/ledger.db " in DOCKERFILE
    assert f"\nRUN mkdir -m 1777 {LEDGER}\nVOLUME {LEDGER}\n" in DOCKERFILE
    mounted = {name: service.get("volumes", []) for name, service in OURS.items()}
    assert mounted == {"emulator": [], "register-key": [], "gateway": [f"ledger:{LEDGER}"]}
    assert [*COMPOSE["volumes"]] == ["ledger", "postgres"]
    assert all(
        "GATEWAY_LEDGER" not in service.get("environment", {}) for service in SERVICES.values()
    )


def test_the_database_for_replicas_starts_only_when_it_is_asked_for() -> None:
    """compose.yaml shows a PostgreSQL that keeps its data, publishes no port and is not started."""
    [name] = SERVICES.keys() - OURS.keys()
    database = SERVICES[name]
    assert (name, database["profiles"], database.get("ports")) == ("postgres", ["postgres"], None)
    assert database["volumes"] == ["postgres:/var/lib/postgresql"]
    words = "postgresql://{POSTGRES_USER}:{POSTGRES_PASSWORD}@postgres/{POSTGRES_DB}"
    assert words.format(**database["environment"]) in (ROOT / "compose.yaml").read_text()


def test_services_wait_for_each_other() -> None:
    """The key is registered once the emulator is healthy, and the gateway starts after that."""
    register, gateway = SERVICES["register-key"], SERVICES["gateway"]
    assert register["depends_on"] == {"emulator": {"condition": "service_healthy"}}
    assert gateway["depends_on"] == {
        "register-key": {"condition": "service_completed_successfully"}
    }
    assert SERVICES["emulator"]["healthcheck"]["test"] == ["CMD", HEALTHCHECK.name]
    assert [one for one in SERVICES if "ports" in SERVICES[one]] == ["gateway"]


def test_containers_are_given_the_time_that_an_orderly_end_takes() -> None:
    """An end takes 27 s: compose file, Dockerfile, README and Kubernetes' 30 s allow for it."""
    call_deadline = Settings.model_fields["call_deadline"].default
    end = Bounds.of(ServerSettings.of(), call_deadline=call_deadline, max_calls=100).end
    assert end == 27
    assert int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > end
    for text in (DOCKERFILE, README):
        given = re.findall(r"--stop-timeout (\d+)", text)
        assert given
        assert all(int(seconds) > end for seconds in given)


def test_the_dockerfile_holds_together() -> None:
    """Both stages have the base of the argument, variables are settings, what is copied is let in,
    and health is checked by the script that is copied."""
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert set(re.findall(r"\b(GATEWAY_\w+)=", DOCKERFILE.replace("CARD_GATEWAY", ""))) <= VARIABLES
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in line.split():
            assert any(fnmatch.fnmatch(source, rule) for rule in let_in), source
            assert (ROOT / source).exists()
    assert f"COPY deploy/healthcheck /usr/local/bin/{HEALTHCHECK.name}\n" in DOCKERFILE
    assert f'CMD ["{HEALTHCHECK.name}"]\n' in DOCKERFILE
    assert HEALTHCHECK.stat().st_mode & stat.S_IXOTH


def emulator_arguments() -> list[str]:
    """The emulator's command of compose.yaml, on a free port."""
    return [re.sub(r"^--port=.*", "--port=0", word) for word in SERVICES["emulator"]["command"]]


def ledger_in(folder: Path) -> str:
    """The image's setting, with a folder of this machine."""
    found = re.search(r"\bGATEWAY_LEDGER=(\S+)", DOCKERFILE)
    assert found
    return found[1].replace(LEDGER, str(folder))


def of_the_service(name: str, port: str, secrets: Path) -> dict[str, str]:
    """The environment of a service, with the emulator on this machine, its own secrets and the
    ledger of the image beside them."""
    given: dict[str, str] = dict(SERVICES[name]["environment"])
    url = given["GATEWAY_PROVIDER_URL"].replace("//emulator:8001/", f"//localhost:{port}/")
    return given | {
        "GATEWAY_PROVIDER_URL": url,
        "GATEWAY_PROVIDER_PLAINTEXT_HOST": "localhost",
        "GATEWAY_SECRETS_DIR": str(secrets),
        "GATEWAY_LEDGER": ledger_in(secrets),
        "GATEWAY_PORT": "0",
        "cwd": str(secrets),
    }


@pytest.mark.process
def test_the_services_of_compose_work_together(tmp_path: Path) -> None:
    """Started as compose.yaml says, one after the other, they issue a card; the emulator answers
    to its name in the network, and the gateway warns that the way to it is not encrypted. It alone
    makes the ledger that all of them are told of."""
    (tmp_path / "gateway_signing_key").write_bytes(PrivateKey.generate().to_pem())
    ledger = {"GATEWAY_LEDGER": ledger_in(tmp_path)}
    with started(*emulator_arguments(), **ledger) as emulator:
        port = emulator.wait_for(r"http://[\d.]+:(\d+)", LIMIT)[1]
        settings = of_the_service("gateway", port, tmp_path)
        named = httpx.post(
            f"http://127.0.0.1:{port}/v1/auth/token",
            headers={"Host": "emulator:8001"},
            json={
                "apiKey": settings["GATEWAY_PROVIDER_API_KEY"],
                "apiSecret": settings["GATEWAY_PROVIDER_API_SECRET"],
            },
            trust_env=False,
        )
        assert named.status_code == 200, named.text

        registering = of_the_service("register-key", port, tmp_path)
        code, printed = run(*SERVICES["register-key"]["command"], **registering)
        assert (code, "Registered" in printed) == (0, True), printed
        assert run("doctor", **registering)[0] == 0
        assert run("keygen", "--out", str(tmp_path / "other.pem"), **ledger)[0] == 0
        assert not (tmp_path / "ledger.db").exists()
        with started(*SERVICES["gateway"]["command"], **settings) as gateway:
            url = gateway.wait_for(URL, LIMIT)[0]
            assert three_steps(url) in {"ISSUING", "ACTIVE"}
            rebound = {"Host": "evil.example"}
            assert httpx.get(f"{url}/healthz", headers=rebound, trust_env=False).status_code == 400
            assert gateway.stop() == 0
    assert (tmp_path / "ledger.db").exists()
    assert "provider_is_reached_without_encryption" in gateway.output


@pytest.mark.process
def test_dev_is_reachable_in_a_container_by_loopback_names_only() -> None:
    """With the variable of the image `gateway dev` binds to all addresses, prints one that works,
    and answers to no other host name; without it, to loopback only."""
    variable = re.search(r"(CARD_GATEWAY_DEV_HOST)=(\S+)", DOCKERFILE)
    assert variable is not None
    with started("dev", "--port", "0", **{variable[1]: variable[2]}) as dev:
        printed = dev.wait_for(URL, LIMIT)[0]
        assert printed.startswith("http://127.0.0.1:")
        assert httpx.get(f"{printed}/healthz", trust_env=False).status_code == 200
        tables = Path("/proc/net/tcp")
        if tables.exists():
            port = int(printed.rsplit(":", 1)[1])
            assert f"00000000:{port:04X} 00000000:0000 0A" in tables.read_text()
        rebound = httpx.get(f"{printed}/healthz", headers={"Host": "evil.example"}, trust_env=False)
        assert rebound.status_code == 400


linux = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists() or not Path("/bin/bash").exists(),
    reason="the image's check reads Linux' /proc with bash",
)


def health(pid: int, **environment: str) -> int:
    """The exit code of the image's check for a process."""
    given = {**os.environ, **environment}
    return subprocess.run([HEALTHCHECK, str(pid)], check=False, env=given).returncode


def becomes_healthy(process: Process) -> bool:
    """Whether the check succeeds before its patience, which is also that of an engine, ends."""
    until = time.monotonic() + LIMIT
    while process.alive and time.monotonic() < until:
        if health(process.pid) == 0:
            return True
        time.sleep(0.1)
    return False


def serve_environment(folder: Path) -> dict[str, str]:
    """Settings of a `serve` whose provider is not there."""
    return environment(GATEWAY_AUTH="open", GATEWAY_PORT="0", cwd=str(folder))


@pytest.mark.process
@linux
@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", marks=pytest.mark.long),
        pytest.param("127.0.0.2", marks=pytest.mark.long),
        "0.0.0.0",  # noqa: S104
    ],
)
def test_serve_is_healthy_wherever_it_listens(tmp_path: Path, host: str) -> None:
    """The check finds `serve` on any address and port, and misses it when it hangs or ends."""
    with started("serve", **serve_environment(tmp_path) | {"GATEWAY_HOST": host}) as serve:
        assert becomes_healthy(serve)
        os.kill(serve.pid, signal.SIGSTOP)
        try:
            assert health(serve.pid) == 1
        finally:
            os.kill(serve.pid, signal.SIGCONT)
        assert serve.stop() == 0
        assert health(serve.pid) == 1


@pytest.mark.process
@linux
def test_the_admin_listener_is_not_asked(tmp_path: Path) -> None:
    """That metrics are shown does not make a gateway healthy whose workers answer nobody."""
    settings = serve_environment(tmp_path) | {"GATEWAY_ADMIN_PORT": "0", "GATEWAY_WORKERS": "2"}
    settings["GATEWAY_LEDGER"] = f"sqlite:{tmp_path}/ledger.db"
    with started("serve", **settings) as serve:
        port = serve.wait_for(r"Metrics at http://127.0.0.1:(\d+)/metrics")[1]
        assert becomes_healthy(serve)
        workers = [int(serve.wait_for(r'"pid":(\d+),"event":"worker_started"')[1]) for _ in "12"]
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).is_success
            assert health(serve.pid, GATEWAY_ADMIN_PORT=port) == 1
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)


@pytest.mark.process
@linux
@pytest.mark.parametrize(
    "arguments",
    [
        ["dev"],
        pytest.param(["emulator"], marks=pytest.mark.long),
        ["emulator", "--host", "::1"],
    ],
    ids=" ".join,
)
def test_other_servers_are_healthy(arguments: list[str]) -> None:
    """`dev` and `emulator` are found as well, by IPv6 too."""
    with started(*arguments, "--port", "0") as server:
        assert becomes_healthy(server)


@pytest.mark.process
@linux
def test_what_serves_nothing_is_not_healthy() -> None:
    """A process that listens nowhere is not healthy, whoever else listens on this machine."""
    with started("emulator", "--port", "0") as server:
        server.wait_for(URL, LIMIT)
        with subprocess.Popen(["/bin/sleep", "600"]) as idle:
            assert health(idle.pid) == 1
            idle.kill()
