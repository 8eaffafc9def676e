"""Writes tables of the documentation from the code (``make tables``): settings, operations, error
codes, metrics and lines of the log.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.cards import OPERATIONS
from gateway.config import (
    AdminSettings,
    AuditSettings,
    CallerSettings,
    DocumentSettings,
    LedgerSettings,
    ProviderSettings,
    ReloadableSettings,
    ServerSettings,
    Settings,
    TelemetrySettings,
    TrustedDocumentSettings,
)
from gateway.errors import CODES, GatewayError
from gateway.telemetry.log_lines import LOG_LINES
from gateway.telemetry.metrics import MetricsSink

README = Path(__file__).parent.parent / "README.md"
OPERATING = README.parent / "docs" / "operating.md"
GROUPS: dict[type[BaseModel], str] = {
    ProviderSettings: "The provider",
    ServerSettings: "The HTTP server",
    CallerSettings: "Callers",
    DocumentSettings: "Documents",
    TrustedDocumentSettings: "Trusted documents",
    LedgerSettings: "Idempotency keys",
    AdminSettings: "Metrics",
    TelemetrySettings: "Telemetry",
    ReloadableSettings: "Changed without a restart",
    AuditSettings: "The audit trail",
    Settings: "Where settings are read from",
}
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = [*head]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings() -> str:
    """A heading and a table for each group of settings."""
    parts = []
    for group, heading in GROUPS.items():
        own = [name for name in group.__annotations__ if name in group.model_fields]
        rows = [_setting(name, group.model_fields[name]) for name in own]
        parts.append(f"### {heading}\n\n{table(['variable', 'default', 'meaning'], rows)}")
    return "\n" + "\n".join(parts) + "\n"


def _setting(name: str, field: FieldInfo) -> list[str]:
    default = field.default
    if field.is_required():
        shown = "required"
    elif isinstance(default, bool | int | float | str):
        shown = str(default).lower()
    else:
        shown = ""
    return [f"`GATEWAY_{name.upper()}`", shown, field.description or ""]


def operations() -> str:
    """The fields that call the provider."""
    rows = [
        [
            f"`{one.name}`",
            f"`{one.scope}`",
            one.rate,
            f"`{one.endpoint.method} {one.endpoint.path}`",
            "test environments only" if one.endpoint.is_simulator else "",
        ]
        for one in OPERATIONS
    ]
    return table(["field", "scope", "rate limit", "provider call", "where"], rows)


def errors() -> str:
    """The codes that a client can see, by name."""
    rows = []
    for code, error in sorted(CODES.items()):
        where = "result, error" if error.in_results else "error"
        status = "" if error.status == GatewayError.status else f", HTTP {error.status}"
        rows.append([f"`{code}`", where + status, error.meaning, error.advice])
    rows.append(["`UNKNOWN`", "result", "A code newer than the schema.", "Treat it as a failure."])
    return table(["code", "where", "meaning", "what to do"], rows)


def metrics() -> str:
    """All metrics, by name."""
    text = MetricsSink().exposition("text/plain")[0].decode()
    found = {one.name: one for one in text_string_to_metric_families(text)}
    rows = [
        [f"`{_full_name(one)}`", one.type, one.documentation] for _, one in sorted(found.items())
    ]
    return table(["metric", "type", "meaning"], rows)


def _full_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def log_lines() -> str:
    """All lines of the log, by the name of their event."""
    rows = [[f"`{name}`", line.meaning, line.advice] for name, line in sorted(LOG_LINES.items())]
    return table(["event", "meaning", "what to do"], rows)


TABLES = {
    "settings": settings,
    "operations": operations,
    "errors": errors,
    "metrics": metrics,
    "log_lines": log_lines,
}


def renewed(text: str) -> str:
    """The text with its tables as the code has them."""
    return _TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


if __name__ == "__main__":
    for page in (README, OPERATING):
        page.write_text(renewed(page.read_text("utf-8")), "utf-8")
