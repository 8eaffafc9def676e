"""From the JSON of an answer to the values of ``models``.

Unknown fields are ignored, and an unknown enum value becomes ``UNKNOWN``. A required field that is
missing or malformed is a ProviderProtocolError. An optional one must not hide a card that was
issued: it becomes None, and ``Card.unreadable`` names it. Of a field that stands twice, the last
one counts.
"""

import contextlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from gateway.card_numbers import masked
from gateway.errors import ProviderProtocolError
from gateway.provider.accounts import Account, AccountForm
from gateway.provider.forms import Form, Id
from gateway.provider.models import Address, Card, CardNetwork, CardStatus, CardType, Text
from gateway.provider.moments import parse_moment
from gateway.provider.payments import (
    Authorisation,
    AuthorisationForm,
    Transaction,
    TransactionForm,
)
from gateway.provider.post_codes import WITHOUT_POST_CODE

T = TypeVar("T")
_ABSENT = msgspec.Raw()
_MONTH_AND_YEAR = re.compile(r"(0[1-9]|1[0-2])/[0-9]{4}")
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F]..)|.)",
    re.DOTALL,
)
_MENDED_AT_MOST = 64 * 1024  # bytes: far more than a card has; more would take long to look through
# Written by many who mean that there is nothing.
_NOTHING = {b"", b"null", b'""'}


class _CardForm(Form[Card], frozen=True, kw_only=True, rename="camel"):
    """A card as it is sent, with each field that may be dropped still as JSON."""

    id: Id
    account_id: Id
    type: CardType
    status: CardStatus
    created_at: msgspec.Raw = _ABSENT
    updated_at: msgspec.Raw = _ABSENT
    name: msgspec.Raw = _ABSENT
    network: msgspec.Raw = _ABSENT
    masked_pan: msgspec.Raw = _ABSENT
    expiration_date: msgspec.Raw = _ABSENT
    billing_address: msgspec.Raw = _ABSENT

    def value(self) -> Card:
        """The card, with None for what cannot be read."""
        fields = _Fields()
        return Card(
            id=UUID(self.id),
            account_id=UUID(self.account_id),
            type=self.type,
            status=self.status,
            created_at=fields.read("createdAt", self.created_at, _moment),
            updated_at=fields.read("updatedAt", self.updated_at, _moment),
            name=fields.optional("name", self.name, _text),
            network=fields.optional("network", self.network, _network),
            masked_pan=fields.optional("maskedPan", self.masked_pan, _masked_pan),
            expiration_date=fields.optional("expirationDate", self.expiration_date, _expiry),
            billing_address=fields.optional("billingAddress", self.billing_address, _address),
            unreadable=fields.unreadable(),  # after all that are read
        )


