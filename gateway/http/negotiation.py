"""Which media type an answer has (RFC 9110, section 12.5.1; GraphQL over HTTP, draft).

``application/graphql-response+json`` tells request errors by status 400; ``application/json`` is
the older type, where a well-formed request is always 200; without ``Accept`` it is meant.
"""

from collections.abc import Sequence
from functools import lru_cache

from starlette.datastructures import Headers

from gateway.errors import BadRequest
from gateway.http.fields import Item, items

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
SHORT = 256  # characters of a value that is kept


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
    return _negotiated(accepts) if len(accepts) > SHORT else _seen_before(accepts)


def _negotiated(accepts: str) -> str:
    if not accepts.strip(" \t,"):
        return JSON
    ranges = [one for one in items(accepts) if is_utf_8(one)]
    ranked = [(*_preference(name, ranges), name) for name in (JSON, GRAPHQL_JSON)]
    quality, _, name = max(ranked, key=lambda one: one[:2])  # of equal ones the first
    if quality == 0:
        raise BadRequest(f"Accept {GRAPHQL_JSON} or {JSON}.", status=406)
    return name


_seen_before = lru_cache(maxsize=64)(_negotiated)  # clients have few values; each is read once


def _preference(name: str, ranges: Sequence[Item]) -> tuple[float, int]:
    """The quality of a media type, then the place of the range that says so, first ones higher."""
    for pattern, with_charset in ((name, True), (name, False), ("application/*", 0), ("*/*", 0)):
        found = [
            (one.quality, -at)
            for at, one in enumerate(ranges)
            if one.name == pattern
            and one.quality is not None
            and (not with_charset or "charset" in one.parameters)
        ]
        if found:
            return max(found)
    return 0.0, 0


def is_utf_8(one: Item) -> bool:
    """Whether a media type or range is of UTF-8, as all of ours is; other parameters say nothing
    to us."""
    return one.parameters.get("charset", "utf-8").lower() in {"utf-8", "utf8"}


def takes_gzip(headers: Headers) -> bool:
    """Whether gzip, or anything at all, is accepted with a weight above zero (RFC 9110, 12.5.3)."""
    codings = items(",".join(headers.getlist("accept-encoding")))
    weights = {one.name: one.quality or 0.0 for one in codings}  # an unreadable one refuses
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def is_browser(accepts: str) -> bool:
    """Whether a page is wanted: browsers name text/html, programs name JSON or nothing."""
    names = {one.name for one in items(accepts)}
    return "text/html" in names and not names & {JSON, GRAPHQL_JSON}
