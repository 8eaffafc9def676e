"""The composition root: builds all parts from the settings, and hands each the values it needs."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit import AuditTrail, NoTrail, Trail
from gateway.callers import (
    AnyoneAllowed,
    Authenticator,
    Caller,
    KeySet,
    RateLimits,
    RememberedTokens,
    TokenRules,
    TokenVerifier,
    as_they_are,
    hashed_with,
    key_source,
)
from gateway.cards import (
    DOCUMENTS,
    OPERATIONS,
    Context,
    Loaders,
    Switch,
    build_schema,
)
from gateway.config import (
    CallerSettings,
    DocumentSettings,
    ServerSettings,
    Settings,
    is_loopback,
)
from gateway.errors import BadRequest, ConfigError
from gateway.events import Sink, to_all
from gateway.graphql import DocumentLimits, Documents, Executor, TrustedDocuments, engine_schema
from gateway.http import (
    CrossOrigin,
    Dependencies,
    ExactRoute,
    GraphQLView,
    Hosts,
    SecurityHeaders,
    UnexpectedErrors,
    accepted,
    error_response,
    error_type,
    health_routes,
    ide_routes,
)
from gateway.ledger import CLOCK_TOLERANCE, Engine, Ledger
from gateway.provider import ProviderClient
from gateway.provider.transport import transport_to
from gateway.reloading import Reloading, rate_rules, trusted_documents
from gateway.runtime import Runtime, Shutdown
from gateway.sampling import Sampler
from gateway.storage import ledger_store
from gateway.telemetry import (
    NO_TRACING,
    LogSink,
    RequestIdMiddleware,
    Tracing,
    request_id,
    with_subject_key,
)
from gateway.turns import Turns

if TYPE_CHECKING:
    import httpx


def create_app(
    settings: Settings,
    *,
    transport: "httpx.AsyncBaseTransport | None" = None,
    engine: Engine | None = None,
    sinks: Iterable[Sink] = (),
    metrics: Sink | None = None,
    tracing: Tracing = NO_TRACING,
    runtime: Runtime | None = None,
) -> Starlette:
    """The gateway as an ASGI application.

    ``transport`` stands in for the network, ``engine`` for the ledger's own, ``runtime`` for the
    clocks; ``sinks`` get all events, as the log does, and so do ``metrics``, for whom the state of
    the process is sampled. ``tracing`` is closed at the end. Raises ConfigError; so does the start
    of the application, where the ledger cannot be opened.
    """
    runtime = runtime or Runtime()
    emit = to_all([LogSink(), *tracing.sinks, *sinks, *([] if metrics is None else [metrics])])
    if settings.auth == "jwt":
        settings = with_subject_key(settings, emit)
    network = transport_to(
        settings.provider_url, through=transport, ca_file=settings.provider_ca_file
    )
    provider = ProviderClient(settings, network, runtime, emit=emit, tracing=tracing)
    ledger = Ledger[Any](
        ledger_store(
            settings,
            runtime,
            lease=settings.call_deadline + 5,
            engine=engine,
            emit=metrics,
        ),
        clocks_agree=lambda: provider.clock.agrees_within(CLOCK_TOLERANCE),
        runtime=runtime,
        emit=emit,
    )
    limits = _rate_limits(settings, emit)
    keys = _key_set(settings, runtime.clock, emit, tracing)
    audit = _audit_trail(settings, runtime, emit)
    switch = Switch(emit)
    switch.turn(settings.mutations)

    def new_context(caller: Caller, header_key: str | None) -> Context:
        return Context(
            provider=provider,
            ledger=ledger,
            loaders=Loaders(provider, most_at_once=settings.max_card_reads),
            request_id=request_id.get(),
            simulator_allowed=settings.simulator_allowed,
            caller=caller,
            limits=limits,
            audit=audit,
            switch=switch,
            emit=emit,
            header_key=header_key,
            key_required=settings.require_idempotency_key,
        )

    trusted = trusted_documents(settings)
    documents = _documents(settings, trusted)
    sampler = Sampler(provider, ledger, keys, documents, emit)
    shutdown = Shutdown()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Shutdown]]:
        await limits.check()
        try:
            await ledger.start()
            await audit.start()
            if keys is not None:
                keys.start()
            if metrics is not None:
                sampler.start()
            yield {"shutdown": shutdown}
        finally:
            if keys is not None:
                await keys.aclose()
            await ledger.aclose(min(shutdown.seconds_for_calls(), settings.call_deadline))
            await audit.aclose()
            await provider.aclose()
            await limits.aclose()
            await sampler.aclose()
            await tracing.aclose()

    view = GraphQLView(
        Dependencies(
            executor=_executor(settings, documents, runtime.turns),
            authenticator=_authenticator(settings, keys, runtime.now),
            new_context=new_context,
            trusted=trusted,
            documents_mode=settings.documents_mode,
            settings=settings,
            emit=emit,
            tracing=tracing,
        )
    )
    app = Starlette(
        routes=[
            ExactRoute("/graphql", view),
            *health_routes(provider, ledger, audit, switch, keys, shutdown),
            *(ide_routes() if settings.graphiql else []),
        ],
        middleware=_middleware(settings, emit),
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.reloading = Reloading(
        settings,
        switch=switch,
        limits=limits,
        trusted=trusted,
        keys=keys,
        source_of=partial(key_source, tracing=tracing),
        emit=emit,
    )
    return app


async def _as_json(request: Request, error: Exception) -> Response:
    """A path or a method that is not there, said as every other error is."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the only class this is registered for)
    headers = dict(error.headers or {})
    refused = BadRequest(error.detail, status=error.status_code, **headers)
    return error_response(refused, error_type(accepted(request.headers)))


