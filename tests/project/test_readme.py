"""The README and the code say the same."""

import re
from pathlib import Path

from pydantic import BaseModel, SecretStr

from gateway import errors
from gateway.cards import OPERATIONS
from gateway.cards.failures import ErrorCode
from gateway.config import (
    CallerSettings,
    DocumentSettings,
    LedgerSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
    TelemetrySettings,
    TrustedDocumentSettings,
)
from gateway.graphql import limits, trusted

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


HEADER = "| variable | default | meaning |\n|---|---|---|\n"
HEADINGS: dict[type[BaseModel], str] = {
    ProviderSettings: "The provider",
    ServerSettings: "The HTTP server",
    CallerSettings: "Callers",
    DocumentSettings: "Documents",
    TrustedDocumentSettings: "Trusted documents",
    LedgerSettings: "Idempotency keys",
    TelemetrySettings: "Telemetry",
    Settings: "Where settings are read from",
}


def rows(group: type[BaseModel]) -> str:
    """One row of the README for each setting that this class itself has, in its order."""
    written = ""
    for name in filter(group.model_fields.get, group.__annotations__):
        field = group.model_fields[name]
        default = "" if isinstance(field.default, SecretStr) else field.default
        shown = "required" if field.is_required() else "" if default is None else str(default)
        if isinstance(default, bool):
            shown = shown.lower()
        written += f"| `GATEWAY_{name.upper()}` | {shown} | {field.description} |\n"
    return written


def setting_tables() -> str:
    """The README's tables of settings: a heading and a table for each group."""
    return "\n".join(
        f"### {heading}\n\n{HEADER}{rows(group)}" for group, heading in HEADINGS.items()
    )


def test_every_setting_is_listed() -> None:
    """Each setting stands once in the README, in its group, with its default and description."""
    listed = README.partition("### The provider\n")
    tables = listed[1] + listed[2].partition("\n## ")[0]
    assert tables.splitlines() == setting_tables().splitlines()


def test_every_setting_is_in_a_group() -> None:
    """The README's groups have all settings, in the order in which they are checked."""
    names = [name for group in HEADINGS for name in group.__annotations__]
    assert [name for name in names if name in Settings.model_fields] == [*Settings.model_fields]


def test_the_example_waits_for_the_result_of_a_mutation() -> None:
    """The README's client gives up later than a mutation may take where nothing is set."""
    found = re.search(r"AbortSignal\.timeout\(([\d_]+)\), // longer than (\w+)", README)
    assert found
    deadline = Settings.model_fields[found[2].removeprefix("GATEWAY_").lower()].default
    assert int(found[1]) > deadline * 1000


def all_errors(kind: type[errors.GatewayError]) -> set[str]:
    """The codes of an error class and all below it."""
    return {kind.code}.union(*(all_errors(below) for below in kind.__subclasses__()))


def test_every_error_code_is_listed() -> None:
    """Each code that a frontend may see stands in the README's table."""
    hidden = {"CONFIG", "SIGNING", "SIGNATURE_INVALID", "PROVIDER"}
    shown = all_errors(errors.GatewayError) - hidden | {code.name for code in ErrorCode}
    shown |= {"GRAPHQL_REQUEST_INVALID", "BAD_REQUEST", limits.CODE}
    shown |= {kind.code for kind in trusted.DocumentRefused.__subclasses__()}
    assert [code for code in sorted(shown) if f"| `{code}` |" not in README] == []


def test_every_scope_is_listed() -> None:
    """Each operation stands in the README with its scope and its rate limit."""
    rows = [f"| `{one.name}` | `{one.scope}` | {one.rate} |" for one in OPERATIONS]
    assert [row for row in rows if row not in README] == []
