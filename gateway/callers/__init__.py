"""The room at the door: who asks, and what they may do."""

from gateway.callers.caller import ISSUE, READ, SIMULATE, Caller
from gateway.callers.keys import KeySet
from gateway.callers.limits import RateLimits
from gateway.callers.sources import key_source
from gateway.callers.tokens import Gatekeeper, OpenDoor, TokenRules, TokenVerifier

__all__ = [
    "ISSUE",
    "READ",
    "SIMULATE",
    "Caller",
    "Gatekeeper",
    "KeySet",
    "OpenDoor",
    "RateLimits",
    "TokenRules",
    "TokenVerifier",
    "key_source",
]
