"""HTTP answers: one table of statuses, and errors in the shape of GraphQL's."""

import gzip
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.errors import (
    BadRequest,
    DocumentNotFound,
    DocumentNotTrusted,
    DocumentsNotSupported,
    GatewayError,
    NotAuthenticated,
)
from gateway.graphql import Failure, GraphQLResponse
from gateway.http.negotiation import JSON, takes_gzip
from gateway.telemetry import request_id

LARGE = 1024  # bytes; less fits into one packet with the headers
# 7 to 27 µs for 1.5 to 20 kB, of which a third to a sixth is left; level 9 takes up to four times
# as long and leaves 2 % to 8 % less.
LEVEL = 1

# Status by failure, for application/graphql-response+json; the older type says 200 instead.
_CLASSIC = {Failure.SYNTAX: 400, Failure.INVALID: 400, Failure.ONLY_BY_POST: 405}
_DRAFT = _CLASSIC | {Failure.INVALID: 422}
_PARTIAL = 294  # the draft's status for data beside errors
# Errors of requests that are well-formed: only the media type decides on their status.
_WELL_FORMED = (DocumentNotFound, DocumentsNotSupported, DocumentNotTrusted)


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
    headers = {"Cache-Control": "no-store", **_delay(answer.body.get("errors", []))}
    if answer.failure is Failure.ONLY_BY_POST:
        headers["Allow"] = "POST"
    status = _status(answer, media_type, draft=draft)
    body = msgspec.json.encode(answer.body)
    return Response(body, status, headers, f"{media_type}; charset=utf-8")


def error_response(error: GatewayError, media_type: str = JSON) -> Response:
    """What went wrong as the answer to an HTTP request, in the media type that was negotiated."""
    status = 200 if media_type == JSON and isinstance(error, _WELL_FORMED) else error.status
    headers = {"Cache-Control": "no-store", **_headers(error)}
    return Response(error_body(error), status, headers, f"{media_type}; charset=utf-8")


def error_body(error: GatewayError) -> bytes:
    """What went wrong as a GraphQL response in JSON; it needs no request."""
    return msgspec.json.encode(error_content(error))


def error_content(error: GatewayError) -> dict[str, Any]:
    """What went wrong in the shape of a GraphQL response without data."""
    extensions = {**error.extensions, "requestId": request_id.get()}
    return {"errors": [{"message": error.message, "extensions": extensions}]}


def compressed(response: Response, asked: Headers) -> Response:
    """The same answer, with gzip for who takes it where it is longer than ``LARGE``.

    Lengths tell nobody of the content (BREACH): who could compare them would have to make a page
    send requests with its caller's token, and browsers send none of themselves.
    """
    if len(response.body) <= LARGE:
        return response
    response.headers.add_vary_header("Accept-Encoding")
    if takes_gzip(asked):
        response.body = gzip.compress(response.body, LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def retry_after(*delays: float | None) -> dict[str, str]:
    """The header of RFC 9110, section 10.2.3, with the longest delay in whole seconds, if any."""
    known = [delay for delay in delays if delay is not None]
    return {"Retry-After": str(math.ceil(max(known)))} if known else {}


def _delay(errors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return retry_after(*(one["extensions"].get("retryAfter") for one in errors))


def _headers(error: GatewayError) -> dict[str, str]:
    headers = retry_after(error.retry_after)
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="card gateway"'  # RFC 6750, section 3
    return headers | (error.headers if isinstance(error, BadRequest) else {})
