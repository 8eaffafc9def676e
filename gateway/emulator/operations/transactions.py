"""Transactions: read alone (section 9); the simulator's captures make them."""

from collections.abc import Iterable

from gateway.emulator.answers import Answer, json_answer
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.payments import EmulatedTransaction
from gateway.emulator.state import Emulator


def read_transaction(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /transactions/{transactionId}``."""
    transaction = emulator.find_transaction(call.path_id("transactionId"))
    return json_answer(200, transaction.to_json(emulator.now()))


def list_account_transactions(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /accounts/{accountId}/transactions``: a bare array, the oldest first."""
    account = emulator.find_account(call.path_id("accountId"))
    every = emulator.list_transactions()
    return _listed(emulator, (one for one in every if one.payment.account_id == account.id))


def list_card_transactions(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /cards/{cardId}/transactions``: a bare array, the oldest first."""
    card = emulator.find_card(call.path_id("cardId"))
    every = emulator.list_transactions()
    return _listed(emulator, (one for one in every if one.payment.card_id == card.id))


def _listed(emulator: Emulator, transactions: Iterable[EmulatedTransaction]) -> Answer:
    now = emulator.now()
    return json_answer(200, [transaction.to_json(now) for transaction in transactions])
