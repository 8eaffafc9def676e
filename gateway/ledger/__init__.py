"""The ledger: what became of each idempotency key, so that one click stays one call.

It knows no provider: a call is a function that it runs, and so is the look at its card.
"""

from gateway.ledger.actions import AccountCard, Actions, CallResult, Reached, Replay, TargetState
from gateway.ledger.claims import KEY_LIFE, SIGNATURE_LIFE, Claim
from gateway.ledger.clock import steady
from gateway.ledger.dates import utc_text
from gateway.ledger.decisions import NO_ROW, Decisions
from gateway.ledger.filesystems import filesystem_of, is_remote, is_volatile
from gateway.ledger.keys import field_key, provider_key
from gateway.ledger.ledger import Ledger
from gateway.ledger.memory import MemoryEngine
from gateway.ledger.refusals import (
    key_in_use,
    key_of_another_input,
    key_reused,
    newer_version,
    not_sent,
    too_late,
    unknown,
)
from gateway.ledger.rows import VERSION, Click, Course, Facts, Row, Seen, State, time_of
from gateway.ledger.sql import DAY, NEVER, SCHEMA_VERSION
from gateway.ledger.sqlite import SqliteEngine
from gateway.ledger.store import Engine, Store
from gateway.ledger.timing import TimedEngine
from gateway.ledger.windows import CLOCK_TOLERANCE, Windows

__all__ = [
    "CLOCK_TOLERANCE",
    "DAY",
    "KEY_LIFE",
    "NEVER",
    "NO_ROW",
    "SCHEMA_VERSION",
    "SIGNATURE_LIFE",
    "VERSION",
    "AccountCard",
    "Actions",
    "CallResult",
    "Claim",
    "Click",
    "Course",
    "Decisions",
    "Engine",
    "Facts",
    "Ledger",
    "MemoryEngine",
    "Reached",
    "Replay",
    "Row",
    "Seen",
    "SqliteEngine",
    "State",
    "Store",
    "TargetState",
    "TimedEngine",
    "Windows",
    "field_key",
    "filesystem_of",
    "is_remote",
    "is_volatile",
    "key_in_use",
    "key_of_another_input",
    "key_reused",
    "newer_version",
    "not_sent",
    "provider_key",
    "steady",
    "time_of",
    "too_late",
    "unknown",
    "utc_text",
]
