"""What events and log lines call a caller: a keyed hash of the subject of the token.

The subject may be an e-mail address or a name. A hash without a key could be found by trying
all likely ones.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import TypeAlias

_LENGTH = 20  # hexadecimal digits: 80 bits, which tell any number of callers apart

NameOf: TypeAlias = Callable[[str], str]


def hashed_with(key: str) -> NameOf:
    """Names by HMAC-SHA-256 (RFC 2104) with this key."""
    secret = key.encode()

    def name_of(subject: str) -> str:
        return hmac.digest(secret, subject.encode(), hashlib.sha256).hex()[:_LENGTH]

    return name_of


def as_they_are(subject: str) -> str:
    """The subject itself."""
    return subject
