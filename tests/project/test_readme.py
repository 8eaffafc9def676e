"""The README and the code say the same."""

from pathlib import Path

from pydantic import SecretStr

from gateway import errors
from gateway.callers.caller import SCOPES
from gateway.cards.failures import ErrorCode
from gateway.config import Settings
from gateway.graphql import limits, trusted

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def setting_rows() -> list[str]:
    """One row of the README's table per setting, in the order of the code."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if isinstance(field.default, SecretStr) else field.default
        shown = "required" if field.is_required() else "" if default is None else str(default)
        if isinstance(default, bool):
            shown = shown.lower()
        rows.append(f"| `GATEWAY_{name.upper()}` | {shown} | {field.description} |")
    return rows


def test_every_setting_is_listed() -> None:
    """Each setting stands in the README with its default and its description."""
    assert [row for row in setting_rows() if row not in README] == []


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
    """Each scope stands in the README."""
    assert [scope for scope in SCOPES if f"| `{scope}` |" not in README] == []
