"""The GraphQL-over-HTTP door: strict bodies, content negotiation, one table of statuses.

Facts (GraphQL over HTTP, draft of the working group; npm graphql-http's audits are its tests):
``application/graphql-response+json`` tells request errors by status 400; ``application/json`` is
the older type, where a well-formed request is always 200; without ``Accept`` it is meant.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.callers import Authenticator, Caller, RateLimits
from gateway.cards.context import CardLoader, Context
from gateway.config import ServerSettings, ViewSettings
from gateway.errors import BadRequest, GatewayError, NotAllowed, NotAuthenticated
from gateway.graphql.execution import UNEXPECTED, Executor, Failure, GraphQLRequest, GraphQLResponse
from gateway.graphql.trusted import TrustedDocuments
from gateway.http.ide import ide_page
from gateway.ledger import Ledger
from gateway.provider import ProviderClient
from gateway.telemetry import request_id

log = structlog.get_logger()

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
MAX_BODY = 100_000  # bytes; the guide's three steps need under 1,000
_OFFERED = (GRAPHQL_JSON, JSON)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the view needs to let a request in and have it answered."""

    executor: Executor
    provider: ProviderClient
    ledger: Ledger[Any]
    authenticator: Authenticator
    limits: RateLimits
    trusted: TrustedDocuments
    settings: ViewSettings


class GraphQLView:
    """Answers ``/graphql``."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._settings = dependencies.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """One HTTP request, one response; every error is a GraphQL error body."""
        accepts = request.headers.get("accept", "")
        if request.method == "GET" and self._settings.graphiql and is_browser(accepts):
            return ide_page()
        began, line = time.perf_counter(), dict[str, Any]()
        try:
            response = await self._answer(request, negotiate(accepts), line)
        except ClientDisconnect:
            response = Response(status_code=400)  # to nobody
        except Exception as error:
            refused = _refusal(error)
            line["errors"] = [refused.code]
            response = error_response(refused)
        took = round((time.perf_counter() - began) * 1000, 1)
        log.info("operation", status=response.status_code, duration_ms=took, **line)
        return response

    async def _answer(self, request: Request, media_type: str, line: dict[str, Any]) -> Response:
        """Answer a request; ``line`` collects what is logged of it."""
        if request.method not in {"GET", "POST"}:
            raise BadRequest("Use GET or POST.", status=405, Allow="GET, POST")
        read_only = request.method == "GET"
        if read_only:
            _refuse_other_sites(request, self._settings)
        caller = await self._dependencies.authenticator.identify(
            request.headers.get("authorization")
        )
        line["caller"] = caller.id
        given = _from_query_string(request) if read_only else await _from_body(request)
        asked = self._asked(given)
        context = self._context(caller, _idempotency_key(request))
        answer = await self._dependencies.executor.execute(asked, context, read_only=read_only)
        codes = [error["extensions"]["code"] for error in answer.body.get("errors", [])]
        line.update(context.facts, errors=sorted({*codes, *context.failures}))
        return _response(answer, media_type, draft=self._settings.http_statuses == "draft")

    def _asked(self, given: Mapping[str, Any]) -> GraphQLRequest:
        text = self._dependencies.trusted.resolve(given, self._settings.documents_mode)
        return as_graphql_request(text, given)

    def _context(self, caller: Caller, header_key: str | None) -> Context:
        provider, settings = self._dependencies.provider, self._settings
        return Context(
            provider=provider,
            ledger=self._dependencies.ledger,
            cards=CardLoader(provider, most_at_once=settings.max_card_reads),
            request_id=request_id.get(),
            simulator_allowed=settings.simulator_allowed,
            caller=caller,
            limits=self._dependencies.limits,
            header_key=header_key,
            key_required=settings.require_idempotency_key,
        )


def _idempotency_key(request: Request) -> str | None:
    """The header's value; with two of them nobody could say which click this is."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise BadRequest("Send one Idempotency-Key header, not several.")
    return keys[0] if keys else None


def _refuse_other_sites(request: Request, settings: ServerSettings) -> None:
    """Refuse a GET that a page of another site may have made without asking (CSRF).

    A POST needs none of this: browsers ask before they send application/json elsewhere.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    elsewhere = site in {"cross-site", "same-site"} or (site is None and origin is not None)
    if elsewhere and not (origin and settings.allows_origin(origin)):
        raise NotAllowed("Pages of other sites may not ask by GET.")


def _refusal(error: Exception) -> GatewayError:
    """What is told of an error before, or beside, the execution."""
    if isinstance(error, GatewayError):
        return error
    log.error("unexpected_error", error=error)
    return GatewayError(UNEXPECTED)


def negotiate(accepts: str) -> str:
    """The media type to answer with (RFC 9110, 12.5.1); raises BadRequest 406 without one.

    The most specific range decides on a type. Of types with equal quality the one whose range is
    listed first is taken; a range without ``q`` has quality 1, and a wildcard stands for JSON.
    """
    if not accepts.strip(" ,"):
        return JSON
    ranges = [_media_range(part) for part in accepts.split(",")]
    ranked = [(*_preference(name, ranges), name) for name in (JSON, GRAPHQL_JSON)]
    quality, _, name = max(ranked, key=lambda one: one[:2])  # of equal ones the first
    if quality == 0:
        raise BadRequest(f"Accept {GRAPHQL_JSON} or {JSON}.", status=406)
    return name


def _preference(name: str, ranges: Sequence[tuple[float | None, str]]) -> tuple[float, int]:
    """The quality of a media type, then the place of the range that says so, first ones higher."""
    for pattern in (name, "application/*", "*/*"):
        places = enumerate(ranges)
        found = [(q, -at) for at, (q, given) in places if given == pattern and q is not None]
        if found:
            return max(found)
    return 0.0, 0


def _media_range(part: str) -> tuple[float | None, str]:
    """Quality and name of a range; the quality is None where it fits nothing that we answer."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality: float | None = 1.0
    for parameter in parameters:
        if parameter.startswith("charset=") and parameter[8:].strip('"') not in {"utf-8", "utf8"}:
            return None, name
        if parameter.startswith("q="):
            quality = _quality(parameter[2:])
    return quality, name


