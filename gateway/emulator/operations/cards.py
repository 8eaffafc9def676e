"""Cards: create, read, and the transitions that a caller may ask for (section 6)."""

from typing import Any

import msgspec

from gateway.emulator.answers import Answer, Refusal, json_answer
from gateway.emulator.bodies import NewCardBody, read_body
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.cards import EmulatedCard
from gateway.emulator.histories import CREATE_DIGITS, READ_DIGITS, Change
from gateway.emulator.state import Emulator


def create_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``POST /accounts/{accountId}/cards`` (section 6.2): 201, and the card is ``issuing``."""
    account_id = call.path_id("accountId")
    body = read_body(call.body, NewCardBody)
    _check_type(body.type)
    decision = _decision_on_account(emulator, account_id) or _decision_on_limit(
        emulator, account_id
    )
    card = emulator.add_card(account_id, msgspec.to_builtins(body.billing_address), decision)
    shown = card.to_json(card.history.created, digits=CREATE_DIGITS)
    return json_answer(201, shown, made_card=card.id)


def list_account_cards(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /accounts/{accountId}/cards``: a bare array, the oldest first."""
    account = emulator.find_account(call.path_id("accountId"))
    return json_answer(200, [_show(emulator, card) for card in emulator.cards_of(account.id)])


def list_cards(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /cards``: every card of the programme, the oldest first."""
    return json_answer(200, [_show(emulator, card) for card in emulator.cards.values()])


def read_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /cards/{cardId}``."""
    return json_answer(200, _show(emulator, emulator.find_card(call.path_id("cardId"))))


def activate_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /cards/{cardId}/activate``: of ``inactive`` cards alone."""
    return json_answer(200, _show(emulator, _enter(emulator, call, "active")))


def deactivate_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /cards/{cardId}/deactivate``: of ``active`` cards alone."""
    return json_answer(200, _show(emulator, _enter(emulator, call, "inactive")))


def terminate_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``DELETE /cards/{cardId}``: of ``active`` cards alone, and for good."""
    _enter(emulator, call, "terminated")
    return Answer(204)


def simulate_issue(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/cards/{cardId}/issue`` (section 7): the card becomes ``active`` later."""
    return _decide(emulator, call, "active")


def simulate_fail(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/cards/{cardId}/fail`` (section 7): it becomes ``issue_failed`` later."""
    return _decide(emulator, call, "issue_failed")


def _show(emulator: Emulator, card: EmulatedCard) -> dict[str, Any]:
    return card.to_json(emulator.now(), digits=READ_DIGITS, rich=emulator.options.rich_cards)


def _enter(emulator: Emulator, call: ReceivedCall, status: str) -> EmulatedCard:
    card = emulator.find_card(call.path_id("cardId")).enter(Change(status, emulator.now()))
    emulator.cards[card.id] = card
    return card


def _decide(emulator: Emulator, call: ReceivedCall, status: str) -> Answer:
    card = emulator.find_card(call.path_id("cardId"))
    emulator.cards[card.id] = card.decide(_decision(emulator, status), emulator.now())
    return Answer(202)


def _check_type(card_type: str) -> None:
    # Section 6.5: the specification has physical cards, and the guide says that there are none.
    if card_type == "physical":
        raise Refusal(400, "physical cards are not supported at present")
    if card_type != "virtual":
        raise Refusal(400, "type must be virtual or physical")


def _decision(emulator: Emulator, status: str) -> Change:
    return Change(status, emulator.now() + emulator.options.activation_delay)


def _decision_on_account(emulator: Emulator, account_id: str) -> Change | None:
    # Section 6.4: the account is checked after the 201, so that a failing card is likely.
    account = emulator.find_account(account_id)
    if account.status(emulator.now()) == "active":
        return None
    match emulator.options.inactive_account:
        case "404":
            raise Refusal(404, "account not found")
        case "409":
            raise Refusal(409, "the account is not active")
        case "issue_failed":
            return _decision(emulator, "issue_failed")


def _decision_on_limit(emulator: Emulator, account_id: str) -> Change | None:
    # Section 6.5: nobody knows what a second card gets; checks run after the 201 (section 6.4),
    # so a failing card is as likely as a status.
    options, now = emulator.options, emulator.now()
    if not options.one_card_per_account:
        return None
    cards = emulator.cards_of(account_id)
    if options.ended_card_frees_slot:
        cards = [card for card in cards if not card.has_ended(now)]
    if not cards:
        return None
    if options.second_card != "issue_failed":
        raise Refusal(int(options.second_card), "the account has a virtual card already")
    return _decision(emulator, "issue_failed")
