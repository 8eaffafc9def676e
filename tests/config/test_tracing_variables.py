"""The standard variables of OpenTelemetry: which of them ask for traces, and which are refused."""

import sys
from typing import Any

import pytest

from gateway.config import TracingVariables
from gateway.errors import ConfigError
from gateway.events import to_nobody
from gateway.telemetry import NO_TRACING, tracing_of

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "cards", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_an_endpoint_asks_for_traces(variables: dict[str, str], asked: bool) -> None:
    """Traces are exported where an endpoint is set, and no other variable turns them off."""
    assert TracingVariables.read(variables).asked_for is asked


@pytest.mark.parametrize(
    ("propagators", "propagates"),
    [("", True), ("tracecontext,baggage", True), ("none", False), ("baggage", False)],
)
def test_a_trace_propagates_in_the_format_of_the_w3c(propagators: str, propagates: bool) -> None:
    """OTEL_PROPAGATORS without tracecontext lets a trace neither in nor out."""
    variables = ENDPOINT | {"OTEL_PROPAGATORS": propagators}
    assert TracingVariables.read(variables).propagates is propagates


def test_what_the_gateway_cannot_do_is_refused_at_once() -> None:
    """Other exporters, protocols and formats are problems, each with its variable and no value."""
    wrong = {
        "OTEL_TRACES_EXPORTER": "canary",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "canary",
        "OTEL_PROPAGATORS": "tracecontext,canary",
        "OTEL_BSP_SCHEDULE_DELAY": "canary",
        "OTEL_BSP_MAX_QUEUE_SIZE": "0",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1",
    }
    with pytest.raises(ConfigError) as refused:
        TracingVariables.read(ENDPOINT | wrong)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == list(wrong)
    assert "canary" not in str(refused.value)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where traces are asked for, and what exports them is not installed, one error says so."""
    missing: Any = None
    monkeypatch.delitem(sys.modules, "gateway.telemetry.span_export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", missing)
    with pytest.raises(ConfigError) as refused:
        tracing_of(TracingVariables.read(ENDPOINT), to_nobody)
    [problem] = refused.value.problems
    assert "install card-gateway[tracing]" in problem


def test_without_an_endpoint_nothing_is_traced() -> None:
    """Tracing that nobody asks for needs no extra, and is the one that is off."""
    assert tracing_of(TracingVariables.read({}), to_nobody) is NO_TRACING
