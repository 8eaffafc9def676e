"""``/healthz`` and ``/readyz``."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.audit import Trail
from gateway.callers import KeySet
from gateway.cards import Switch
from gateway.errors import GatewayError, Overloaded
from gateway.http.responses import error_content, retry_after
from gateway.http.routes import ExactRoute
from gateway.ledger import Ledger
from gateway.provider import BreakerState, ProviderClient
from gateway.runtime import Shutdown


def health_routes(
    provider: ProviderClient,
    ledger: Ledger[Any],
    audit: Trail,
    switch: Switch,
    keys: KeySet | None,
    shutdown: Shutdown,
) -> list[BaseRoute]:
    """The process lives; and it is not ending, and can carry out what callers ask for.

    ``keys`` are the identity provider's, where callers need a token.
    """

    async def ready(_request: Request) -> Response:
        if shutdown.begun:
            return _unavailable(Overloaded("The gateway is ending; ask another one."), {})
        return await _readiness(provider, ledger, audit, switch, keys)

    return [ExactRoute("/healthz", _alive), ExactRoute("/readyz", ready)]


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readiness(
    provider: ProviderClient,
    ledger: Ledger[Any],
    audit: Trail,
    switch: Switch,
    keys: KeySet | None,
) -> Response:
    """Ready means: tokens of callers can be checked, and the provider gives us an access token.

    While reads are held back the gateway is degraded and ready: mutations and replays go on.
    The ledger and the audit trail are named and decide nothing: reads never depend on them, and
    gateways that share one would all be taken out of service at once.
    """
    try:
        if keys is not None:
            await keys.check()
        await provider.check_token()
    except GatewayError as error:
        return _unavailable(error, _identity(keys))
    breaker = provider.breaker
    facts: dict[str, Any] = {
        "status": "ok" if breaker is BreakerState.CLOSED else "degraded",
        "breaker": breaker.value,
        "clockSkewSeconds": provider.clock.skew,
        "ledger": await ledger.condition(),
        "audit": audit.condition,
        "mutations": switch.mode,
    }
    return JSONResponse(facts | _identity(keys))


def _identity(keys: KeySet | None) -> dict[str, Any]:
    return {} if keys is None else {"identityKeys": keys.condition()}


def _unavailable(error: GatewayError, facts: dict[str, Any]) -> Response:
    """503 with the error as every other answer has it, and its code for monitoring."""
    body = {"status": "unavailable", "code": error.code, "message": error.with_hint}
    content = {**body, **facts, **error_content(error)}
    return JSONResponse(content, 503, retry_after(error.retry_after))
