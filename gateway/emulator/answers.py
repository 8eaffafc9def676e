"""What the emulator says: an answer, or a refusal that becomes one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal

import msgspec
from starlette.responses import Response
from starlette.types import Scope

RECORD = "emulator.record"
"""Where the ASGI scope holds the record of a request, if somebody observes them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, as it is kept under an idempotency key; ``headers`` are what matters of it.

    Two things are not sent: ``made_card``, the id of the card that came into being with it, and
    ``reason``, why a call was refused.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    made_card: str | None = None
    reason: str = ""

    def to_response(self, scope: Scope, now: float) -> Response:
        """The answer to the request of ``scope``, noted in its record.

        It has the ``Date`` of this moment (UNIX seconds): a replay has a new one.
        """
        if record := scope.get(RECORD):
            record.status, record.reason = self.status, self.reason
        headers = {**self.headers, "Date": formatdate(now, usegmt=True)}
        return Response(self.body, self.status, headers)


def json_answer(status: int, content: object, *, made_card: str | None = None) -> Answer:
    """An answer with a JSON body."""
    headers = {"Content-Type": "application/json"}
    return Answer(status, msgspec.json.encode(content), headers, made_card)


def retry_after(seconds: float | None) -> dict[str, str]:
    """The ``Retry-After`` header, rounded up to whole seconds; none without a time."""
    return {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}


class Refusal(Exception):
    """The emulator says no: a status, and plain words that never repeat a value that was sent."""

    def __init__(self, status: int, text: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})

    def to_answer(self, shape: Literal["json", "text"]) -> Answer:
        """The refusal with its error body in the chosen shape (section 5: undocumented)."""
        if shape == "json":
            plain = json_answer(self.status, {"error": self.text})
        else:
            content_type = {"Content-Type": "text/plain; charset=utf-8"}
            plain = Answer(self.status, self.text.encode(), content_type)
        headers = {**plain.headers, **self.headers}
        return Answer(plain.status, plain.body, headers, reason=self.text)
