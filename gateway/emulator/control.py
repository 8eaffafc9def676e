"""For tests: set the faults, read the key ledger, put cards and accounts into any status.

For this machine alone. It is no part of the provider: faults do not concern it, and its JSON is
named as the options are.
"""

from dataclasses import replace
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.emulator.accounts import AccountStatus
from gateway.emulator.answers import Refusal, json_answer
from gateway.emulator.bodies import read_body
from gateway.emulator.calls import path_id
from gateway.emulator.cards import CardStatus
from gateway.emulator.fault_texts import read_faults
from gateway.emulator.faults import Fate
from gateway.emulator.histories import Change, History
from gateway.emulator.hosts import is_loopback
from gateway.emulator.state import Emulator


class _CardStatus(msgspec.Struct, forbid_unknown_fields=True):
    status: CardStatus


class _AccountStatus(msgspec.Struct, forbid_unknown_fields=True):
    status: AccountStatus


def control_routes(emulator: Emulator) -> list[Route]:
    """``/_emulator/faults``, ``/ledger``, ``/cards/{cardId}`` and ``/accounts/{accountId}``."""
    return [
        Route("/_emulator/faults", partial(_faults, emulator), methods=["GET", "PUT"]),
        Route("/_emulator/ledger", partial(_ledger, emulator), methods=["GET"]),
        Route("/_emulator/cards/{cardId}", partial(_card, emulator), methods=["GET", "PUT"]),
        Route(
            "/_emulator/accounts/{accountId}", partial(_account, emulator), methods=["GET", "PUT"]
        ),
    ]


async def _faults(emulator: Emulator, request: Request) -> Response:
    """The faults in force; a PUT sets them all, and starts the draws and their count afresh."""
    _check_loopback(request)
    if request.method == "PUT":
        try:
            emulator.fate = Fate(read_faults(await request.body()))
        except ValueError as error:
            raise Refusal(400, str(error)) from error
    return json_answer(200, emulator.fate.faults).to_response(request.scope, emulator.now())


async def _ledger(emulator: Emulator, request: Request) -> Response:
    """Which keys made which cards, how often each was presented, and what has gone wrong."""
    _check_loopback(request)
    keys = [
        {
            "key": key,
            "method": entry.method,
            "path": entry.path,
            "presented": entry.presented,
            "card": entry.card_id,
        }
        for key, entry in emulator.ledger.entries.items()
    ]
    told = {
        "keys": keys,
        "cards": len(emulator.cards),
        "authorisations": len(emulator.authorisations),
        "tokens": emulator.token_fetches,
        "faults": emulator.fate.struck,
    }
    return json_answer(200, told).to_response(request.scope, emulator.now())


async def _card(emulator: Emulator, request: Request) -> Response:
    """How a card's status has changed; a PUT changes it, also to one that no call leads to."""
    _check_loopback(request)
    body = await request.body()
    card = emulator.find_card(path_id(request.path_params, "cardId"))
    if request.method == "PUT":
        change = Change(read_body(body, _CardStatus).status, emulator.now())
        card = replace(card, history=card.history.overruled(change))
        emulator.cards[card.id] = card
    return _changes(emulator, request, card.history)


async def _account(emulator: Emulator, request: Request) -> Response:
    """How an account's status has changed; a PUT changes it, and leaves the cards alone."""
    _check_loopback(request)
    body = await request.body()
    account = emulator.find_account(path_id(request.path_params, "accountId"))
    if request.method == "PUT":
        change = Change(read_body(body, _AccountStatus).status, emulator.now())
        account = replace(account, history=account.history.overruled(change))
        emulator.keep_account(account)
    return _changes(emulator, request, account.history)


def _changes(emulator: Emulator, request: Request, history: History) -> Response:
    changes = [change._asdict() for change in history.changes]
    return json_answer(200, {"changes": changes}).to_response(request.scope, emulator.now())


def _check_loopback(request: Request) -> None:
    if request.client is None or not is_loopback(request.client.host):
        raise Refusal(403, "this is for clients on the same machine")
