"""Where settings come from: nothing is ignored in silence, and no file fails without a reason."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config import DocumentSettings, Settings
from gateway.errors import ConfigError
from tests import stack

NEEDED = stack.environment(GATEWAY_PROVIDER_URL="https://api.sandbox.offblocks.xyz/v1")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A folder without .env, and an environment with the settings that are needed."""
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems(**given: Any) -> dict[str, str]:
    """The problems of the settings that are found, by what they name."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(**given)
    return dict(problem.split(": ", 1) for problem in caught.value.problems)


def put(tmp_path: Path, environment: pytest.MonkeyPatch, place: str, name: str, text: str) -> None:
    """Set a variable in one of the places where settings are read."""
    if place == "environment":
        environment.setenv(name, text)
    elif place == ".env":
        with (tmp_path / ".env").open("a") as file:
            file.write(f"{name}={text}\n")
    else:
        (tmp_path / "secrets").mkdir(exist_ok=True)
        (tmp_path / "secrets" / name.lower()).write_text(f"{text}\n")
        environment.setenv("GATEWAY_SECRETS_DIR", "secrets")


PLACES = ["environment", ".env", "secrets"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GATEWAY_DOCUMENT_MODE", "GATEWAY_DOCUMENTS_MODE"),
        ("gateway_document_mode", "GATEWAY_DOCUMENTS_MODE"),
        ("GATEWAY_PROT", "GATEWAY_PORT"),
        ("GATEWAY__PORT", "GATEWAY_PORT"),
        ("GATEWAY_API_SECRET", "GATEWAY_PROVIDER_API_SECRET"),
        ("GATEWAY_SECRET_DIR", "GATEWAY_SECRETS_DIR"),
        ("GATEWAY_QQQ", None),
        ("GATEWAY_SERVICES_HOST_X", None),
        ("GATEWAY_", None),
    ],
)
def test_a_misspelt_setting_is_refused(
    tmp_path: Path,
    environment: pytest.MonkeyPatch,
    place: str,
    name: str,
    meant: str | None,
) -> None:
    """An unknown name is refused wherever it stands, with what was meant or what to do."""
    put(tmp_path, environment, place, name, "canary")
    [(shown, reason)] = problems().items()
    assert shown.upper() == name.upper()
    assert (f"did you mean {meant}?" if meant else "listed in GATEWAY_IGNORE") in reason
    assert "canary" not in reason


def test_misspelt_settings_are_listed_with_all_other_problems(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    """One start tells everything that is wrong, in all sources."""
    for place, name in zip(PLACES, ["GATEWAY_AAA", "GATEWAY_BBB", "GATEWAY_CCC"], strict=True):
        put(tmp_path, environment, place, name, "x")
    environment.setenv("GATEWAY_PORT", "x")
    environment.delenv("GATEWAY_PROVIDER_URL")
    assert {name.upper() for name in problems()} == {
        "GATEWAY_AAA",
        "GATEWAY_BBB",
        "GATEWAY_CCC",
        "GATEWAY_PORT",
        "GATEWAY_PROVIDER_URL",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_SERVICE_PORT", "8000"),
        ("GATEWAY_SERVICE_PORT_HTTP", "8000"),
        ("GATEWAY_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("GATEWAY_PORT_8000_TCP_PROTO", "tcp"),
        ("GATEWAY_PORT_53_UDP_ADDR", "10.0.0.1"),
        ("GATEWAY_PORT_9_SCTP_PORT", "9"),
        ("GATEWAY_PORT", "tcp://10.0.0.1:8000"),
        ("GATEWAY_MAX_PORT", "udp://10.0.0.1:53"),
        ("GATEWAY_MAX_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
    ],
)
def test_what_platforms_inject_is_passed_over(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Kubernetes' variables of Services, and the one of CGI, are no settings."""
    environment.setenv(name, value)
    assert Settings.load().port == Settings.model_fields["port"].default


