"""HTTP answers: one table of statuses, and errors in the shape of GraphQL's."""

import msgspec
from starlette.responses import Response

from gateway.errors import BadRequest, GatewayError, NotAuthenticated
from gateway.graphql import Failure, GraphQLResponse
from gateway.http.negotiation import JSON
from gateway.telemetry import request_id

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


def graphql_response(answer: GraphQLResponse, media_type: str, *, draft: bool) -> Response:
    """The answer to a GraphQL request, with the HTTP status that its media type has for it."""
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