class _AddressForm(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An address as it is sent; what is empty may be left out, and what is absent may be empty."""

    first_line: Text
    second_line: Text | None = None
    city: Text
    state: Text | None = None
    country: Text
    post_code: Text | None = None

    def address(self) -> Address:
        """The address as we send it, so that the two can be compared; raises ValueError."""
        if self.post_code is None and self.country not in WITHOUT_POST_CODE:
            raise ValueError("no post code")
        return Address(
            first_line=self.first_line,
            second_line=self.second_line or None,
            city=self.city,
            state=self.state or None,
            country=self.country,
            post_code=self.post_code or "",
        )


class _WholeCard(Form[Card], frozen=True, kw_only=True, rename="camel"):
    """A card all of whose fields are as documented: decoded at once, four times as fast."""

    id: Id
    account_id: Id
    type: CardType
    status: CardStatus
    created_at: str
    updated_at: str
    name: Text | None = None
    network: str | None = None
    masked_pan: Text | None = None
    expiration_date: str | None = None
    billing_address: _AddressForm | None = None

    def value(self) -> Card:
        """The card; raises ValueError where a field cannot be read."""
        address = self.billing_address
        return Card(
            id=UUID(self.id),
            account_id=UUID(self.account_id),
            type=self.type,
            status=self.status,
            created_at=parse_moment(self.created_at),
            updated_at=parse_moment(self.updated_at),
            name=self.name or None,
            network=CardNetwork(self.network) if self.network else None,
            masked_pan=_shown_pan(self.masked_pan) if self.masked_pan else None,
            expiration_date=_month(self.expiration_date) if self.expiration_date else None,
            billing_address=address.address() if address else None,
        )


class _Fields:
    """Reads the fields of one card, and keeps the names of those that cannot be read."""

    def __init__(self) -> None:
        self._unreadable: list[str] = []

    def read(self, name: str, raw: msgspec.Raw, parse: Callable[[msgspec.Raw], T]) -> T | None:
        """The value of a field, or None where it cannot be read."""
        try:
            return parse(raw)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            self._unreadable.append(name)
            return None

    def optional(self, name: str, raw: msgspec.Raw, parse: Callable[[msgspec.Raw], T]) -> T | None:
        """The same for a field that may be absent."""
        return None if bytes(raw) in _NOTHING else self.read(name, raw, parse)

    def unreadable(self) -> tuple[str, ...]:
        """The names of the fields that could not be read so far."""
        return tuple(self._unreadable)


def _text(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=Text)


def _moment(raw: msgspec.Raw) -> datetime:
    return parse_moment(_text(raw))


def _network(raw: msgspec.Raw) -> CardNetwork:
    return msgspec.json.decode(raw, type=CardNetwork)


def _address(raw: msgspec.Raw) -> Address:
    return msgspec.json.decode(raw, type=_AddressForm).address()


def _masked_pan(raw: msgspec.Raw) -> str:
    return _shown_pan(_text(raw))


def _shown_pan(text: str) -> str:
    if (shown := masked(text)) is None:
        raise ValueError("neither digits nor a mask")
    return shown


def _expiry(raw: msgspec.Raw) -> str:
    return _month(_text(raw))


def _month(text: str) -> str:
    if not _MONTH_AND_YEAR.fullmatch(text):
        raise ValueError("not of the form MM/YYYY")
    return text


def decode(body: bytes, kind: type[T]) -> T:
    """Read an answer's body; raises ProviderProtocolError.

    Its hint, for the operator, names the field, never its value.
    """
    try:
        body.decode()  # of what is passed over, msgspec does not look at the encoding
        return _decoded(body, kind)
    except msgspec.ValidationError as error:
        raise undocumented(f"{error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ProviderProtocolError("The provider's answer is not JSON.") from None


def undocumented(hint: str) -> ProviderProtocolError:
    """The error for an answer of another form; ``hint`` is for the operator."""
    error = ProviderProtocolError("The provider's answer is not as documented.")
    error.hint = hint
    return error


def _decoded(body: bytes, kind: type[T]) -> T:
    if whole := _WHOLE_FORMS.get(kind):
        with contextlib.suppress(ValueError, msgspec.MsgspecError, RecursionError):
            return cast(T, _value(msgspec.json.decode(body, type=whole)))
    if form := _FORMS.get(kind):
        read = _parsed(body, form)
        try:
            return cast(T, _value(read))
        except ValueError as error:
            raise undocumented(f"{str(error).capitalize()}.") from None
    return _parsed(body, kind)


# What is as documented is decoded by these; anything else, field by field, by those below.
_WHOLE_FORMS: dict[Any, Any] = {Card: _WholeCard, list[Card]: list[_WholeCard]}
_FORMS: dict[Any, Any] = {
    Account: AccountForm,
    Authorisation: AuthorisationForm,
    Card: _CardForm,
    list[Card]: list[_CardForm],
    list[Transaction]: list[TransactionForm],
}


def _value(read: Any) -> Any:
    return [each.value() for each in read] if isinstance(read, list) else read.value()


def _parsed(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if len(body) > _MENDED_AT_MOST:
            raise
        return msgspec.json.decode(_ESCAPE.sub(_whole, body), type=kind)


def _whole(escape: re.Match[bytes]) -> bytes:
    """U+FFFD for half of a surrogate pair, which JSON can write and Unicode does not have."""
    return rb"\ufffd" if escape.group(2) is not None else escape.group()
