"""Settings: every problem at once, no secret shown."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config import ServeSettings, Settings, is_loopback
from gateway.errors import ConfigError
from tests.certificates import Authority
from tests.stack import API_KEY, API_SECRET, KEY_ID, SIGNING_KEY, settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env of the working folder is read."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A usable private key."""
    path = tmp_path / "key.pem"
    path.write_bytes(SIGNING_KEY.to_pem())
    return path


def problems(**given: Any) -> dict[str, str]:
    """The problems of these settings by variable."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(**given)
    return dict(problem.split(": ", 1) for problem in caught.value.problems)


def test_all_problems_are_listed_at_once() -> None:
    """Nothing set gives one sentence for each variable that is needed."""
    assert problems() == {
        "GATEWAY_PROVIDER_URL": "is not set",
        "GATEWAY_PROVIDER_API_KEY": "is not set",
        "GATEWAY_PROVIDER_API_SECRET": "is not set",
        "GATEWAY_SIGNING_KEY_ID": "is not set",
        "GATEWAY_SIGNING_KEY": "GATEWAY_SIGNING_KEY_FILE is needed; `gateway keygen` makes a key",
    }


def test_every_bad_value_is_listed_without_it(tmp_path: Path) -> None:
    """Bad values are listed together, each by its variable, none with its value."""
    (tmp_path / "key.pem").write_text("canary")
    found = problems(
        provider_url="ftp://canary",
        provider_api_key="canary",
        provider_api_secret=" ",
        signing_key_id="canary",
        signing_key_file=tmp_path / "key.pem",
        port=99999,
        log_level="canary",
        read_timeout=0,
    )
    assert set(found) == {
        f"GATEWAY_{name}"
        for name in [
            "PROVIDER_URL",
            "PROVIDER_API_KEY",
            "PROVIDER_API_SECRET",
            "SIGNING_KEY_ID",
            "SIGNING_KEY_FILE",
            "PORT",
            "LOG_LEVEL",
            "READ_TIMEOUT",
        ]
    }
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://api.example.com/v1", "https"),
        ("https://user:pass@api.example.com", "credentials"),
        ("https://api.example.com/v1?x=1", "query"),
        ("api.example.com", "http(s) URL"),
    ],
)
def test_a_provider_url_that_would_leak_is_refused(url: str, reason: str) -> None:
    """Plain http off loopback, credentials and queries in the URL are refused."""
    assert reason in problems(provider_url=url)["GATEWAY_PROVIDER_URL"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("emulator", "http://emulator:8001/v1"),
        ("Emulator", "http://EMULATOR:8001/v1"),
        ("emulator_1.test", "http://emulator_1.test/v1"),
        ("10.0.0.7", "http://10.0.0.7:8001/v1"),
    ],
)
def test_plain_http_to_one_named_host(host: str, url: str) -> None:
    """The host that is named, in any case, may be reached by http; it is a test environment."""
    loaded = settings(provider_url=url, provider_plaintext_host=host)
    assert loaded.provider_url == url
    assert loaded.simulator_allowed
    assert not settings(
        provider_url=url, provider_plaintext_host=host, simulator=False
    ).simulator_allowed


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("emulator", "http://emulator.example/v1"),
        ("emulator", "http://emulator./v1"),
        ("emulator", "http://other.emulator/v1"),
        ("emulator", "http://emulatorx/v1"),
        ("emulator", "http://127.0.0.1:8001/v1"),
        ("emulator", "https://emulator/v1"),
        ("emulator", "https://api.example.com/v1"),
    ],
)
def test_plain_http_to_no_other_host(host: str, url: str) -> None:
    """Any other host is refused as before, and so is the setting where https needs it not."""
    found = problems(provider_url=url, provider_plaintext_host=host)
    assert "GATEWAY_PROVIDER_PLAINTEXT_HOST" in found["GATEWAY_PROVIDER_URL"]


@pytest.mark.parametrize(
    "host", ["*", "*.example", "emulator:8001", "http://emulator", "emulator/v1", "a b", "a,b"]
)
def test_a_plaintext_host_is_a_name_alone(host: str) -> None:
    """Wildcards, ports, URLs and lists are refused, and none of them lets a URL in."""
    found = problems(provider_url="http://emulator:8001/v1", provider_plaintext_host=host)
    assert "host name" in found["GATEWAY_PROVIDER_PLAINTEXT_HOST"]
    assert "https" in found["GATEWAY_PROVIDER_URL"]


def test_an_unreadable_key_file_is_one_problem(tmp_path: Path) -> None:
    """A key file that is not there is said once, under its own variable."""
    found = problems(signing_key_file=tmp_path / "missing.pem")
    assert "cannot be read" in found["GATEWAY_SIGNING_KEY_FILE"]
    assert "GATEWAY_SIGNING_KEY" not in found


def test_the_environment_and_env_file_and_secrets_are_read(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings come from variables, from .env, and secrets from files of a folder."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "gateway_provider_api_secret").write_text(API_SECRET + "\n")
    (tmp_path / ".env").write_text(f"GATEWAY_PROVIDER_API_KEY={API_KEY}\nOTHER=1\n")
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("GATEWAY_PROVIDER_URL", "https://api.sandbox.offblocks.xyz/v1/")
    monkeypatch.setenv("GATEWAY_SIGNING_KEY_ID", KEY_ID)
    monkeypatch.setenv("GATEWAY_SIGNING_KEY_FILE", str(key_file))
    loaded = Settings.load()
    assert loaded.provider_url == "https://api.sandbox.offblocks.xyz/v1"
    assert loaded.provider_api_secret.get_secret_value() == API_SECRET
    assert loaded.provider_api_key.get_secret_value() == API_KEY
    assert loaded.private_key.to_pem() == SIGNING_KEY.to_pem()


def test_a_missing_secrets_folder_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of secrets that is not there is said, not ignored."""
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", "/nowhere")
    assert "GATEWAY_SECRETS_DIR" in problems()


