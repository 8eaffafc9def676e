"""The chain of one process: lines that each prove the one before (HMAC-SHA-256, RFC 2104)."""

import hmac
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple, Self

import msgspec

_MAC = b',"mac":"'
_END = b'"}\n'
_HEAD = re.compile(r"([0-9a-f]{16}):(\d{1,18}):([0-9a-f]{64})")


class Head(NamedTuple):
    """Where a chain stands: its name, the number of its last line, and the HMAC of that line."""

    chain: str
    seq: int
    mac: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A head as ``str`` shows it; raises ValueError."""
        match = _HEAD.fullmatch(text)
        if match is None:
            raise ValueError("a head is of the form CHAIN:SEQ:MAC, as the log line has it")
        return cls(match[1], int(match[2]), match[3])

    def __str__(self) -> str:
        return f"{self.chain}:{self.seq}:{self.mac}"


class Chain:
    """Makes the lines of one process, in their order."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.head = Head(secrets.token_hex(8), 0, "")

    def sealed(self, facts: Mapping[str, Any]) -> tuple[bytes, Head]:
        """The next line, and the head of the chain once it is written.

        The chain stays where it is: a line that cannot be written is none of it.
        """
        chain, seq, mac = self.head
        body = msgspec.json.encode({"chain": chain, "seq": seq + 1, **facts})[:-1]
        sealed = mac_of(self._key, mac, body)
        return body + _MAC + sealed.encode() + _END, Head(chain, seq + 1, sealed)


def mac_of(key: bytes, before: str, body: bytes) -> str:
    """The HMAC of a line: of the one before, in hexadecimal, and of its own text up to the HMAC."""
    return hmac.digest(key, before.encode() + body, sha256).hex()


def parted(line: bytes) -> tuple[bytes, str] | None:
    """What the HMAC of a line is of, and the HMAC as it stands there; None: it is no whole line."""
    body, mark, rest = line.rpartition(_MAC)
    if not mark or len(rest) != 64 + len(_END) or not rest.endswith(_END):
        return None
    return body, rest[:64].decode("ascii", "replace")
