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
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.callers import (
    AnyoneAllowed,
    Authenticator,
    KeySet,
    RateLimits,
    TokenRules,
    TokenVerifier,
    key_source,
)
from gateway.cards import OPERATIONS, build_schema
from gateway.config import (
    OFF,
    CallerSettings,
    DocumentSettings,
    ServerSettings,
    Settings,
    TrustedDocumentSettings,
    is_loopback,
)
from gateway.errors import BadRequest, ConfigError, GatewayError
from gateway.graphql import DocumentLimits, Documents, Executor, TrustedDocuments, engine_schema
from gateway.http import (
    Dependencies,
    GraphQLView,
    Hosts,
    SecurityHeaders,
    error_response,
    ide_routes,
    is_browser,
)
from gateway.ledger import Ledger, MemoryStore
from gateway.provider import BreakerState, ProviderClient
from gateway.provider.transport import Origin, transport_to
from gateway.runtime import Runtime
from gateway.telemetry import RequestIdMiddleware

if TYPE_CHECKING:
    import httpx

ASKED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id", "traceparent"]


def create_app(
    settings: Settings,
    *,
    transport: "httpx.AsyncBaseTransport | None" = None,
    runtime: Runtime | None = None,
) -> Starlette:
    """The gateway as an ASGI application; ``transport`` stands in for the network."""
    runtime = runtime or Runtime()
    origin = Origin.of(settings.provider_url)
    way = transport_to(origin, through=transport, ca_file=settings.provider_ca_file)
    provider = ProviderClient(settings, way, runtime)
    store = MemoryStore(size=settings.max_idempotency_records, clock=runtime.clock)
    ledger = Ledger[Any](store, runtime=runtime)
    limits = _rate_limits(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await limits.check()
        yield
        await ledger.drain(min(settings.shutdown_grace, settings.call_deadline))
        await provider.aclose()
        await limits.aclose()

    view = GraphQLView(_dependencies(settings, provider, ledger, limits))
    app = Starlette(
        routes=[Route("/graphql", view), *_routes(settings, provider)],
        middleware=_middleware(settings),
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _as_json(_request: Request, error: Exception) -> Response:
    """A path or a method that is not there, said as every other error is."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the only class this is registered for)
    headers = dict(error.headers or {})
    return error_response(BadRequest(error.detail, status=error.status_code, **headers))


def _middleware(settings: ServerSettings) -> list[Middleware]:
    around = [Middleware(RequestIdMiddleware), Middleware(SecurityHeaders)]
    if settings.allowed_hosts or is_loopback(settings.host):
        around.append(Middleware(Hosts, names=settings.allowed_hosts))
    if settings.cors_origins or settings.cors_origin_pattern:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_origin_regex=settings.cors_origin_pattern,
            allow_methods=["GET", "POST"],
            allow_headers=ASKED_HEADERS,
            expose_headers=["X-Request-Id"],
        )
        around.append(cors)
    return around


def _routes(settings: ServerSettings, provider: ProviderClient) -> list[BaseRoute]:
    async def ready(_request: Request) -> Response:
        return await _readiness(provider)

    return [
        Route("/healthz", _alive),
        Route("/readyz", ready),
        *([Route("/", _ToGraphiQL()), *ide_routes()] if settings.graphiql else []),
    ]


class _ToGraphiQL:
    """Sends browsers on to the page; for programs there is nothing at ``/``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepts = Request(scope).headers.get("accept", "")
        if scope["method"] not in {"GET", "HEAD"} or not is_browser(accepts):
            raise HTTPException(404)
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        await RedirectResponse("/graphql", headers=headers)(scope, receive, send)


def _dependencies(
    settings: Settings, provider: ProviderClient, ledger: Ledger[Any], limits: RateLimits
) -> Dependencies:
    executor = Executor(
        Documents(
            engine_schema(build_schema()),
            document_limits(settings),
            introspection=settings.introspection,
            suggestions=settings.suggestions,
        ),
        query_deadline=settings.query_deadline,
        mutation_deadline=settings.mutation_deadline,
    )
    return Dependencies(
        executor=executor,
        provider=provider,
        ledger=ledger,
        authenticator=_authenticator(settings),
        limits=limits,
        trusted=_trusted_documents(settings),
        settings=settings,
    )


def document_limits(settings: DocumentSettings) -> DocumentLimits:
    """The limits of a document that are set."""
    return DocumentLimits(
        source_length=settings.max_document_length,
        tokens=settings.max_document_tokens,
        comments=settings.max_document_comments,
        depth=settings.max_document_depth,
        cost=settings.max_document_cost,
        root_mutation_fields=settings.max_root_mutation_fields,
        errors=settings.max_document_errors,
    )


def _trusted_documents(settings: TrustedDocumentSettings) -> TrustedDocuments:
    if settings.documents is None:
        return TrustedDocuments({})
    try:
        return TrustedDocuments.load(settings.documents)
    except ConfigError as error:
        raise ConfigError([f"GATEWAY_DOCUMENTS: {one}" for one in error.problems]) from error


def _authenticator(settings: CallerSettings) -> Authenticator:
    if settings.auth != "jwt":
        return AnyoneAllowed()
    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        accounts_claim=settings.jwt_accounts_claim,
    )
    return TokenVerifier(KeySet(key_source(settings.jwt_keys), clock=time.monotonic), rules)


def _rate_limits(settings: CallerSettings) -> RateLimits:
    """Limits are for callers that are told apart: where all are anyone, one could stop them all."""
    rules = {operation.name: operation.rate for operation in OPERATIONS}
    if not rules.keys() >= settings.rate_limits.keys():
        known = ", ".join(rules)
        raise ConfigError([f"GATEWAY_RATE_LIMITS: names a field that has none; {known} have one"])
    rules |= settings.rate_limits
    return RateLimits(
        rules if settings.auth == "jwt" else dict.fromkeys(rules, OFF),
        reads=[operation.name for operation in OPERATIONS if operation.kind == "query"],
        store=settings.rate_limit_store.get_secret_value(),
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