def test_secrets_never_show() -> None:
    """Neither repr nor str of the settings holds the secret, the API key or the private key."""
    loaded = settings()
    text = repr(loaded) + str(loaded)
    for secret in (API_SECRET, API_KEY, "PRIVATE"):
        assert secret not in text


@pytest.mark.parametrize(
    ("url", "given", "allowed"),
    [
        ("https://api.sandbox.offblocks.xyz/v1", None, True),
        ("http://127.0.0.1:8001/v1", None, True),
        ("https://api.offblocks.xyz/v1", None, False),
        ("https://api.offblocks.xyz/v1", True, True),
        ("https://api.sandbox.offblocks.xyz/v1", False, False),
    ],
)
def test_the_simulator_is_off_in_production(url: str, given: bool | None, allowed: bool) -> None:
    """Unset, the simulator is offered for the Sandbox and on loopback only."""
    assert settings(provider_url=url, simulator=given).simulator_allowed is allowed


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "emulator.localhost"])
def test_loopback(host: str) -> None:
    """These names mean this machine."""
    assert is_loopback(host)
    assert not is_loopback(host + ".example.com")


def serve_problems(**given: Any) -> dict[str, str]:
    """The problems of these settings where others can reach the gateway."""
    with pytest.raises(ConfigError) as caught:
        ServeSettings.load(**given)
    return dict(problem.split(": ", 1) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("auth", "host", "word"),
    [
        (None, "127.0.0.1", "decide"),
        ("none", "0.0.0.0", "loopback only"),  # noqa: S104 (nothing is bound here)
        ("nobody", "127.0.0.1", "jwt"),
    ],
)
def test_serve_needs_a_decision(auth: str | None, host: str, word: str) -> None:
    """Who is let in must be decided, and nobody is asked for a token on loopback only."""
    given = {} if auth is None else {"auth": auth}
    assert word in serve_problems(host=host, **given)["GATEWAY_AUTH"]


@pytest.mark.parametrize(("auth", "host"), [("none", "::1"), ("open", "0.0.0.0")])  # noqa: S104
def test_a_decision_is_enough(auth: str, host: str) -> None:
    """`none` on loopback and `open` anywhere are decisions."""
    assert "GATEWAY_AUTH" not in serve_problems(auth=auth, host=host)


def test_jwt_needs_its_settings(tmp_path: Path) -> None:
    """`jwt` lists what it needs besides, and a JWKS that would be fetched in the clear."""
    found = problems(auth="jwt")
    assert {"GATEWAY_JWT_KEYS", "GATEWAY_JWT_ISSUER", "GATEWAY_JWT_AUDIENCE"} <= set(found)
    assert "https" in problems(auth="jwt", jwt_keys="http://id.example/")["GATEWAY_JWT_KEYS"]
    missing = str(tmp_path / "jwks.json")
    assert "cannot be read" in problems(auth="jwt", jwt_keys=missing)["GATEWAY_JWT_KEYS"]
    assert "GATEWAY_JWT_KEYS" not in problems(auth="jwt", jwt_keys="https://id.example/keys")


def test_a_rate_that_is_none_is_a_problem() -> None:
    """A rate limit that cannot be read is said, and an empty one is no limit."""
    assert "60/minute" in problems(rate_limit_read="often")["GATEWAY_RATE_LIMIT_READ"]
    assert "GATEWAY_RATE_LIMIT_READ" not in problems(rate_limit_read="")


