"""The provider's REST operations as values, and one call of such an operation.

The endpoints that the client itself needs are here. Those of a GraphQL field are declared in the
file of that field, under ``gateway/cards/operations/``.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import Any, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec

from gateway import errors
from gateway.provider.accounts import Account
from gateway.provider.addresses import contradicts
from gateway.provider.decoding import decode, undocumented
from gateway.provider.models import AccessToken, Card, CardType, NewCard
from gateway.provider.payments import Authorisation, Transaction
from gateway.provider.retries import Kind

T = TypeVar("T")
Shown: TypeAlias = Account | Authorisation | Card | Transaction
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ACCEPTANCES = frozenset({200, 201, 202, 203, 204})
_SMALL = 1024  # bytes


class Access(Enum):
    """What a call shows of us (provider page, section 1: ``/auth/*`` is not signed)."""

    NOTHING = auto()
    BEARER = auto()
    SIGNED = auto()


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One operation: ``path`` is the template of the provider's OpenAPI description.

    ``success`` is the one documented status, and ``reads`` is what its body holds: a type of
    ``models``, a list of one, or NoneType. ``conflict`` is what a 409 means that speaks of the
    ``subject``.
    """

    method: str
    path: str
    success: int
    reads: type[T]
    kind: Kind = Kind.KEYED
    access: Access = Access.SIGNED
    subject: str = "card"
    conflict: type[errors.ProviderError] = errors.Refused

    def __post_init__(self) -> None:
        if not set(_PLACEHOLDER.findall(self.path)) <= {"accountId", "cardId", "authorisationId"}:
            raise ValueError(f"{self.path} has a placeholder that no call fills")

    @property
    def is_simulator(self) -> bool:
        """Whether it exists in test environments only (provider page, section 7)."""
        return self.path.startswith("/simulator/")

    def call(self, *, body: bytes = b"", **ids: UUID) -> "Call[T]":
        """One call; ``ids`` fill the placeholders of the path, under the same names."""
        return Call(endpoint=self, path=self.path.format(**ids), ids=ids, body=body)


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One request as it will be sent, however often: path and body bytes are fixed here."""

    endpoint: Endpoint[T]
    path: str
    ids: Mapping[str, UUID]
    body: bytes

    @property
    def target(self) -> UUID | None:
        """The card or the authorisation that it is about; None where it is about neither."""
        return self.ids.get("authorisationId") or self.ids.get("cardId")

    def fingerprint(self, secret: bytes) -> bytes:
        """All that an idempotency key is bound to, as an HMAC keyed with ``secret``.

        A bare hash would let whoever reads it try addresses until one fits.
        """
        head = f"{self.endpoint.method} {self.path}\n".encode()
        return hmac.digest(secret, head + self.body, "sha256")

    def read(self, body: bytes) -> T:
        """The value of a successful answer; raises ProviderProtocolError."""
        if self.endpoint.reads is NoneType:
            return None  # type: ignore[return-value]  # T is None here
        value = decode(body, self.endpoint.reads)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Shown):
                self._check(each)
        return cast(T, _each_once(value)) if isinstance(value, list) else value

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether an answer with another 2xx than the documented one may say the same.

        A card may be in any of them. Where nothing is documented to be there, a short text is as
        good as nothing, but a page of a proxy is not.
        """
        if self.endpoint.kind is not Kind.KEYED or status not in _ACCEPTANCES:
            return False
        is_page = body.lstrip()[:1] == b"<"
        return self.endpoint.reads in (Authorisation, Card) or (len(body) <= _SMALL and not is_page)

    def may_have_made(self, shown: Shown) -> bool:
        """Whether what is shown can be what this call is about."""
        about = all(shown.ids.get(name, asked) == asked for name, asked in self.ids.items())
        contradicts_body = isinstance(shown, Card) and self.body and self._contradicts(shown)
        return about and not contradicts_body

    def _check(self, shown: Shown) -> None:
        """An answer to somebody else's question is none to ours."""
        if not self.may_have_made(shown):
            raise errors.ProviderProtocolError(
                f"The provider answered with another {self.endpoint.subject}."
            )
        # A card that a call has made is known by its id, whatever its dates are.
        if self.endpoint.kind is Kind.READ and isinstance(shown, Card) and not shown.is_dated:
            raise undocumented("A card has no readable `createdAt` or `updatedAt`.")

    def _contradicts(self, card: Card) -> bool:
        """Whether the card is not the one that the body asks for: its kind, or its address."""
        asked = msgspec.json.decode(self.body, type=NewCard)
        if card.type is not CardType.UNKNOWN and card.type.value != asked.type:
            return True
        shown = card.billing_address
        return shown is not None and contradicts(shown, asked.billing_address)


def _each_once(shown: list[Any]) -> list[Any]:
    """What stands twice in a list is one, as it was changed last: a list may change meanwhile."""
    newest: dict[UUID, Any] = {}
    for one in shown:
        other = newest.get(one.id)
        if other is None or one.updated_at > other.updated_at:
            newest[one.id] = one
    return list(newest.values())


READ_CARD = Endpoint("GET", "/cards/{cardId}", 200, Card, Kind.READ)
# Without pages, order or filter (section 1): the whole list, or an answer that is no use.
LIST_CARDS = Endpoint(
    "GET", "/accounts/{accountId}/cards", 200, list[Card], Kind.READ, subject="account"
)
LIST_TRANSACTIONS = Endpoint(
    "GET", "/cards/{cardId}/transactions", 200, list[Transaction], Kind.READ
)
READ_ACCOUNT = Endpoint("GET", "/accounts/{accountId}", 200, Account, Kind.READ, subject="account")
READ_AUTHORISATION = Endpoint(
    "GET",
    "/authorisations/{authorisationId}",
    200,
    Authorisation,
    Kind.READ,
    subject="authorisation",
)
FETCH_TOKEN = Endpoint(
    "POST",
    "/auth/token",
    200,
    AccessToken,
    Kind.READ,  # a second token costs nothing: as repeatable as a read
    Access.NOTHING,
    "access token",
)
REGISTER_KEY = Endpoint(
    "PUT", "/auth/signing", 204, NoneType, Kind.UNKEYED, Access.BEARER, "signing key"
)
DELETE_KEY = Endpoint(
    "DELETE", "/auth/signing", 204, NoneType, Kind.UNKEYED, Access.BEARER, "signing key"
)
