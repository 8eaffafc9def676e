"""`gateway config`: what is in force, where it comes from, and that no secret is in it."""

import json
from pathlib import Path

import pytest

from gateway.config import Settings
from tests.commands import Command
from tests.stack import API_KEY, API_SECRET, KEY_ID, SIGNING_KEY, environment

PAN = "4111111111111111"
PASSWORD = "canary-password-64ec"


@pytest.fixture(autouse=True)
def needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `gateway serve` needs is in the environment, and nothing else is set."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment(GATEWAY_AUTH="none").items():
        monkeypatch.setenv(name, value)


def told(output: str) -> dict[str, tuple[str, str]]:
    """Value and origin by variable."""
    rows = [line.split("  ", 1) for line in output.splitlines()]
    pairs = {name: rest.strip().rsplit("  ", 1) for name, rest in rows}
    return {name: (value.strip(), origin) for name, (value, origin) in pairs.items()}


def test_all_settings_are_shown_once(command: Command) -> None:
    """Each setting has one line, in the order of the README, with its value and its origin."""
    code, output = command("config")
    assert code == 0
    names = [line.split()[0] for line in output.splitlines()]
    assert names == [f"GATEWAY_{name.upper()}" for name in Settings.model_fields]
    shown = told(output)
    assert shown["GATEWAY_PORT"] == ("8000", "default")
    assert shown["GATEWAY_AUTH"] == ("none", "the environment")
    assert shown["GATEWAY_SIMULATOR"] == ("not set", "default")
    assert shown["GATEWAY_GRAPHIQL"] == ("false", "default")
    assert shown["GATEWAY_LEDGER"] == ("set", "computed")
    assert shown["GATEWAY_SIGNING_KEY_ID"] == (KEY_ID, "the environment")


def test_the_origin_is_the_source_that_wins(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, line of .env and folder of secrets are told, the one that is heeded alone."""
    monkeypatch.setenv("GATEWAY_PORT", "1")
    Path(".env").write_text("# ours\nGATEWAY_PORT=2\n\nexport GATEWAY_HOST=localhost\n")
    Path("secrets").mkdir()
    for name, text in (("port", "3"), ("host", "4"), ("subject_key", PASSWORD)):
        Path("secrets", f"gateway_{name}").write_text(text)
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", "secrets")
    code, output = command("config", "--changed")
    assert code == 0
    shown = told(output)
    assert shown["GATEWAY_PORT"] == ("1", "the environment")
    assert shown["GATEWAY_HOST"] == ("localhost", ".env line 4")
    assert shown["GATEWAY_SUBJECT_KEY"] == ("set", "GATEWAY_SECRETS_DIR")
    assert "GATEWAY_WORKERS" not in shown


def test_what_is_made_of_another_setting_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that another setting makes is computed, and neither default nor given."""
    Path("key.pem").write_bytes(SIGNING_KEY.to_pem())
    monkeypatch.delenv("GATEWAY_SIGNING_KEY")
    monkeypatch.setenv("GATEWAY_SIGNING_KEY_FILE", "key.pem")
    monkeypatch.setenv("GATEWAY_RATE_LIMIT_READ", "5/minute")
    shown = told(command("config")[1])
    assert shown["GATEWAY_SIGNING_KEY"] == ("set", "computed")
    assert shown["GATEWAY_RATE_LIMITS"] == ('{"card": "5/minute"}', "computed")


def test_problems_are_those_of_serve(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `serve` would not start its refusal follows, and the other settings are shown."""
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "canary")
    monkeypatch.setenv("GATEWAY_PROT", "canary")
    monkeypatch.delenv("GATEWAY_PROVIDER_URL")
    Path(".env").write_text("GATEWAY_PORT=9000\nGATEWAY_HOST\n")
    refusal = command("serve")
    code, output = command("config")
    assert code == refusal[0] == 2
    assert output.endswith(refusal[1])
    shown = told(output.removesuffix(refusal[1]))
    assert shown["GATEWAY_LOG_LEVEL"] == ("refused", "the environment")
    assert shown["GATEWAY_PROVIDER_URL"] == ("not set", "required")
    assert shown["GATEWAY_PORT"] == ("9000", ".env line 1")
    assert "canary" not in output


def test_programs_read_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the same is one object, with the problems in it."""
    code, output = command("config", "--json")
    found = json.loads(output)
    assert (code, found["problems"]) == (0, [])
    rows = [(row["name"], (row["value"], row["origin"])) for row in found["settings"]]
    assert dict(rows) == told(command("config")[1])
    monkeypatch.setenv("GATEWAY_PORT", "x")
    code, output = command("config", "--json", "--changed")
    found, _ = json.JSONDecoder().raw_decode(output)
    problem = "GATEWAY_PORT: must be a whole number from 0 to 65535"
    assert (code, found["problems"]) == (2, [problem])
    assert output.endswith(f"}}\n{problem}\n")


@pytest.mark.parametrize("is_valid", [True, False], ids=["valid", "with a problem"])
def test_no_secret_is_shown(
    is_valid: bool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret, password of a URL, query or card number is shown, nor how long a secret is."""
    given = {
        "LEDGER": f"postgresql://me:{PASSWORD}@db/gateway",
        "RATE_LIMIT_STORE": f"async+redis://:{PASSWORD}@redis:6379",
        "SUBJECT_KEY": PASSWORD,
        "AUDIT_KEY": PASSWORD * 2,
        "AUTH": "jwt",
        "JWT_KEYS": f"https://me:{PASSWORD}@@idp.example/jwks?token={PASSWORD}",
        "JWT_ISSUER": f"https://{PASSWORD}@idp.example/\x07",
        "JWT_AUDIENCE": PAN,
        "READ_TIMEOUT": "10" if is_valid else PASSWORD,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    secrets = [API_KEY, API_SECRET, PASSWORD, PAN, *SIGNING_KEY.to_pem().decode().splitlines()]
    for arguments in ((), ("--json",), ("--changed",)):
        code, output = command("config", *arguments)
        assert code == (0 if is_valid else 2), output
        assert [secret for secret in secrets if secret in output] == []
        assert output.replace("\n", "").isprintable()
    shown = told(command("config", "--changed")[1].partition("\nGATEWAY_READ_TIMEOUT: ")[0])
    assert shown["GATEWAY_JWT_KEYS"] == ("https://…@idp.example/jwks?…", "the environment")
    for name in ("LEDGER", "RATE_LIMIT_STORE", "SUBJECT_KEY", "AUDIT_KEY", "PROVIDER_API_SECRET"):
        assert shown[f"GATEWAY_{name}"][0] == "set"
