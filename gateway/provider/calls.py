"""One call to the provider as a value, and what its attempts come to."""

import hashlib
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from gateway import errors
from gateway.provider.models import AccessToken
from gateway.provider.retries import Kind, Outcome
from gateway.provider.transport.causes import Cause
from gateway.provider.transport.transport import Reply

T = TypeVar("T")


class Access(Enum):
    """What a call shows of us (provider page, section 1: ``/auth/*`` is not signed)."""

    NOTHING = auto()
    BEARER = auto()
    SIGNED = auto()


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One request as it will be sent, however often: key and body bytes are fixed here."""

    method: str
    path: str
    route: str  # the path with placeholders, for logs
    kind: Kind
    success: int
    read: Callable[[bytes], T]
    body: bytes = b""
    key: UUID | None = None
    access: Access = Access.SIGNED
    subject: str = "card"
    conflict: type[errors.ProviderError] = errors.Refused

    @property
    def fingerprint(self) -> bytes:
        """A hash of all that the key is bound to."""
        head = f"{self.method} {self.path}\n".encode()
        return hashlib.sha256(head + self.body).digest()


class Attempt(msgspec.Struct, Generic[T], frozen=True):
    """What one try came to."""

    outcome: Outcome
    reply: Reply | None = None
    value: T | None = None
    token: AccessToken | None = None
    error: errors.GatewayError | None = None
    cause: Cause | None = None  # why there was no whole answer


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """A successful call: what was read, when it began and when it ended, in UNIX seconds.

    Both are of the wall clock at the end: one that was set meanwhile changes nothing between them.
    """

    value: T
    began: float
    ended: float
