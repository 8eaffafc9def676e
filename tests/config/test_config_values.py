"""What values settings take, and how others are refused: by name, in plain words, unquoted."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_app
from gateway.config import ServeSettings, Settings
from gateway.errors import ConfigError
from tests.misspelt import MISSPELT
from tests.stack import settings


def refusal(name: str, value: Any) -> str:
    """Why a value is refused, which is the only problem."""
    with pytest.raises(ConfigError) as caught:
        settings(**{name: value})
    [problem] = caught.value.problems
    variable, reason = problem.split(": ", 1)
    assert variable == f"GATEWAY_{name.upper()}"
    return reason


PORT = "must be a whole number from 0 to 65535"
SECONDS = "must be a number above 0 and at most 3600"
RATE = "must be a rate such as 60/minute or 5 per 10 seconds, or off"
ORIGINS = 'must be a JSON list, such as ["https://a.example"]'
ORIGIN = "each entry must be an origin without a path, such as https://a.example"
HEADER = "each entry must be the name of a header, such as x-tenant"
HOST = "each entry must be a host name without scheme or port, such as gateway.example"
URL = "must be an http(s) URL"

REFUSED = [
    ("port", ["x", "1.5", "1e3", "-1", "65536", "0x10", "9" * 5000, "tcp://10.0.0.1"], PORT),
    ("max_attempts", ["0", "21", "many"], "must be a whole number from 1 to 20"),
    ("max_document_cost", ["0", "-1", "x"], "must be a whole number, 1 or more"),
    ("max_document_comments", ["-1"], "must be a whole number, 0 or more"),
    ("read_timeout", ["0", "-1", "3601", "nan", "inf", "-inf", "1e400", "x", "10s"], SECONDS),
    ("jwt_leeway", ["-1", "301", "nan", "inf", "x"], "must be a number from 0 to 300"),
    ("graphiql", ["maybe", "2"], "must be true or false"),
    ("simulator", ["maybe"], "must be true or false"),
    ("documents_mode", ["onyl", "ONLY"], "must be off, prefer or only"),
    ("auth", ["yes"], "must be jwt, none or open"),
    ("log_level", ["verbose"], "must be debug, info, warning or error"),
    ("http_statuses", ["x"], "must be classic or draft"),
    (
        "signing_key_id",
        [
            "x",
            "d04953b7",
            "d04953b758784fd089700a5f77fbce59",
            "0xd04953-5878-4fd0-8970-0a5f77fbce59",
        ],
        "must be a UUID",
    ),
    (
        "provider_api_key",
        [text for text in MISSPELT.values() if text],
        "must be a UUID",
    ),
    ("cors_origins", ["https://a.example", "{}", "[1]", "[", '"x"', "[" * 100_000], ORIGINS),
    (
        "cors_origins",
        ['["https://a.example/"]', '["a.example"]', '["https://["]', '["null"]', '[""]'],
        ORIGIN,
    ),
    (
        "allowed_hosts",
        ['["https://a.example"]', '["a.example:80"]', '["a b"]', '[""]', '["a..b"]', '["[::x]"]'],
        HOST,
    ),
    ("cors_headers", ['["x tenant"]', '["*"]', '["x-a: b"]', '[""]', '["é"]'], HEADER),
    ("cors_headers", ["x-tenant", "{}"], 'must be a JSON list, such as ["x-tenant"]'),
    ("rate_limit_issue", ["0/minute", "00/minute", "5/0 minute", "-1/minute", "1.5/minute"], RATE),
    ("rate_limit_read", ["often", "60", "60/m", "1/second;5/minute", "none", "0", "inf/day"], RATE),
    ("rate_limit_simulate", ["9" * 400 + "/minute", "1/" + "9" * 400 + " minutes"], RATE),
    ("provider_url", ["api.example", "https://", "http://[", "https://a:b/", "ftp://a/"], URL),
    ("provider_url", ["https://a.example:0", "https://a.example:99999", "https://a b/"], URL),
    ("jwt_keys", ["https://", "https://id.example:x/"], URL),
    ("jwt_keys", ["http://id.example/", "HTTP://id.example/"], "must be https, except on loopback"),
]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [(name, value, reason) for name, values, reason in REFUSED for value in values],
    ids=lambda one: str(one)[:30].encode("ascii", "replace").decode(),
)
def test_a_value_is_refused_in_plain_words(name: str, value: str, reason: str) -> None:
    """Each type says what it takes, names its variable, and repeats nothing of the value."""
    assert refusal(name, value) == reason


MIXED_CASE = "D04953B7-5878-4fd0-8970-0a5f77fbce59"
TAKEN = [
    ("port", "0", 0),
    ("port", "65535", 65535),
    ("port", " 8000\r", 8000),
    ("read_timeout", "0.5", 0.5),
    ("graphiql", "true", True),
    ("graphiql", "0", False),
    ("cors_origins", '["https://A.example:8443", "*"]', ("https://a.example:8443", "*")),
    ("cors_origins", "[]", ()),
    ("cors_headers", '["x-tenant", "X-Trace.2"]', ("x-tenant", "X-Trace.2")),
    ("allowed_hosts", '["Gateway.example", "*.a.example", "::1", "10.0.0.1", "*"]', None),
    ("signing_key_id", MIXED_CASE, MIXED_CASE),
    ("rate_limit_issue", "off", "off"),
    ("rate_limit_issue", "OFF", "off"),
    ("rate_limit_issue", "5 per 10 seconds", "5 per 10 seconds"),
    ("rate_limit_issue", "1/Day", "1/Day"),
]


@pytest.mark.parametrize(("name", "value", "expected"), TAKEN)
def test_a_value_is_taken(name: str, value: str, expected: Any) -> None:
    """What is meant by a text is what is set."""
    hosts = ("gateway.example", "*.a.example", "[::1]", "10.0.0.1", "*")
    assert getattr(settings(**{name: value}), name) == (expected if expected is not None else hosts)


def test_a_misspelt_name_in_code_is_refused() -> None:
    """A setting that does not exist is refused where code gives it, too."""
    assert refusal("prot", 1) == "is not a setting"


def test_problems_that_hang_together_are_told_once(tmp_path: Path) -> None:
    """A manifest that cannot be read is one problem, though a mode needs it."""
    with pytest.raises(ConfigError) as caught:
        settings(documents=tmp_path, documents_mode="only")
    [problem] = caught.value.problems
    assert problem.startswith("GATEWAY_DOCUMENTS: ")


def test_manifests_are_one_path_or_several_in_json(tmp_path: Path) -> None:
    """One path stands as it is, several as a JSON list; each of them must be a file."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for path in (first, second):
        path.write_text("{}")
    both = json.dumps([str(first), str(second)])
    assert settings(documents=str(first)).documents == (first,)
    assert settings(documents=both).documents == (first, second)
    second.unlink()
    assert refusal("documents", both).startswith("entry 2 names a file that cannot be read: ")
    for wrong in ("[", "[1]", "[{}]"):
        assert refusal("documents", wrong) == (
            'must be a path, or several in JSON: ["web.json", "app.json"]'
        )


