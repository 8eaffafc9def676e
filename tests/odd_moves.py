"""The odd provider with cards and authorisations that are there already, for what changes them."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.moves import (
    ACTIVATE,
    AUTHORISE,
    CAPTURE,
    DEACTIVATE,
    RELEASE,
    SETTLEMENTS,
    TERMINATE,
    Move,
)
from tests.odd_provider import CREATED_AT, OddProvider, Plan, Received

_DATES = {"createdAt": CREATED_AT, "updatedAt": CREATED_AT}
_BEGINS = {ACTIVATE: "inactive", DEACTIVATE: "active", TERMINATE: "active"}
_ENDS = {
    ACTIVATE: "active",
    DEACTIVATE: "inactive",
    TERMINATE: "terminated",
    CAPTURE: "capturing",
    RELEASE: "releasing",
}
_STATUSES = {AUTHORISE: 201, CAPTURE: 202, RELEASE: 202, TERMINATE: 204}
_PAID = {
    "amount": "20",
    "currency": "GBP",
    "merchantAmount": "20",
    "merchantCurrency": "GBP",
    "exchangeRate": "1",
    "merchant": {"id": "TEST", "name": "Test", "mcc": 9999, "country": "GB", "city": "London"},
}
_BOOKED = {
    "status": "processed",
    "direction": "debit",
    "tokenAmount": "20",
    "token": "eip155:1/erc20:0x6b175474e89094c44da98b954eedeac495271d0f",
    "fees": [{"type": "network", "tokenAmount": "0.05"}],
    "chainTransactions": [],
}


class OddMoves(OddProvider):
    """Each click is a move, about a card or an authorisation of its own.

    ``made`` maps idempotency keys to what their moves have brought about, as it was answered.
    ``accounts`` are ids of accounts, which the cards of the moves are on in turn.
    """

    def __init__(self, plan: Plan, moves: Sequence[Move], accounts: Sequence[str]) -> None:
        super().__init__(plan)
        self._moves = moves
        self.accounts = accounts
        self.cards = [self._card(number) for number in range(len(moves))]
        self.authorisations = {
            number: self._authorisation(number)
            for number, move in enumerate(moves)
            if move in SETTLEMENTS
        }

    def input_of(self, click: int) -> dict[str, Any]:
        """What the click asks for, without its key."""
        if click in self.authorisations:
            return {"authorisationId": self.authorisations[click]["id"]}
        money = {"amount": "20", "currency": "GBP", "capture": False}
        asked = money if self._moves[click] is AUTHORISE else {}
        return {"cardId": self.cards[click]["id"], **asked}

    def _card(self, click: int) -> dict[str, Any]:
        status = _BEGINS.get(self._moves[click], "active")
        account = self.accounts[click % len(self.accounts)]
        about = {"id": str(uuid4()), "accountId": account, "type": "virtual", "status": status}
        return about | _DATES

    def _authorisation(self, click: int) -> dict[str, Any]:
        return self._paid(click) | {"status": "pending"}

    def _paid(self, click: int) -> dict[str, Any]:
        card = self.cards[click]
        about = {"id": str(uuid4()), "cardId": card["id"], "accountId": card["accountId"]}
        return about | _PAID | _DATES

    def _click_of(self, request: Received) -> int | None:
        if request.method == "GET" or request.path.endswith("/auth/token"):
            return None
        targets = enumerate(self.input_of(click) for click in range(len(self._moves)))
        return next(
            click
            for click, given in targets
            if (given.get("authorisationId") or given["cardId"]) in request.path
        )

    def _create(self, request: Received, click: int, *, commits: bool) -> tuple[int, bytes]:
        """The move is carried out once under its key, and answered the same after that."""
        key, move = request.headers["idempotency-key"], self._moves[click]
        self.keys[click].add(key)
        if commits and key not in self.made:
            self.made[key] = self._carry_out(click, move)
        if key not in self.made:
            return 503, b'{"error": "not now"}'
        status = _STATUSES.get(move, 200)
        return status, b"" if status in (202, 204) else json.dumps(self.made[key]).encode()

    def _carry_out(self, click: int, move: Move) -> dict[str, Any]:
        if move is AUTHORISE:
            self.authorisations[-1 - click] = made = self._authorisation(click)
            return made
        target = self.authorisations.get(click, self.cards[click])
        target["status"] = _ENDS[move]
        return dict(target)

    def _show(self, request: Received) -> tuple[int, bytes]:
        found = self._found(request.path.removeprefix("/v1/").split("/"))
        return (404, b'{"error": "not found"}') if found is None else (200, _json(found))

    def _found(self, parts: list[str]) -> Any:
        kind, an_id, *rest = parts
        if kind == "accounts" and not rest:
            return {"id": an_id, "status": "active", **_DATES} if an_id in self.accounts else None
        if kind == "accounts":
            return [card for card in self.cards if card["accountId"] == an_id]
        if kind == "cards" and rest:
            return [self._paid(click) | _BOOKED for click in self._clicks_about(an_id)]
        shown = self.cards if kind == "cards" else self.authorisations.values()
        return next((one for one in shown if one["id"] == an_id), None)

    def _clicks_about(self, card_id: str) -> list[int]:
        return [click for click, card in enumerate(self.cards) if card["id"] == card_id]


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()
