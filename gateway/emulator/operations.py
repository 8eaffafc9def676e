"""What the provider does: one function for each operation, from a guarded call to an answer.

None of them awaits: what an operation changes and the answer that is kept for it are one step.
"""

import base64
from typing import Any

import msgspec

from gateway.emulator.answers import Answer, Refusal, json_answer
from gateway.emulator.bodies import (
    CredentialsBody,
    NewCardBody,
    NewSigningKey,
    OldSigningKey,
    read_body,
)
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.cards import CREATE_DIGITS, READ_DIGITS, Decision, EmulatedCard
from gateway.emulator.state import Emulator
from gateway.errors import SigningError
from gateway.signing import PublicKey


def issue_token(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``POST /auth/token`` (section 2)."""
    credentials = read_body(call.body, CredentialsBody)
    if not emulator.knows_credentials(credentials.api_key, credentials.api_secret):
        raise Refusal(401, "invalid credentials")
    token, expires = emulator.issue_token()
    return json_answer(200, {"token": token, "expiresAt": expires, "tokenType": "Bearer"})


def register_key(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PUT /auth/signing`` (section 3)."""
    body = read_body(call.body, NewSigningKey)
    try:
        pem = base64.b64decode(body.signing_key, validate=True)
        key = PublicKey.from_pem(pem)
    except ValueError as error:
        raise Refusal(400, "signingKey is not base64 of a PEM text") from error
    except SigningError as error:
        raise Refusal(400, error.message) from error
    emulator.register_key(body.signing_key_id, key)
    return Answer(204)


def remove_key(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``DELETE /auth/signing``, which has a body (section 3)."""
    emulator.remove_key(read_body(call.body, OldSigningKey).signing_key_id)
    return Answer(204)


def create_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``POST /accounts/{accountId}/cards`` (section 6.2): 201, and the card is ``issuing``."""
    account_id = call.path_id("accountId")
    body = read_body(call.body, NewCardBody)
    _check_type(body.type)
    emulator.check_account(account_id)
    decision = _decision_on_limit(emulator, account_id)
    card = emulator.add_card(account_id, msgspec.to_builtins(body.billing_address), decision)
    shown = card.to_json(card.created, digits=CREATE_DIGITS)
    return json_answer(201, shown, made_card=card.id)


def list_account_cards(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /accounts/{accountId}/cards``: a bare array, the oldest first."""
    account_id = call.path_id("accountId")
    emulator.check_account(account_id)
    return json_answer(200, [_read(emulator, card) for card in emulator.cards_of(account_id)])


def list_cards(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /cards``: every card of the programme, the oldest first."""
    return json_answer(200, [_read(emulator, card) for card in emulator.cards.values()])


def read_card(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /cards/{cardId}``."""
    return json_answer(200, _read(emulator, emulator.find_card(call.path_id("cardId"))))


def simulate_issue(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/cards/{cardId}/issue`` (section 7): the card becomes ``active`` later."""
    card = emulator.find_card(call.path_id("cardId"))
    emulator.cards[card.id] = card.decide(Decision("active", _decision_time(emulator)))
    return Answer(202)


def simulate_fail(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``PATCH /simulator/cards/{cardId}/fail`` (section 7): it becomes ``issue_failed`` later."""
    card = emulator.find_card(call.path_id("cardId"))
    emulator.cards[card.id] = card.decide(Decision("issue_failed", _decision_time(emulator)))
    return Answer(202)


def _check_type(card_type: str) -> None:
    # Section 6.5: the specification has physical cards, and the guide says that there are none.
    if card_type == "physical":
        raise Refusal(400, "physical cards are not supported at present")
    if card_type != "virtual":
        raise Refusal(400, "type must be virtual or physical")


def _read(emulator: Emulator, card: EmulatedCard) -> dict[str, Any]:
    return card.to_json(emulator.now(), digits=READ_DIGITS, rich=emulator.options.rich_cards)


def _decision_time(emulator: Emulator) -> float:
    return emulator.now() + emulator.options.activation_delay


def _decision_on_limit(emulator: Emulator, account_id: str) -> Decision | None:
    # Section 6.5: nobody knows what a second card gets; checks run after the 201 (section 6.4),
    # so a failing card is as likely as a status.
    options, now = emulator.options, emulator.now()
    if not options.one_card_per_account:
        return None
    cards = emulator.cards_of(account_id)
    if options.failed_card_frees_slot:
        cards = [card for card in cards if card.status(now) != "issue_failed"]
    if not cards:
        return None
    if options.second_card != "issue_failed":
        raise Refusal(int(options.second_card), "the account has a virtual card already")
    return Decision("issue_failed", _decision_time(emulator))
