"""One exchange with the provider: what is sent, what comes back, and how it can break.

``Transport`` is all that the rest of the package knows of the network. ``NetworkTransport`` is the
real one; ``HttpxTransport`` passes everything to an httpx transport instead: the emulator's, or one
of a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import msgspec
from yarl import URL

from gateway.answers import BodyTooLarge, CodingBroken, CodingNotAccepted, UnusableBody
from gateway.provider.retries import Outcome
from gateway.provider.transport import causes
from gateway.provider.transport.causes import Cause


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the provider is: ``authority`` is lower-case, without the scheme's default port
    (RFC 9421, 2.2.3); ``path`` is escaped and goes before the path of each call."""

    scheme: str
    authority: str
    path: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Take the provider's base URL apart."""
        parsed = URL(url)
        return cls(parsed.scheme, parsed.host_port_subcomponent or "", parsed.raw_path.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Request(msgspec.Struct):
    """What is sent. ``target`` is the escaped path, byte for byte as it is signed."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer; its header names are looked up in any case.

    ``flaw`` says why the body cannot be used, where it cannot: it is empty then, and the rest of
    the answer holds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    flaw: Cause | None = None


_FLAWS: dict[type[UnusableBody], type[Cause]] = {
    BodyTooLarge: causes.AnswerTooLarge,
    CodingNotAccepted: causes.CodingNotAccepted,
    CodingBroken: causes.CodingBroken,
}


def flaw_of(error: UnusableBody) -> Cause:
    """Why a body cannot be used, in the vocabulary of causes."""
    return _FLAWS[type(error)]()


class Timeouts(msgspec.Struct, frozen=True):
    """The longest waits of one exchange, in seconds; ``read`` and ``write`` are between bytes."""

    connect: float
    read: float
    write: float


class ExchangeFailed(Exception):
    """An exchange without a whole answer. ``outcome`` says whether anything can have left.

    It is raised from a Cause, which says why.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.name)
        self.outcome = outcome

    @property
    def cause(self) -> Cause | None:
        """Why it broke."""
        return self.__cause__ if isinstance(self.__cause__, Cause) else None


class Transport(Protocol):
    """A way to the provider: one request, one answer; nothing is ever sent twice."""

    async def exchange(self, request: Request, timeouts: Timeouts) -> Reply:
        """Send and wait for the whole answer; raises ExchangeFailed."""

    async def aclose(self) -> None:
        """Close all connections."""
