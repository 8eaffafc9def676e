"""The composition root: the only place where the rooms are put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.api import Executor, GraphQLView, build_schema, ide_routes
from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.provider import BreakerState, Edge, ProviderClient
from gateway.telemetry import RequestIdMiddleware


def create_app(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    edge: Edge | None = None,
) -> Starlette:
    """The gateway as an ASGI application; ``transport`` stands in for the network."""
    provider = ProviderClient(settings, transport=transport, edge=edge)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await provider.aclose()

    return Starlette(
        routes=_routes(settings, provider),
        middleware=[Middleware(RequestIdMiddleware)],
        lifespan=lifespan,
    )


def _routes(settings: Settings, provider: ProviderClient) -> list[BaseRoute]:
    view = GraphQLView(Executor(build_schema()), provider, settings)

    async def ready(_request: Request) -> Response:
        return await _readiness(provider)

    return [
        Route("/graphql", view),
        Route("/healthz", _alive),
        Route("/readyz", ready),
        *(ide_routes() if settings.graphiql else []),
    ]


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readiness(provider: ProviderClient) -> Response:
    """Ready means: the provider gives us an access token, and reads are not held back."""
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
    }
    return JSONResponse(body, status_code=503 if held_back else 200)