def test_a_manifest_that_is_none_is_named_by_its_setting(tmp_path: Path) -> None:
    """What is wrong inside a manifest begins with GATEWAY_DOCUMENTS."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"a": 1}))
    with pytest.raises(ConfigError, match=r"^GATEWAY_DOCUMENTS: .*entry 1") as caught:
        create_app(settings(documents=manifest))
    assert len(caught.value.problems) == 1


def test_a_host_that_is_no_loopback_needs_a_decision() -> None:
    """`none` is refused for an address that others can reach, whatever else is set."""
    with pytest.raises(ConfigError, match="GATEWAY_AUTH: none is for loopback only"):
        ServeSettings.of(**(settings().model_dump() | {"host": "10.0.0.1"}))


def test_all_fields_have_words() -> None:
    """No refusal of any setting uses the words of the settings' library."""
    for name in Settings.model_fields:
        with pytest.raises(ConfigError) as caught:
            settings(**{name: object()})
        assert "Input" not in caught.value.message
        assert f"GATEWAY_{name.upper()}: must be " in caught.value.message


def test_a_rate_limit_that_stands_twice_in_one_setting_is_refused() -> None:
    """JSON with a name twice is refused: the last one would silently win."""
    with pytest.raises(ConfigError, match="each name once"):
        settings(rate_limits='{"card": "1/minute", "card": "off"}')
