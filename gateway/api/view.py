"""The GraphQL-over-HTTP door: strict bodies, content negotiation, one table of statuses.

Facts (GraphQL over HTTP, draft of the working group; npm graphql-http's audits are its tests):
``application/graphql-response+json`` tells request errors by status 400; ``application/json`` is
the older type, where a well-formed request is always 200; without ``Accept`` it is meant.
"""

from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.context import CardLoader, Context
from gateway.api.execution import UNEXPECTED, Executor, GraphQLRequest, GraphQLResponse
from gateway.api.ide import ide_page
from gateway.config import Settings
from gateway.provider import ProviderClient
from gateway.telemetry import request_id

log = structlog.get_logger()

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
MAX_BODY = 100_000  # bytes; the guide's three steps need under 1,000
_OFFERED = (GRAPHQL_JSON, JSON)


class BadRequest(Exception):
    """The HTTP request is not a GraphQL request; ``message`` says what to change."""

    def __init__(
        self, status: int, message: str, *, code: str = "BAD_REQUEST", **headers: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers


class GraphQLView:
    """Answers ``/graphql``."""

    def __init__(self, executor: Executor, provider: ProviderClient, settings: Settings) -> None:
        self._executor = executor
        self._provider = provider
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """One HTTP request, one response; every error is a GraphQL error body."""
        try:
            accepts = request.headers.get("accept", "")
            if request.method == "GET" and self._settings.graphiql and _is_browser(accepts):
                return ide_page()
            media_type = negotiate(accepts)
            return await self._answer(request, media_type)
        except BadRequest as error:
            return _error_response(error)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        except Exception as error:
            log.error("unexpected_error", error=error)
            return _error_response(BadRequest(500, UNEXPECTED, code="INTERNAL"))

    async def _answer(self, request: Request, media_type: str) -> Response:
        if request.method == "GET":
            given = _from_query_string(request)
        elif request.method == "POST":
            given = await _from_body(request)
        else:
            raise BadRequest(405, "GraphQL is spoken by GET and POST only.", Allow="GET, POST")
        answer = await self._executor.execute(
            as_graphql_request(given), self._context(request), read_only=request.method == "GET"
        )
        return _response(answer, media_type)

    def _context(self, request: Request) -> Context:
        return Context(
            provider=self._provider,
            cards=CardLoader(self._provider, most_at_once=self._settings.max_card_reads),
            request_id=request_id.get(),
            simulator_allowed=self._settings.simulator_allowed,
            header_key=request.headers.get("idempotency-key"),
        )


def negotiate(accepts: str) -> str:
    """The media type to answer with; raises BadRequest 406 when none is acceptable."""
    wanted = [_media_range(part) for part in accepts.split(",") if part.strip()]
    if not wanted:
        return JSON
    for quality, name in sorted(wanted, key=lambda one: -one[0]):
        if quality > 0 and name in _OFFERED:
            return name
        if quality > 0 and name in {"*/*", "application/*"}:
            return JSON
    raise BadRequest(406, f"Accept {GRAPHQL_JSON} or {JSON}.")


def _media_range(part: str) -> tuple[float, str]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("charset=") and parameter[8:].strip('"') not in {"utf-8", "utf8"}:
            return 0.0, name
        if parameter.startswith("q="):
            return _quality(parameter[2:]), name
    return 1.0, name


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_browser(accepts: str) -> bool:
    """Whether a page is wanted: browsers name text/html, programs name JSON or nothing."""
    names = [_media_range(part)[1] for part in accepts.split(",")]
    return "text/html" in names and not set(names) & set(_OFFERED)


def _from_query_string(request: Request) -> dict[str, Any]:
    pairs = parse_qs(request.url.query)  # drops parameters that are empty
    given: dict[str, Any] = {name: values[-1] for name, values in pairs.items()}
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = decode_json(given[name].encode(), name)
    return given


async def _from_body(request: Request) -> dict[str, Any]:
    name, *parameters = request.headers.get("content-type", "").lower().split(";")
    charset = [one.split("=", 1)[1].strip('" ') for one in parameters if "charset=" in one]
    if name.strip() != JSON or charset not in ([], ["utf-8"], ["utf8"]):
        raise BadRequest(415, f"Send the request as {JSON} in UTF-8.", Accept=JSON)
    given = decode_json(await _read_body(request), "The body")
    if not isinstance(given, dict):
        raise BadRequest(400, "The body must be one JSON object; batches are not supported.")
    return given


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(413, f"The body is larger than {MAX_BODY} bytes.")
    return bytes(body)


def decode_json(raw: bytes, what: str) -> Any:
    """Decode JSON in UTF-8; raises BadRequest."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest(400, f"{what} is not readable as JSON in UTF-8.") from None


def as_graphql_request(given: dict[str, Any]) -> GraphQLRequest:
    """Check the parameters' types; raises BadRequest naming the parameter."""
    query = given.get("query")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest(400, "query must be text: a GraphQL document.")
    variables = given.get("variables")
    extensions = given.get("extensions")
    name = given.get("operationName")
    if not isinstance(variables, dict | None):
        raise BadRequest(400, "variables must be an object.")
    if not isinstance(extensions, dict | None):
        raise BadRequest(400, "extensions must be an object.")
    if not isinstance(name, str | None):
        raise BadRequest(400, "operationName must be text.")
    return GraphQLRequest(query, variables, name)


def _response(answer: GraphQLResponse, media_type: str) -> Response:
    status = 400 if answer.request_error and media_type == GRAPHQL_JSON else 200
    headers = {"Cache-Control": "no-store"}
    if answer.only_by_post:
        status, headers["Allow"] = 405, "POST"
    content_type = f"{media_type}; charset=utf-8"
    return Response(msgspec.json.encode(answer.body), status, headers, content_type)


def _error_response(error: BadRequest) -> Response:
    extensions = {"code": error.code, "requestId": request_id.get()}
    body = {"errors": [{"message": error.message, "extensions": extensions}]}
    headers = {"Cache-Control": "no-store", **error.headers}
    content_type = f"{JSON}; charset=utf-8"
    return Response(msgspec.json.encode(body), error.status, headers, content_type)
