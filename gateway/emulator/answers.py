"""What the emulator says: an answer, or a refusal that becomes one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal

import msgspec
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, as it is kept under an idempotency key; ``headers`` are what matters of it.

    ``made_card`` is the id of the card that came into being with it; it is not sent.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    made_card: str | None = None

    def to_response(self, now: float) -> Response:
        """The answer with the ``Date`` of this moment (UNIX seconds): a replay has a new one."""
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
        return Answer(plain.status, plain.body, {**plain.headers, **self.headers})
