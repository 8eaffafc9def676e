"""Whatever a request comes to, its memory is free when it has been answered.

What only the garbage collector finds waits for it with all that it holds, bodies and variables, and
while the collector looks for it nobody is answered.
"""

import gc
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.stack import CARD, ISSUE, issue_input, running
from tests.tokens import IdentityProvider

ALIASES = 80
CARDS = (
    f"query({','.join(f'$v{n}: ID!' for n in range(ALIASES))}) "
    f"{{ {' '.join(f'c{n}: card(id: $v{n}) {{ id }}' for n in range(ALIASES))} }}"
)
REQUESTS = 20
EACH = 60  # objects of one request, its client's among them


def body(query: str, variables: Any = None, **more: Any) -> bytes:
    """The body of a request."""
    return json.dumps({"query": query, "variables": variables or {}, **more}).encode()


def ids() -> dict[str, str]:
    """Ids of cards that are not there."""
    return {f"v{n}": str(uuid.uuid4()) for n in range(ALIASES)}


LARGE = {f"x{n}": [n] for n in range(500)}
UNKNOWN = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
SENT: dict[str, Any] = {
    "no token": (lambda: body(CARD, LARGE), {"Authorization": ""}),
    "a refused token": (lambda: body(CARD, LARGE), {"Authorization": "Bearer a.b.c"}),
    "no JSON": (lambda: b"{" * 500, {}),
    "another media type": (lambda: body(CARD, LARGE), {"Content-Type": "text/plain"}),
    "a large body": (lambda: body(CARD, {"x": "a" * 100_000}), {}),
    "many values": (lambda: body(CARD, {"x": [1] * 20_000}), {}),
    "a batch": (lambda: b"[" + body(CARD, LARGE) + b"]", {}),
    "an unknown document": (lambda: json.dumps({"extensions": UNKNOWN}).encode(), {}),
    "a document that does not fit": (lambda: body("{ nonsense }", LARGE), {}),
    "a syntax error": (lambda: body("{", LARGE), {}),
    "wrong variables": (lambda: body(CARD, {"id": LARGE}), {}),
    "a wrong key": (lambda: body(ISSUE, issue_input(idempotencyKey="x")), {}),
    "cards that are not there": (lambda: body(CARDS, ids()), {}),
}


@pytest.mark.parametrize("what", SENT)
async def test_refusals_leave_no_garbage(tmp_path: Path, what: str) -> None:
    """What is refused, by whomever, is freed at once."""
    make, headers = SENT[what]
    limits = {"card": "off", "issueVirtualCard": "off", "documents": "off"}
    assert await _garbage(tmp_path, make, headers, limits) < REQUESTS * _allowed(what)


@pytest.mark.parametrize("limited", ["card", "documents", "issueVirtualCard"])
async def test_rate_limits_leave_no_garbage(tmp_path: Path, limited: str) -> None:
    """What is beyond a rate limit is freed at once."""
    texts = {"card": CARDS, "documents": "{ nonsense }", "issueVirtualCard": ISSUE}
    variables = issue_input() if limited == "issueVirtualCard" else LARGE | ids()
    limits = {"card": "off", "documents": "off", "issueVirtualCard": "off"} | {limited: "1/day"}
    found = await _garbage(tmp_path, lambda: body(texts[limited], variables), {}, limits)
    assert found < REQUESTS * _allowed("cards" if limited == "card" else "")


def _allowed(what: str) -> int:
    """An id and a future for each card, beside what belongs to the request."""
    return EACH + (3 * ALIASES if what.startswith("cards") else 0)


async def _garbage(folder: Path, make: Any, headers: Any, limits: Any) -> int:
    """How many objects the collector finds after some equal requests."""
    idp = IdentityProvider(folder)
    async with running(**idp.settings(rate_limits=limits, log_level="error")) as stack:
        sent = {
            "Authorization": f"Bearer {idp.token()}",
            "Content-Type": "application/json",
        } | headers

        async def ask() -> None:
            await stack.client.post("/graphql", content=make(), headers=sent)

        for _ in range(3):
            await ask()
        gc.collect()
        gc.disable()
        try:
            for _ in range(REQUESTS):
                await ask()
            return gc.collect()
        finally:
            gc.enable()
