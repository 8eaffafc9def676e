"""``/healthz`` and ``/readyz``."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.errors import GatewayError, Overloaded, ProviderUnavailable
from gateway.http.responses import error_content, retry_after
from gateway.http.routes import ExactRoute
from gateway.ledger import Ledger
from gateway.provider import BreakerState, ProviderClient
from gateway.runtime import Shutdown


def health_routes(
    provider: ProviderClient, ledger: Ledger[Any], shutdown: Shutdown
) -> list[BaseRoute]:
    """The process lives; and it is not ending, and the provider gives it an access token."""

    async def ready(_request: Request) -> Response:
        if shutdown.begun:
            return _unavailable(Overloaded("The gateway is ending; ask another one."))
        return await _readiness(provider, ledger)

    return [ExactRoute("/healthz", _alive), ExactRoute("/readyz", ready)]


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readiness(provider: ProviderClient, ledger: Ledger[Any]) -> Response:
    """Ready means: the provider gives us an access token, and reads are not held back.

    The ledger is named and decides nothing: reads never depend on it, and gateways that share one
    would all be taken out of service at once.
    """
    try:
        await provider.check_token()
    except GatewayError as error:
        return _unavailable(error)
    facts: dict[str, Any] = {
        "breaker": provider.breaker.value,
        "clockSkewSeconds": provider.clock.skew,
        "ledger": await ledger.condition(),
    }
    if provider.breaker is BreakerState.OPEN:
        return _unavailable(ProviderUnavailable("Reads are held back: the provider fails."), facts)
    return JSONResponse({"status": "ok"} | facts)


def _unavailable(error: GatewayError, facts: Mapping[str, Any] | None = None) -> Response:
    """503 with the error as every other answer has it, and its code for monitoring."""
    body = {"status": "unavailable", "code": error.code, "message": error.with_hint}
    content = {**body, **(facts or {}), **error_content(error)}
    return JSONResponse(content, 503, retry_after(error.retry_after))