def test_a_service_that_hides_the_port_is_told(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Service named gateway sets GATEWAY_PORT: one line says so, and .env still counts."""
    environment.setenv("GATEWAY_PORT", "tcp://10.0.0.1:8000")
    Path(".env").write_text("GATEWAY_PORT=9000\n")
    assert Settings.load().port == 9000
    [line] = caplog.messages
    assert "enableServiceLinks: false" in line


@pytest.mark.parametrize("name", ["PROVIDER_API_SECRET", "HOST", "SIGNING_KEY_FILE"])
def test_bytes_that_are_no_text_are_refused(environment: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is not UTF-8 is refused by its name."""
    environment.setenv(f"GATEWAY_{name}", os.fsdecode(b"\xff"))
    assert problems()[f"GATEWAY_{name}"] == "is not text in UTF-8"


@pytest.mark.parametrize("place", ["environment", ".env"])
@pytest.mark.parametrize("names", ["GATEWAY_AAA,GATEWAY_BBB", " gateway_aaa  GATEWAY_BBB "])
def test_names_of_other_programs_can_be_listed(
    tmp_path: Path, environment: pytest.MonkeyPatch, place: str, names: str
) -> None:
    """GATEWAY_IGNORE lists names that are not ours; any other is still refused."""
    put(tmp_path, environment, place, "GATEWAY_IGNORE", names)
    for name in ("GATEWAY_AAA", "GATEWAY_BBB"):
        put(tmp_path, environment, ".env", name, "1")
    Settings.load()
    environment.setenv("GATEWAY_CCC", "1")
    assert list(problems()) == ["GATEWAY_CCC"]


# A folder of secrets cannot hold its own name.
EVERYWHERE = [
    (place, name)
    for place in PLACES
    for name in Settings.model_fields
    if (place, name) != ("secrets", "secrets_dir")
]


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize(("place", "name"), EVERYWHERE)
def test_an_empty_value_is_not_set(
    tmp_path: Path, environment: pytest.MonkeyPatch, place: str, name: str, empty: str
) -> None:
    """Every setting that is empty has its default, or is said to be missing."""
    variable = f"GATEWAY_{name.upper()}"
    environment.delenv(variable, raising=False)
    before = _outcome()
    put(tmp_path, environment, place, variable, empty)
    assert _outcome() == before


def _outcome() -> Any:
    try:
        return Settings.load().model_dump(exclude={"secrets_dir"})
    except ConfigError as error:
        return error.problems


def test_an_empty_variable_leaves_the_next_source(environment: pytest.MonkeyPatch) -> None:
    """An empty variable does not hide what .env sets."""
    environment.setenv("GATEWAY_PORT", "")
    Path(".env").write_text("gateway_port=9000\n")
    assert Settings.load().port == 9000


def test_an_earlier_source_wins(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """The environment comes before .env, and .env before the secret files."""
    for place, port in (("secrets", "1"), (".env", "2"), ("environment", "3")):
        put(tmp_path, environment, place, "GATEWAY_PORT", port)
        assert Settings.load().port == int(port)


def test_the_folder_of_secrets_can_stand_in_env_file(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    """GATEWAY_SECRETS_DIR is a setting like others: .env may hold it."""
    put(tmp_path, environment, "secrets", "GATEWAY_PORT", "9000")
    environment.delenv("GATEWAY_SECRETS_DIR")
    Path(".env").write_text("GATEWAY_SECRETS_DIR=secrets\n")
    assert Settings.load().port == 9000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("GATEWAY_AUTH jwt\n", 1),
        ("\n\nGATEWAY_AUTH\n", 3),
        ("# a comment\n  GATEWAY_AUTH: none\n", 2),
        ("GATEWAY_PROVIDER_API_SECRET:canary=\n", 1),
        ('GATEWAY_HOST=::1\nGATEWAY_AUTH="none\n', 2),
        ("GATEWAY_AUTH='none' # a comment\nsomething else = 'x\n", 2),
    ],
)
def test_a_malformed_line_is_named_by_its_number(text: str, line: int) -> None:
    """A line of .env that cannot be read is refused by its number, and not quoted."""
    Path(".env").write_text(text)
    found = problems()
    assert found == {f".env line {line}": "is not of the form NAME=value"}


def test_lines_of_others_are_left_alone() -> None:
    """What .env holds for other programs is no concern of ours."""
    Path(".env").write_text("export OTHER\nexport GATEWAY_PORT=9000 # ours\nFOO=bar\n")
    assert Settings.load().port == 9000


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """The rights of a user who is not root: root may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def unreadable(path: Path, how: str) -> None:
    """Make a file that cannot be read, in one of several ways."""
    match how:
        case "it is a directory":
            path.mkdir()
        case "it is not text in UTF-8":
            path.write_bytes(b"\xff\xfeA\x00")
        case "it is larger than 1 MiB":
            path.write_bytes(b"A" * 1_048_577)
        case "permission denied":
            path.parent.chmod(0o755)
            path.touch(0o000)


REASONS = ["it is a directory", "it is not text in UTF-8", "permission denied"]


@pytest.mark.parametrize("why", REASONS)
def test_an_unreadable_env_file_is_said_alone(environment: pytest.MonkeyPatch, why: str) -> None:
    """The reason is told, and not that settings are missing which may be in it."""
    Path.cwd().chmod(0o755)
    unreadable(Path(".env"), why)
    environment.delenv("GATEWAY_PROVIDER_URL")
    with another_user():
        assert problems() == {".env": f"cannot be read: {why}"}


@pytest.mark.parametrize(
    ("variable", "reasons"),
    [
        ("GATEWAY_SIGNING_KEY_FILE", [*REASONS, "it is larger than 1 MiB", "it is not found"]),
        ("GATEWAY_JWT_KEYS", [*REASONS, "it is larger than 1 MiB", "it is not found"]),
        ("GATEWAY_DOCUMENTS", ["it is a directory", "permission denied", "it is not found"]),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, environment: pytest.MonkeyPatch, variable: str, reasons: list[str]
) -> None:
    """A setting that names a file says why it cannot be read, without its path."""
    for number, why in enumerate(reasons):
        path = tmp_path / f"canary{number}"
        unreadable(path, why)
        environment.setenv(variable, str(path))
        with another_user() if why == "permission denied" else contextlib.nullcontext():
            assert problems() == {variable: f"names a file that cannot be read: {why}"}


def test_a_pipe_is_not_waited_for(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """What is no regular file is refused before it is opened, and a relative path is explained."""
    os.mkfifo(tmp_path / "pipe")
    environment.setenv("GATEWAY_SIGNING_KEY_FILE", "pipe")
    reason = problems()["GATEWAY_SIGNING_KEY_FILE"]
    assert "it is not a regular file (a relative path begins at the working directory)" in reason


@pytest.mark.parametrize("content", ["", "-----BEGIN PRIVATE KEY-----\ncanary\n"])
def test_what_is_no_key_is_named_by_the_file(
    tmp_path: Path, environment: pytest.MonkeyPatch, content: str
) -> None:
    """A file that is text and no key is a problem of the setting that names it."""
    (tmp_path / "key.pem").write_text(content)
    environment.setenv("GATEWAY_SIGNING_KEY_FILE", "key.pem")
    assert problems() == {
        "GATEWAY_SIGNING_KEY_FILE": "the private key is not a readable, unencrypted PEM"
    }


@pytest.mark.parametrize("why", REASONS)
def test_an_unreadable_secret_is_named(
    tmp_path: Path, environment: pytest.MonkeyPatch, why: str
) -> None:
    """A file of the folder that cannot be read is named by its setting; others are read."""
    put(tmp_path, environment, "secrets", "GATEWAY_PORT", "9000")
    environment.delenv("GATEWAY_PROVIDER_API_SECRET")
    tmp_path.chmod(0o755)
    unreadable(tmp_path / "secrets" / "gateway_provider_api_secret", why)
    with another_user():
        assert problems() == {
            "GATEWAY_PROVIDER_API_SECRET": (
                f"its file in GATEWAY_SECRETS_DIR cannot be read: {why}"
            )
        }


@pytest.mark.parametrize(
    ("folder", "why"), [("none", "it is not found"), ("file", "it is not a directory")]
)
def test_an_unreadable_folder_of_secrets_is_said_alone(
    environment: pytest.MonkeyPatch, folder: str, why: str
) -> None:
    """The reason is told, and not that settings are missing which may be in it."""
    Path("file").touch()
    environment.setenv("GATEWAY_SECRETS_DIR", folder)
    environment.delenv("GATEWAY_PROVIDER_API_SECRET")
    assert problems() == {"GATEWAY_SECRETS_DIR": f"names a folder that cannot be read: {why}"}


def test_a_part_of_the_settings_knows_all_names(environment: pytest.MonkeyPatch) -> None:
    """What a command does not need is passed over, what is misspelt is refused all the same."""
    environment.setenv("GATEWAY_MAX_DOCUMENT_COST", "7")
    environment.setenv("GATEWAY_PORT", "x")
    assert DocumentSettings.load(beside=Settings.model_fields).max_document_cost == 7
    environment.setenv("GATEWAY_PROT", "1")
    with pytest.raises(ConfigError, match="did you mean GATEWAY_PORT"):
        DocumentSettings.load(beside=Settings.model_fields)
