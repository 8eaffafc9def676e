"""The endpoint ``/graphql``: from an HTTP request to an HTTP answer.

Facts (GraphQL over HTTP, draft of the working group): npm graphql-http's audits are its tests.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.callers import Authenticator, Caller
from gateway.cards import Context
from gateway.config import ServerSettings
from gateway.errors import (
    BadRequest,
    DocumentNotFound,
    DocumentNotTrusted,
    DocumentsNotSupported,
    GatewayError,
    IdentityUnavailable,
    InternalError,
    NotAuthenticated,
)
from gateway.events import CallerRefused, DocumentRefused, OperationEnded, Sink, UnexpectedError
from gateway.graphql import (
    DocumentMode,
    Executor,
    Facts,
    GraphQLResponse,
    TrustedDocuments,
)
from gateway.http.csrf import refuse_other_sites
from gateway.http.ide import ide_page
from gateway.http.negotiation import accepted, error_type, is_browser, negotiate
from gateway.http.requests import (
    as_graphql_request,
    from_body,
    from_query_string,
    idempotency_key,
)
from gateway.http.responses import compressed, error_response, graphql_response
from gateway.telemetry import (
    NO_TRACING,
    OpenSpan,
    Tracing,
    loggable,
    loggable_address,
    on_behalf_of,
)

# What resolvers get, for a caller and the ``Idempotency-Key`` header of the request.
NewContext: TypeAlias = Callable[[Caller, str | None], Context]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the view needs to authenticate a request and to have it answered."""

    executor: Executor
    authenticator: Authenticator
    new_context: NewContext
    trusted: TrustedDocuments
    documents_mode: DocumentMode
    settings: ServerSettings
    emit: Sink
    tracing: Tracing = NO_TRACING


@dataclass(slots=True)
class _Progress:
    """What is known of a request so far."""

    began: float
    caller: str | None = None
    facts: Facts | None = None
    errors: tuple[str, ...] = ()


class GraphQLView:
    """Answers ``/graphql``."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._settings = dependencies.settings
        self._emit = dependencies.emit
        self._tracing = dependencies.tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        with self._tracing.request(scope) as span:
            response = await self.respond(Request(scope, receive))
            span.answered(response.status_code)
            await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """One HTTP request, one response; every error is a GraphQL error body."""
        accepts = accepted(request.headers)
        if request.method == "GET" and self._settings.graphiql and is_browser(accepts):
            return ide_page()
        progress = _Progress(time.perf_counter())
        try:
            response = await self._answer(request, negotiate(accepts), progress)
        except ClientDisconnect:
            response = Response(status_code=400)  # to nobody
        except Exception as error:
            # Without a name here: an error that a frame of its own traceback holds is garbage, and
            # the request with all its values would wait for the collector with it.
            response = self._refused(error, error_type(accepts), progress)
        self._emit(_ended(progress, response.status_code))
        return compressed(response, request.headers)

    async def _answer(self, request: Request, media_type: str, progress: _Progress) -> Response:
        if request.method not in {"GET", "POST"}:
            raise BadRequest("Use GET or POST.", status=405, Allow="GET, POST")
        if request.method == "GET":
            refuse_other_sites(request, self._settings)
        caller = await self._identify(request)
        progress.caller = caller.name
        with on_behalf_of(caller.id, name=caller.name):
            return await self._answer_to(caller, request, media_type, progress)

    async def _answer_to(
        self, caller: Caller, request: Request, media_type: str, progress: _Progress
    ) -> Response:
        read_only = request.method == "GET"
        given = from_query_string(request) if read_only else await self._from_body(request)
        context = self._dependencies.new_context(caller, idempotency_key(request))
        asked = as_graphql_request(await self._text(given, context), given)
        with self._tracing.operation() as span:
            answer = await self._dependencies.executor.execute(asked, context, read_only=read_only)
            progress.facts, progress.errors = answer.facts, _codes(answer, context)
            _describe(span, progress)
        if answer.failure is not None:
            self._emit(DocumentRefused(codes=progress.errors, limits=_limits(answer)))
        return graphql_response(answer, media_type, draft=self._settings.http_statuses == "draft")

    async def _from_body(self, request: Request) -> dict[str, Any]:
        return await from_body(request, self._settings.body_timeout)

    async def _text(self, given: Mapping[str, Any], context: Context) -> str:
        try:
            return self._dependencies.trusted.resolve(given, self._dependencies.documents_mode)
        except (DocumentNotFound, DocumentsNotSupported, DocumentNotTrusted):
            await context.count_document()
            raise

    async def _identify(self, request: Request) -> Caller:
        # Several are one that is no bearer token: who stands before the gateway may have looked at
        # another one of them (RFC 9110, section 5.3).
        given = request.headers.getlist("authorization")
        try:
            return await self._dependencies.authenticator.identify(
                ", ".join(given) if given else None
            )
        except (NotAuthenticated, IdentityUnavailable) as error:
            self._emit(_caller_refused(request, error))
            raise

    def _refused(self, error: Exception, media_type: str, progress: _Progress) -> Response:
        refusal = self._refusal(error)
        progress.errors = (refusal.code,)
        return error_response(refusal, media_type)

    def _refusal(self, error: Exception) -> GatewayError:
        """What is told of an error before, or beside, the execution."""
        match error:
            case DocumentNotTrusted() | DocumentNotFound() | DocumentsNotSupported():
                self._emit(DocumentRefused(codes=(error.code,)))
        if isinstance(error, GatewayError):
            return error
        self._emit(UnexpectedError.of(error))
        return InternalError()


def _codes(answer: GraphQLResponse, context: Context) -> tuple[str, ...]:
    """The codes of the errors, and of the failures in results."""
    codes = [error["extensions"]["code"] for error in answer.body.get("errors", [])]
    return tuple(sorted({*codes, *context.failures}))


def _limits(answer: GraphQLResponse) -> tuple[str, ...]:
    """The limits that the document passes."""
    errors = answer.body.get("errors", [])
    found = {error["extensions"]["limit"] for error in errors if "limit" in error["extensions"]}
    return tuple(sorted(found))


def _caller_refused(
    request: Request, error: NotAuthenticated | IdentityUnavailable
) -> CallerRefused:
    """Nobody's ``X-Forwarded-For`` is believed: the peer may be a proxy."""
    peer = request.client.host if request.client else None
    return CallerRefused(
        code=error.code,
        reason=error.reason,
        key_id=loggable(error.key_id),
        peer=loggable_address(peer),
    )


def _describe(span: OpenSpan, progress: _Progress) -> None:
    if progress.facts is not None:
        span.executed(progress.facts.kind, progress.facts.name)
    if progress.errors:
        span.failed(progress.errors[0])


def _ended(progress: _Progress, status: int) -> OperationEnded:
    facts = progress.facts
    return OperationEnded(
        status=status,
        duration=time.perf_counter() - progress.began,
        caller=progress.caller,
        operation=facts.name if facts else None,
        kind=facts.kind if facts else None,
        fields=facts.fields if facts else (),
        errors=progress.errors,
    )
