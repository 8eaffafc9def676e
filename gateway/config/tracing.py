"""Tracing: whether the standard variables of OpenTelemetry ask for it.

The OpenTelemetry SDK reads all of its ``OTEL_…`` variables itself; these are the ones that decide
before it is loaded. They are never in ``.env``: they are the same for all programs of a platform.
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from gateway.errors import ConfigError

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OF_BATCHES = (
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
)


@dataclass(frozen=True, slots=True)
class TracingVariables:
    """What the environment says of tracing."""

    asked_for: bool = False
    """Whether spans are made and exported."""
    propagates: bool = True
    """Whether a trace goes on from the caller, and on to the provider."""

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raises ConfigError for what this gateway cannot do."""
        given = {name: text.strip() for name, text in environ.items() if name.startswith("OTEL_")}
        if not _asks_for_spans(given):
            return cls()
        if problems := list(_problems(given)):
            raise ConfigError(problems)
        propagators = given.get("OTEL_PROPAGATORS") or "tracecontext"
        return cls(asked_for=True, propagates="tracecontext" in _listed(propagators))


def _asks_for_spans(given: Mapping[str, str]) -> bool:
    """An endpoint is what asks, as all else has a default."""
    is_off = given.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_off = is_off or given.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not is_off and any(given.get(name) for name in _ENDPOINTS)


def _problems(given: Mapping[str, str]) -> Iterator[str]:
    if given.get("OTEL_TRACES_EXPORTER", "").lower() not in ("", "otlp"):
        yield "OTEL_TRACES_EXPORTER: must be otlp or none; the gateway has no other exporter"
    protocol = next((name for name in _PROTOCOLS if given.get(name)), None)
    if protocol is not None and given[protocol].lower() != "http/protobuf":
        yield f"{protocol}: must be http/protobuf, which collectors take on port 4318"
    known = {"tracecontext", "baggage", "none"}
    if not known >= _listed(given.get("OTEL_PROPAGATORS", "")):
        yield "OTEL_PROPAGATORS: must be tracecontext or none; the gateway knows no other format"
    for name in _OF_BATCHES:
        if (text := given.get(name)) and not (text.isdecimal() and int(text)):
            yield f"{name}: must be a whole number above 0"


def _listed(text: str) -> set[str]:
    return {name.strip().lower() for name in text.split(",") if name.strip()}
