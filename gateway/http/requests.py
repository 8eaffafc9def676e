"""The parameters of a GraphQL request, from the query string or from the body."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request

from gateway.errors import BadRequest
from gateway.graphql import GraphQLRequest
from gateway.http.fields import item
from gateway.http.negotiation import JSON, is_utf_8

_NONE = {"", "identity"}  # codings of a body that is none
MAX_BODY = 100_000  # bytes; the guide's three steps need under 1,000
# JSON values, counted by the brackets and commas of the text, those in strings too: a document has
# fewer. An empty list takes two bytes to send and some 60 to keep.
MAX_VALUES = 10_000
_SURROGATE = re.compile(rb"\\u[Dd][89A-Fa-f]")  # the escape of a surrogate, also of one of a pair


def from_query_string(request: Request) -> dict[str, Any]:
    """The parameters of a GET; raises BadRequest."""
    query: bytes = request.scope["query_string"]
    pairs = parse_qs(query.decode("latin-1"))  # drops parameters that are empty
    given: dict[str, Any] = {name: values[-1] for name, values in pairs.items()}
    for name in ("variables", "extensions"):
        if name in given:
            raw = given[name].encode()
            given[name] = decode_json(raw, name)
            if name == "extensions":
                _check_whole(given[name], name, raw)
    return given


async def from_body(request: Request, seconds: float) -> dict[str, Any]:
    """The parameters of a POST: one JSON object in UTF-8; raises BadRequest.

    ``seconds`` is the time that the body may take to arrive.
    """
    _refuse_encoded(request)
    if not _is_json(request.headers.getlist("content-type")):
        raise BadRequest(f"Send the request as {JSON} in UTF-8.", status=415, Accept=JSON)
    raw = await _body_within(seconds, request)
    given = decode_json(raw, "The body")
    if not isinstance(given, dict):
        several = "Batches are not supported: send one operation in each request."
        raise BadRequest(several if isinstance(given, list) else "The body must be a JSON object.")
    beside = {name: value for name, value in given.items() if name != "variables"}
    _check_whole(beside, "What stands beside the variables", raw)
    return given


async def _body_within(seconds: float, request: Request) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await _read_body(request)
    except TimeoutError:
        message = "The body of the request did not arrive in time; send it again."
        raise BadRequest(message, status=408, Connection="close") from None


def _refuse_encoded(request: Request) -> None:
    """A body is read as it comes: a small one that becomes large would pass the bound (RFC 9110,
    section 8.4)."""
    codings = request.headers.getlist("content-encoding")
    if codings and not {one.strip() for one in ",".join(codings).lower().split(",")} <= _NONE:
        raise BadRequest(
            "Send the body as it is, without Content-Encoding.",
            status=415,
            **{"Accept-Encoding": "identity"},
        )


def _is_json(content_types: list[str]) -> bool:
    """Whether the one Content-Type is JSON in UTF-8 (RFC 9110, section 8.3)."""
    if content_types == [JSON]:  # as nearly everybody writes it
        return True
    given = item(content_types[0]) if len(content_types) == 1 else None
    return given is not None and given.name == JSON and is_utf_8(given)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(f"The body is larger than {MAX_BODY} bytes.", status=413)
    return bytes(body)


def decode_json(raw: bytes, what: str) -> Any:
    """Decode JSON in UTF-8; raises BadRequest."""
    if sum(map(raw.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BadRequest(f"{what} has more than {MAX_VALUES:,} values.", status=413)
    try:
        return _decoded(raw)
    except (ValueError, RecursionError):  # msgspec's and those of UTF-8 are ValueErrors
        raise BadRequest(f"{what} is not readable as JSON in UTF-8.") from None


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        if not _SURROGATE.search(raw):
            raise
    return _decode_with_surrogates(raw)


def _decode_with_surrogates(raw: bytes) -> Any:
    """JSON that escapes lone surrogates (RFC 8259, section 8.2); raises ValueError for any other.

    JavaScript writes one where an emoji was cut in two. msgspec refuses them; here they pass, in
    texts and not in names, so that the resolver can name the field that has one.
    """
    return json.loads(raw.decode(), object_pairs_hook=_checked_names, parse_constant=_no_constant)


def _checked_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, _ in pairs:
        name.encode()  # raises ValueError
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_whole(given: Any, what: str, raw: bytes) -> None:
    """Texts beside the variables are hashed and logged; raises BadRequest for a lone surrogate."""
    if not _SURROGATE.search(raw):
        return
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError):
        raise BadRequest(f"{what} must not hold half a character (a lone surrogate).") from None


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
    return GraphQLRequest(text, variables, name or None)


def idempotency_key(request: Request) -> str | None:
    """The header's value; with two of them nobody could say which click this is."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise BadRequest("Send one Idempotency-Key header, not several.")
    return keys[0] if keys else None
