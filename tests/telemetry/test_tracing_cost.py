"""What tracing costs a request, in units of a fixed piece of work: machines differ."""

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from starlette.types import Receive, Scope, Send

from gateway.telemetry import NO_TRACING, RequestIdMiddleware, Tracing, trace_context
from gateway.telemetry.spans import Spans

REQUESTS, ROUNDS = 300, 15
WORK = {"cards": [{"id": str(number), "status": "ACTIVE"} for number in range(8)]}
UNIT = 20e-6  # seconds that WORK takes where 60 µs for tracing were asked for
SCOPE: Any = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "headers": [(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")],
}
ANEW: Any = SCOPE | {"headers": []}


def request_with(tracing: Tracing, scope: Scope) -> Callable[[], Awaitable[None]]:
    """All that tracing does for a request with one call, from the fields to the provider's."""

    async def endpoint(scope: Scope, _receive: Receive, _send: Send) -> None:
        with tracing.request(scope) as request, tracing.operation() as operation:
            with tracing.call("GET", "/cards/{cardId}", ("provider.example", 443)):
                if (context := trace_context.get()) is not None:
                    context.headers()
            operation.executed("query", "Card")
            request.answered(200)

    nothing: Any = None
    app = RequestIdMiddleware(endpoint)
    return lambda: app(scope, nothing, nothing)


async def without_tracing() -> None:
    """What is done for a request whatever is traced."""

    async def endpoint(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Do nothing."""

    nothing: Any = None
    await RequestIdMiddleware(endpoint)(ANEW, nothing, nothing)


async def unit() -> None:
    """The fixed piece of work."""
    json.loads(json.dumps(WORK))


async def seconds(work: Callable[[], Awaitable[None]]) -> float:
    """CPU time of one of many."""
    began = time.process_time()
    for _ in range(REQUESTS):
        await work()
    return (time.process_time() - began) / REQUESTS


async def units_of(work: Callable[[], Awaitable[None]]) -> float:
    """What the work costs beyond ``without_tracing``: the median of rounds that alternate."""
    found = []
    for _ in range(ROUNDS):
        more = await seconds(work) - await seconds(without_tracing)
        found.append(more / await seconds(unit))
    return statistics.median(found)


def sampled(share: float) -> Tracing:
    """Tracing that samples this share of the traces that begin here."""
    sampler = ParentBased(TraceIdRatioBased(share))
    return Spans(TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("cost"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tracing", "scope", "most"),
    [
        pytest.param(NO_TRACING, ANEW, 5e-6, id="off"),
        pytest.param(sampled(0.01), ANEW, 60e-6, id="1 %"),
        pytest.param(sampled(1), SCOPE, 60e-6, id="not sampled by the caller"),
    ],
)
def test_tracing_costs_little(tracing: Tracing, scope: Scope, most: float) -> None:
    """A request costs at most 5 µs more where nothing is traced, and 60 where one of 100 is."""
    gc.disable()
    try:
        cost = asyncio.run(units_of(request_with(tracing, scope)))
    finally:
        gc.enable()
    print(f"{cost:.3f} units, of which {most / UNIT:.2f} are allowed")
    assert cost <= most / UNIT
