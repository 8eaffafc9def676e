"""Accounts: read alone (section 9)."""

from gateway.emulator.answers import Answer, json_answer
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.state import Emulator


def list_accounts(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /accounts``: a bare array."""
    now = emulator.now()
    return json_answer(200, [account.to_json(now) for account in emulator.list_accounts()])


def read_account(emulator: Emulator, call: ReceivedCall) -> Answer:
    """``GET /accounts/{accountId}``."""
    account = emulator.find_account(call.path_id("accountId"))
    return json_answer(200, account.to_json(emulator.now()))
