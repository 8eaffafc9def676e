"""Which media type an answer has (RFC 9110, section 12.5.1; GraphQL over HTTP, draft).

``application/graphql-response+json`` tells request errors by status 400; ``application/json`` is
the older type, where a well-formed request is always 200; without ``Accept`` it is meant.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers

from gateway.errors import BadRequest

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


def accepted(headers: Headers) -> str:
    """The value of ``Accept``; several of them are one list (RFC 9110, section 5.2)."""
    return ", ".join(headers.getlist("accept"))


def error_type(accepts: str) -> str:
    """The media type of an error, also where nothing that could be answered is accepted."""
    try:
        return negotiate(accepts)
    except BadRequest:
        return JSON


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
    return "text/html" in names and not set(names) & {JSON, GRAPHQL_JSON}