def _quality(text: str) -> float | None:
    try:
        quality = float(text)
    except ValueError:
        return None
    return quality if 0 <= quality <= 1 else None  # nor what is not a number


def is_browser(accepts: str) -> bool:
    """Whether a page is wanted: browsers name text/html, programs name JSON or nothing."""
    names = [_media_range(part)[1] for part in accepts.split(",")]
    return "text/html" in names and not set(names) & set(_OFFERED)


def _from_query_string(request: Request) -> dict[str, Any]:
    query: bytes = request.scope["query_string"]
    pairs = parse_qs(query.decode("latin-1"))  # drops parameters that are empty
    given: dict[str, Any] = {name: values[-1] for name, values in pairs.items()}
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = decode_json(given[name].encode(), name)
    return given


async def _from_body(request: Request) -> dict[str, Any]:
    name, *parameters = request.headers.get("content-type", "").lower().split(";")
    charset = [one.split("=", 1)[1].strip('" ') for one in parameters if "charset=" in one]
    if name.strip() != JSON or charset not in ([], ["utf-8"], ["utf8"]):
        raise BadRequest(f"Send the request as {JSON} in UTF-8.", status=415, Accept=JSON)
    given = decode_json(await _read_body(request), "The body")
    if not isinstance(given, dict):
        raise BadRequest("The body must be one JSON object; batches are not supported.")
    return given


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(f"The body is larger than {MAX_BODY} bytes.", status=413)
    return bytes(body)


def decode_json(raw: bytes, what: str) -> Any:
    """Decode JSON in UTF-8; raises BadRequest."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest(f"{what} is not readable as JSON in UTF-8.") from None


def as_graphql_request(text: str, given: Mapping[str, Any]) -> GraphQLRequest:
    """Check the parameters beside the document; raises BadRequest naming the parameter."""
    variables = given.get("variables")
    extensions = given.get("extensions")
    name = given.get("operationName")
    if not isinstance(variables, dict | None):
        raise BadRequest("variables must be an object.")
    if not isinstance(extensions, dict | None):
        raise BadRequest("extensions must be an object.")
    if not isinstance(name, str | None):
        raise BadRequest("operationName must be text.")
    return GraphQLRequest(text, variables, name)


# Status by failure, for application/graphql-response+json; the older type says 200 instead.
_CLASSIC = {Failure.SYNTAX: 400, Failure.INVALID: 400, Failure.ONLY_BY_POST: 405}
_DRAFT = _CLASSIC | {Failure.INVALID: 422}
_PARTIAL = 294  # the draft's status for data beside errors


def _status(answer: GraphQLResponse, media_type: str, *, draft: bool) -> int:
    if answer.failure is Failure.ONLY_BY_POST:
        return 405
    if media_type == JSON:
        return 200
    if answer.failure is not None:
        return (_DRAFT if draft else _CLASSIC)[answer.failure]
    return _PARTIAL if draft and "errors" in answer.body else 200


def _response(answer: GraphQLResponse, media_type: str, *, draft: bool) -> Response:
    headers = {"Cache-Control": "no-store"}
    if answer.failure is Failure.ONLY_BY_POST:
        headers["Allow"] = "POST"
    status = _status(answer, media_type, draft=draft)
    body = msgspec.json.encode(answer.body)
    return Response(body, status, headers, f"{media_type}; charset=utf-8")


def error_response(error: GatewayError) -> Response:
    """What went wrong as the answer to an HTTP request: a GraphQL error body."""
    extensions = {"code": error.code, "requestId": request_id.get()}
    body = {"errors": [{"message": error.message, "extensions": extensions}]}
    headers = {"Cache-Control": "no-store", **_headers(error)}
    content_type = f"{JSON}; charset=utf-8"
    return Response(msgspec.json.encode(body), error.status, headers, content_type)


def _headers(error: GatewayError) -> dict[str, str]:
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": 'Bearer realm="card gateway"'}  # RFC 6750, section 3
    return error.headers if isinstance(error, BadRequest) else {}
