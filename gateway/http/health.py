"""``/healthz`` and ``/readyz``."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.errors import GatewayError
from gateway.http.routes import ExactRoute
from gateway.ledger import Ledger
from gateway.provider import BreakerState, ProviderClient
from gateway.runtime import Shutdown


def health_routes(
    provider: ProviderClient, ledger: Ledger[Any], shutdown: Shutdown
) -> list[BaseRoute]:
    """The process lives; and the provider gives us an access token, and the process is to stay."""

    async def ready(_request: Request) -> Response:
        if shutdown.begun:
            return JSONResponse({"status": "ending"}, status_code=503)
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
        failure = {"status": "unavailable", "code": error.code, "message": error.message}
        return JSONResponse(failure, status_code=503)
    held_back = provider.breaker is BreakerState.OPEN
    body: dict[str, Any] = {
        "status": "unavailable" if held_back else "ok",
        "breaker": provider.breaker.value,
        "clockSkewSeconds": provider.clock.skew,
        "ledger": await ledger.condition(),
    }
    return JSONResponse(body, status_code=503 if held_back else 200)
