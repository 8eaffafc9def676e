"""Tokens that were verified, so that one which comes again costs no second signature check.

What is kept says who the caller is and when the token is valid. It holds for the keys that proved
it and for no others, and the dates are compared anew each time: what comes out is what a
verification at that moment would say. Tokens that were refused are not kept.
"""

import hashlib
import sys
from collections import OrderedDict
from dataclasses import dataclass

from gateway.callers.caller import Caller
from gateway.callers.validity import Validity

MOST_TOKENS = 10_000
MOST_BYTES = 16 * 2**20  # of all tokens together; most take 1 to 2 KiB
_ENTRY = 500  # bytes of a token without its caller, as measured
_UUID = 60  # bytes of an account's id beyond what the interpreter says of the object


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token is for, when it is valid, and which version of the keys has proved that."""

    caller: Caller
    validity: Validity
    proved_by: bytes


class RememberedTokens:
    """What was proved of tokens, by the SHA-256 of their whole text, which itself is not kept.

    The tokens that were used least lately are dropped. A caller with very many tokens pushes those
    of others out, who pay for that with one verification, as they do without this memory.
    """

    def __init__(self, *, most: int = MOST_TOKENS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self.size = 0
        """Bytes that all of them take, roughly."""
        self._found: OrderedDict[bytes, Identity] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def find(self, token: str) -> Identity | None:
        """What was proved of a token once; whether that still holds is for the verifier to say."""
        name = digest_of(token)
        identity = self._found.get(name)
        if identity is not None:
            self._found.move_to_end(name)
        return identity

    def keep(self, token: str, identity: Identity) -> None:
        """Remember a token, in place of what was proved of it before."""
        name = digest_of(token)
        if name in self._found:
            self._drop(name)
        self._found[name] = identity
        self.size += _size_of(identity.caller)
        while len(self._found) > self._most or self.size > self._most_bytes:
            self._drop(next(iter(self._found)))

    def _drop(self, name: bytes) -> None:
        self.size -= _size_of(self._found.pop(name).caller)


def digest_of(token: str) -> bytes:
    """The SHA-256 of the whole text: two tokens with one digest would be one caller."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _size_of(caller: Caller) -> int:
    scopes, accounts = caller.scopes or frozenset(), caller.accounts or frozenset()
    held: list[object] = [caller.id, caller.name, scopes, accounts, *scopes, *accounts]
    return _ENTRY + _UUID * len(accounts) + sum(map(sys.getsizeof, held))
