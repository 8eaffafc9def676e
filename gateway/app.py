"""The composition root: the only place where the rooms are put together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api import (
    DocumentLimits,
    Documents,
    Door,
    Executor,
    GraphQLView,
    TrustedDocuments,
    build_schema,
    ide_routes,
)
from gateway.api.headers import SecurityHeaders
from gateway.api.hosts import Hosts
from gateway.api.view import BadRequest, error_response
from gateway.callers import (
    ISSUE,
    READ,
    SIMULATE,
    Gatekeeper,
    KeySet,
    OpenDoor,
    RateLimits,
    TokenRules,
    TokenVerifier,
    key_source,
)
from gateway.config import Settings, is_loopback
from gateway.errors import GatewayError
from gateway.provider import BreakerState, Edge, ProviderClient
from gateway.telemetry import RequestIdMiddleware

if TYPE_CHECKING:
    import httpx

LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]", "*.localhost"]
ASKED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id", "traceparent"]


def create_app(
    settings: Settings,
    *,
    transport: "httpx.AsyncBaseTransport | None" = None,
    edge: Edge | None = None,
) -> Starlette:
    """The gateway as an ASGI application; ``transport`` stands in for the network."""
    provider = ProviderClient(settings, transport=transport, edge=edge)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await provider.aclose()

    view = GraphQLView(_door(settings, provider))
    app = Starlette(
        routes=_routes(settings, provider),
        middleware=[*_middleware(settings), Middleware(_Straight, view=view)],
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class _Straight:
    """Hands ``/graphql`` to the view: router and exception handlers have nothing to do there."""

    def __init__(self, app: ASGIApp, view: ASGIApp) -> None:
        self._app = app
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        straight = scope["type"] == "http" and scope["path"] == "/graphql"
        await (self._view if straight else self._app)(scope, receive, send)


async def _as_json(_request: Request, error: Exception) -> Response:
    """A path or a method that is not there, said as every other error is."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the only class this is registered for)
    return error_response(BadRequest(error.status_code, error.detail, **(error.headers or {})))


def _middleware(settings: Settings) -> list[Middleware]:
    around = [Middleware(RequestIdMiddleware), Middleware(SecurityHeaders)]
    if hosts := _hosts(settings):
        around.append(Middleware(Hosts, names=hosts))
    if settings.cors_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=ASKED_HEADERS,
            expose_headers=["X-Request-Id"],
        )
        around.append(cors)
    return around


def _hosts(settings: Settings) -> list[str]:
    """The host names that are answered; none: all of them. Probes come by loopback names."""
    if settings.allowed_hosts:
        return [*settings.allowed_hosts, *LOOPBACK_NAMES]
    return LOOPBACK_NAMES if is_loopback(settings.host) else []


def _routes(settings: Settings, provider: ProviderClient) -> list[BaseRoute]:
    async def ready(_request: Request) -> Response:
        return await _readiness(provider)

    return [
        Route("/healthz", _alive),
        Route("/readyz", ready),
        *(ide_routes() if settings.graphiql else []),
    ]


def _door(settings: Settings, provider: ProviderClient) -> Door:
    executor = Executor(
        Documents(
            build_schema()._schema,
            _document_limits(settings),
            introspection=settings.introspection,
            suggestions=settings.suggestions,
        ),
        query_deadline=settings.query_deadline,
        mutation_deadline=settings.mutation_deadline,
    )
    return Door(
        executor=executor,
        provider=provider,
        gatekeeper=_gatekeeper(settings),
        limits=_rate_limits(settings),
        trusted=_trusted_documents(settings),
        settings=settings,
    )


def _trusted_documents(settings: Settings) -> TrustedDocuments:
    if settings.documents is None:
        return TrustedDocuments({})
    return TrustedDocuments.load(settings.documents)


def _document_limits(settings: Settings) -> DocumentLimits:
    return DocumentLimits(
        source_length=settings.max_document_length,
        tokens=settings.max_document_tokens,
        comments=settings.max_document_comments,
        depth=settings.max_document_depth,
        cost=settings.max_document_cost,
        root_mutation_fields=settings.max_root_mutation_fields,
        errors=settings.max_document_errors,
    )


def _gatekeeper(settings: Settings) -> Gatekeeper:
    if settings.auth != "jwt":
        return OpenDoor()
    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        accounts_claim=settings.jwt_accounts_claim,
    )
    return TokenVerifier(KeySet(key_source(settings.jwt_keys), clock=time.monotonic), rules)


def _rate_limits(settings: Settings) -> RateLimits:
    """Limits are for callers that are told apart: where all are anyone, one could stop them all."""
    rules = {
        READ: settings.rate_limit_read,
        ISSUE: settings.rate_limit_issue,
        SIMULATE: settings.rate_limit_simulate,
    }
    return RateLimits(
        rules if settings.auth == "jwt" else {}, store=settings.rate_limit_store.get_secret_value()
    )


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