def _middleware(settings: ServerSettings, emit: Sink) -> list[Middleware]:
    limited = settings.allowed_hosts or is_loopback(settings.host)
    names = settings.allowed_hosts if limited else ("*",)
    around = [
        Middleware(RequestIdMiddleware),
        Middleware(SecurityHeaders),
        Middleware(Hosts, names=names),
    ]
    if settings.cors_origins or settings.cors_origin_pattern:
        around.append(Middleware(CrossOrigin, settings=settings, emit=emit))
    return [*around, Middleware(UnexpectedErrors, emit=emit)]


def _documents(settings: DocumentSettings, trusted: TrustedDocuments) -> Documents:
    return Documents(
        engine_schema(build_schema()),
        document_limits(settings),
        introspection=settings.introspection,
        suggestions=settings.suggestions,
        is_trusted=trusted.knows,
    )


def _executor(settings: DocumentSettings, documents: Documents, turns: Turns) -> Executor:
    return Executor(
        documents,
        query_deadline=settings.query_deadline,
        mutation_deadline=settings.mutation_deadline,
        turns=turns,
    )


def document_limits(settings: DocumentSettings) -> DocumentLimits:
    """The limits of a document that are set."""
    return DocumentLimits(
        source_length=settings.max_document_length,
        lines=settings.max_document_lines,
        tokens=settings.max_document_tokens,
        comments=settings.max_document_comments,
        depth=settings.max_document_depth,
        cost=settings.max_document_cost,
        root_mutation_fields=settings.max_root_mutation_fields,
        errors=settings.max_document_errors,
        operations=settings.max_document_operations,
        values=settings.max_document_values,
        value_nesting=settings.max_document_value_nesting,
    )


def _key_set(
    settings: CallerSettings, clock: Callable[[], float], emit: Sink, tracing: Tracing
) -> KeySet | None:
    """The keys that access tokens are checked with, where callers need one."""
    if settings.auth is None:
        raise ConfigError(["GATEWAY_AUTH: is not set; decide who is let in"])
    if settings.auth != "jwt":
        return None
    return KeySet(key_source(settings.jwt_keys, tracing), clock=clock, emit=emit)


def _authenticator(
    settings: Settings, keys: KeySet | None, now: Callable[[], float]
) -> Authenticator:
    if keys is None:
        return AnyoneAllowed()
    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        accounts_claim=settings.jwt_accounts_claim,
    )
    raw = settings.log_subjects == "raw"
    name_of = as_they_are if raw else hashed_with(settings.subject_key.get_secret_value())
    return TokenVerifier(keys, rules, name_of, now=now, remembered=RememberedTokens())


def _audit_trail(settings: Settings, runtime: Runtime, emit: Sink) -> Trail:
    if settings.audit_file is None:
        return NoTrail()
    return AuditTrail(
        settings.audit_file,
        settings.audit_key.get_secret_value().encode(),
        refuse=settings.audit_on_failure == "refuse",
        name_of=_audit_names(settings),
        runtime=runtime,
        emit=emit,
    )


def _audit_names(settings: Settings) -> Callable[[str], str]:
    """How the audit trail names callers; where they are not told apart there is one name."""
    if settings.audit_subjects == "raw" or settings.auth != "jwt":
        return as_they_are
    return hashed_with(settings.subject_key.get_secret_value())


def _rate_limits(settings: CallerSettings, emit: Sink) -> RateLimits:
    return RateLimits(
        rate_rules(settings),
        reads=[DOCUMENTS, *(one.name for one in OPERATIONS if one.is_read)],
        store=settings.rate_limit_store.get_secret_value(),
        store_required=settings.rate_limit_store_required,
        emit=emit,
    )
