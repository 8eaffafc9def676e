"""W3C Trace Context: the trace that a request belongs to, as callers and the provider are told it.

https://www.w3.org/TR/trace-context/, sections 3.2 and 3.3.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import NamedTuple

from gateway.card_numbers import has_card_number

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
)
_MANY_DIGITS = re.compile(r"[0-9]{13}")
_MOST_STATE = 512  # characters of a ``tracestate``
_MOST_MEMBERS = 32
_MEMBER = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_\-*/]{0,255}(?:@[a-z][a-z0-9_\-*/]{0,13})?)"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(NamedTuple):
    """A span, by which others name it as their parent; ``traceparent`` is well formed.

    ``is_ours``: the gateway began the span, and no caller. ``is_sent``: the provider is told of it.
    """

    traceparent: str
    tracestate: str = ""
    is_ours: bool = False
    is_sent: bool = True

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        """One byte; its lowest bit says whether the trace is sampled."""
        return int(self.traceparent[53:55], 16)

    def headers(self) -> dict[str, str]:
        """What tells the provider of it."""
        if not self.is_sent:
            return {}
        state = {"tracestate": self.tracestate} if self.tracestate else {}
        return {"traceparent": self.traceparent} | state


trace_context: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)
"""The span in which something happens: the gateway's where it traces, else the caller's."""


def received(fields: Sequence[tuple[bytes, bytes]]) -> TraceContext | None:
    """The context in the header fields of a request; None where there is none that is usable.

    A ``tracestate`` that is malformed is left out alone. An id that could hold a card number counts
    as malformed: ids are logged and exported.
    """
    parents = [value.decode("latin-1") for name, value in fields if name == b"traceparent"]
    if len(parents) != 1 or not _is_usable(parents[0]):
        return None
    states = [value.decode("latin-1") for name, value in fields if name == b"tracestate"]
    return TraceContext(parents[0], _usable_state(",".join(states)) if states else "")


def _is_usable(traceparent: str) -> bool:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return False
    if not _MANY_DIGITS.search(traceparent):  # as good as always
        return True
    return not any(has_card_number(name) for name in match.groups())


def _usable_state(tracestate: str) -> str:
    if len(tracestate) > _MOST_STATE or has_card_number(tracestate):
        return ""
    members = [member.strip(" \t") for member in tracestate.split(",")]
    found = [_MEMBER.fullmatch(member) for member in members if member]
    keys = {match["key"] for match in found if match is not None}
    # Also where a member is malformed, or a key is there twice.
    return tracestate if len(keys) == len(found) <= _MOST_MEMBERS else ""
