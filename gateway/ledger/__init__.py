"""The ledger: what became of each idempotency key, so that one click stays one call.

It knows no provider: a call is a function that it runs.
"""

from gateway.ledger.claims import KEY_LIFE, SEND_WINDOW, SIGNATURE_LIMIT, Claim
from gateway.ledger.keys import field_key, provider_key
from gateway.ledger.ledger import CallResult, Ledger, MemoryStore, Record, Replay, State
from gateway.ledger.refusals import key_reused, too_late, unknown

__all__ = [
    "KEY_LIFE",
    "SEND_WINDOW",
    "SIGNATURE_LIMIT",
    "CallResult",
    "Claim",
    "Ledger",
    "MemoryStore",
    "Record",
    "Replay",
    "State",
    "field_key",
    "key_reused",
    "provider_key",
    "too_late",
    "unknown",
]