def test_what_cannot_be_read_as_a_list_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is not JSON is a sentence that names the variable and the form."""
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", "https://a.example")
    assert "JSON" in problems()["GATEWAY_CORS_ORIGINS"]


@pytest.mark.parametrize(
    "url",
    [
        "nothing://user:canary@host",
        "redis://:canary@host:6379",
        "async+memory://canary",
        "async+redis://",
        "async+redis://:canary@",
        "async+redis://:canary@host:0",
        "async+redis://:canary@host:70000",
        "async+redis://:can/ary@host:6379",
        "async+redis://:can#ary@host:6379",
        "async+redis://host:6379/canary",
        "async+redis://host:6379?password=canary",
        "async+redis://[canary:6379",
        "canary",
    ],
)
def test_a_store_that_cannot_be_used_is_said_without_it(url: str) -> None:
    """A store's URL may hold a password: a wrong one is refused with an example, never quoted."""
    found = problems(rate_limit_store=url)
    assert "async+redis://:password@host:6379/0" in found["GATEWAY_RATE_LIMIT_STORE"]
    assert "canary" not in str(found)
    assert "ary@" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "async+redis://127.0.0.1:6379",
        "async+redis://canary",
        "async+rediss://user:canary@store.example:6380/0",
        "async+valkey://[::1]:6379/15",
        "ASYNC+VALKEYS://:canary@store.example/",
    ],
)
def test_a_store_is_taken_and_never_shown(url: str) -> None:
    """Stores with and without TLS, password, port and database are taken; repr hides them."""
    loaded = settings(rate_limit_store=url)
    assert loaded.rate_limit_store.get_secret_value() == url
    assert url.lower() not in repr(loaded).lower()


def test_a_store_that_is_required_has_to_be_set() -> None:
    """Without a store there is nothing that could be required."""
    found = problems(rate_limit_store_required=True)
    assert "GATEWAY_RATE_LIMIT_STORE is not" in found["GATEWAY_RATE_LIMIT_STORE_REQUIRED"]
    settings(rate_limit_store_required=True, rate_limit_store="async+redis://127.0.0.1")


def test_folders_and_missing_manifests_are_problems(tmp_path: Path) -> None:
    """A folder is no key file, and a manifest must be there and be used with a mode."""
    found = problems(signing_key_file=tmp_path, documents=tmp_path / "none.json")
    assert "cannot be read" in found["GATEWAY_SIGNING_KEY_FILE"]
    assert "cannot be read" in found["GATEWAY_DOCUMENTS"]
    assert "manifest" in problems(documents_mode="only")["GATEWAY_DOCUMENTS_MODE"]


@pytest.mark.parametrize("url", ["https://a.example:99999/", "https://a.example:0/"])
def test_a_port_that_is_none_is_a_problem(url: str) -> None:
    """A provider URL with an impossible port is refused."""
    assert "GATEWAY_PROVIDER_URL" in problems(provider_url=url)


def bundles(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no list of certificates, and what is said of each."""
    pem = Authority(folder).file.read_text()
    texts = {
        "empty": ("", "holds no PEM certificate"),
        "key": (SIGNING_KEY.to_pem().decode(), "holds no PEM certificate"),
        "cut": (pem[:200] + pem[-30:], "a PEM certificate that cannot be read"),
        "second": (pem + pem[:200], "a PEM certificate that cannot be read"),
    }
    found = {"missing": (folder / "missing", "cannot be read: it is not found")}
    for name, (text, said) in texts.items():
        (folder / name).write_text(text)
        found[name] = (folder / name, said)
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    return found | {
        "folder": (folder, "cannot be read: it is a directory"),
        "below a file": (folder / "key" / "x", "cannot be read: it is not found"),
        "loop": (folder / "loop", "cannot be read: too many levels"),
        "pipe": (folder / "pipe", "it is not a regular file"),
    }


def test_a_ca_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    """GATEWAY_PROVIDER_CA_FILE is read at the start, and what is wrong with it is said."""
    for path, said in bundles(tmp_path).values():
        assert said in problems(provider_ca_file=path)["GATEWAY_PROVIDER_CA_FILE"]


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """The rights of a user who is not root, for whom permissions count."""
    us = os.geteuid()
    if us == 0:
        os.seteuid(65534)
    yield
    os.seteuid(us)


def test_a_ca_file_without_permission_is_refused_with_the_reason(
    tmp_path: Path, unprivileged: None
) -> None:
    """A CA file that the gateway may not read is said to be so."""
    with tempfile.NamedTemporaryFile() as file:
        os.fchmod(file.fileno(), 0)
        found = problems(provider_ca_file=Path(file.name), _env_file=None)
    assert "cannot be read: permission denied" in found["GATEWAY_PROVIDER_CA_FILE"]


def test_a_ca_file_is_taken(tmp_path: Path) -> None:
    """A file with certificates, and with other text around them, is no problem."""
    path = tmp_path / "bundle"
    path.write_text(f"# our CA\r\n{Authority(tmp_path).file.read_text()}")
    assert settings(provider_ca_file=path).provider_ca_file == path
