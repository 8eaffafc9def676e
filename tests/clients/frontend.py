"""A frontend's client, unmodified from its registry, in front of a gateway that asks for tokens."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.npm import NODE, run
from tests.pair import Pair, serving
from tests.stack import ADDRESS
from tests.tokens import IdentityProvider
from tests.waiting import PATIENCE

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(str(file) for file in (FOLDER / "project" / "src" / "documents").iterdir())


@dataclass(frozen=True)
class Seen:
    """What a visit brought: the client's answers, and the requests that it sent for them."""

    answers: list[dict[str, Any]]
    passed: list[dict[str, Any]]
    refreshes: int

    @property
    def statuses(self) -> list[int | None]:
        """The status of each answer that passed the edge, None where there was none."""
        return [request.get("status") for request in self.passed]


@dataclass(frozen=True)
class Click:
    """One click: an account of its own, so that its cards can be counted, and a key."""

    account: str
    key: str

    def input(self, **changes: Any) -> dict[str, Any]:
        """The variables of `Issue`; a change to ... leaves the field out."""
        given = {
            "accountId": self.account,
            "billingAddress": ADDRESS,
            "idempotencyKey": self.key,
        } | changes
        return {"input": {name: value for name, value in given.items() if value is not ...}}


@dataclass(frozen=True)
class Site:
    """A gateway and its identity provider, for all visits of a module."""

    pair: Pair
    identity: IdentityProvider

    def visit(self, client: str, *steps: dict[str, Any], **changes: Any) -> Seen:
        """Let a client take these steps, signed in unless ``tokens`` says otherwise."""
        visit = {
            "gateway": self.pair.url,
            "tokens": [self.identity.token()],
            "faults": [],
            "steps": steps,
        } | changes
        return Seen(**json.loads(run(FOLDER, NODE, "run.mjs", client, stdin=json.dumps(visit))))

    def expired(self) -> str:
        """A token that was good until an hour ago."""
        return self.identity.token(exp=int(time.time()) - 3600)

    def let_fail(self, *, call: int, status: int) -> None:
        """Let the provider answer one of the next calls with a status."""
        faults = {"only_call": call, "status_chance": 1, "status": status}
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            answer = client.put(f"{self.pair.emulator_url}/_emulator/faults", json=faults)
        assert answer.status_code == 200, answer.text

    def cards(self, click: Click) -> int:
        """How many cards the account of a click has."""
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            ledger = client.get(f"{self.pair.emulator_url}/_emulator/ledger").json()
        path = f"/v1/accounts/{click.account}/cards"
        return len({one["card"] for one in ledger["keys"] if one["path"] == path} - {None})


def step(document: str, variables: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Ask for a document of the frontend."""
    return {"document": document, "variables": variables, "headers": headers}


SHOW = step("Card", {"id": None})
"""Read the card that was issued last."""


def shows_the_card(seen: Seen) -> None:
    """Check that the client knows the type of what was issued, and holds the card it then read."""
    issued, shown = seen.answers
    result = issued["data"]["issueVirtualCard"]
    assert result["__typename"] == "IssueVirtualCardSuccess"
    assert result["card"]["__typename"] == "Card"
    assert shown["data"]["card"]["id"] == result["card"]["id"]
    assert shown["cached"] == shown["data"]
    assert shown["cached"]["card"]["billingAddress"]["__typename"] == "Address"


def click() -> Click:
    """A click of somebody who has no card yet."""
    return Click(str(uuid.uuid4()), str(uuid.uuid4()))


@contextmanager
def site(folder: Path, **settings: str) -> Iterator[Site]:
    """Run a gateway that takes the tokens of an identity provider."""
    identity = IdentityProvider(folder)
    with serving(folder, "--any-account", **(identity.settings() | settings)) as pair:
        yield Site(pair, identity)
