"""Callers: who asks, and what they may do."""

from gateway.callers.caller import Caller
from gateway.callers.jwks import KeySet
from gateway.callers.pace import pace_of
from gateway.callers.published_keys import KeysUnusable
from gateway.callers.rate_limits import RateLimits
from gateway.callers.remembered_tokens import RememberedTokens
from gateway.callers.sources import check_key_file, key_source
from gateway.callers.subjects import as_they_are, hashed_with
from gateway.callers.tokens import AnyoneAllowed, Authenticator, TokenRules, TokenVerifier

__all__ = [
    "AnyoneAllowed",
    "Authenticator",
    "Caller",
    "KeySet",
    "KeysUnusable",
    "RateLimits",
    "RememberedTokens",
    "TokenRules",
    "TokenVerifier",
    "as_they_are",
    "check_key_file",
    "hashed_with",
    "key_source",
    "pace_of",
]
