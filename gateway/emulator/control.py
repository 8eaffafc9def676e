"""For tests: set the faults, read the key ledger, put cards and accounts into any status. For this
machine alone.

It is no part of the provider: faults do not concern it, and its JSON is named as the options are.
"""

from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.emulator.answers import Refusal, json_answer
from gateway.emulator.bodies import AccountChange, CardChange, read_body
from gateway.emulator.calls import path_id
from gateway.emulator.fault_texts import read_faults
from gateway.emulator.faults import Fate
from gateway.emulator.histories import Change
from gateway.emulator.hosts import is_loopback
from gateway.emulator.operations.cards import show
from gateway.emulator.state import Emulator


def control_routes(emulator: Emulator) -> list[Route]:
    """``/_emulator/faults``, ``/ledger``, ``/cards/{cardId}`` and ``/accounts/{accountId}``."""
    return [
        Route("/_emulator/faults", partial(_faults, emulator), methods=["GET", "PUT"]),
        Route("/_emulator/ledger", partial(_ledger, emulator), methods=["GET"]),
        Route("/_emulator/cards/{cardId}", partial(_card, emulator), methods=["PUT"]),
        Route("/_emulator/accounts/{accountId}", partial(_account, emulator), methods=["PUT"]),
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
    """Put a card into a status, also one that no call leads to; the answer is the card."""
    _check_loopback(request)
    status = read_body(await request.body(), CardChange).status
    card = emulator.find_card(path_id(request.path_params, "cardId"))
    history = card.history.overruled(Change(status, emulator.now()))
    emulator.cards[card.id] = replace(card, history=history)
    shown = show(emulator, emulator.cards[card.id])
    return json_answer(200, shown).to_response(request.scope, emulator.now())


async def _account(emulator: Emulator, request: Request) -> Response:
    """Put an account into a status, which leaves its cards alone; the answer is the account."""
    _check_loopback(request)
    status = read_body(await request.body(), AccountChange).status
    account = emulator.find_account(path_id(request.path_params, "accountId"))
    history = account.history.overruled(Change(status, emulator.now()))
    emulator.keep_account(replace(account, history=history))
    shown = emulator.find_account(account.id).to_json(emulator.now())
    return json_answer(200, shown).to_response(request.scope, emulator.now())


def _check_loopback(request: Request) -> None:
    if request.client is None or not is_loopback(request.client.host):
        raise Refusal(403, "this is for clients on the same machine")
