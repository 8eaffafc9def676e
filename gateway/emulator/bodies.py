"""The JSON bodies that the provider takes, read strictly, and what is wrong with any other."""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from gateway.emulator.answers import Refusal
from gateway.uuids import PATTERN

Uuid = Annotated[str, Meta(pattern=rf"^{PATTERN}\Z")]
"""The one spelling that ``format: uuid`` means; msgspec's own UUID also takes it without dashes."""
Body = TypeVar("Body")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_KINDS = {
    "Expected `str` matching": "must be a UUID",
    "Expected `str`": "must be a string",
    "Expected `object`": "must be an object",
    "Expected `bool`": "must be true or false",
    "Invalid enum value": "is not one of the documented values",
    "Object contains unknown field": "has a field that is not in the specification",
}


class CredentialsBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``POST /auth/token`` (section 2)."""

    api_key: Uuid
    api_secret: str


class NewSigningKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``PUT /auth/signing``: base64 of the whole SPKI PEM text (section 3)."""

    signing_key_id: Uuid
    signing_key: str


class OldSigningKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``DELETE /auth/signing`` (section 3)."""

    signing_key_id: Uuid


class AddressBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An address (section 6.2); an optional line may be left out, and may not be null."""

    first_line: str
    city: str
    country: str
    post_code: str
    second_line: str | msgspec.UnsetType = msgspec.UNSET
    state: str | msgspec.UnsetType = msgspec.UNSET


class NewCardBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``POST /accounts/{accountId}/cards`` (section 6.2).

    ``shippingAddress`` is required for physical cards only; no card shows it.
    """

    type: str
    billing_address: AddressBody
    shipping_address: AddressBody | msgspec.UnsetType = msgspec.UNSET


class NewAuthorisationBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /simulator/cards/{cardId}/authorisation`` (section 7).

    ``capture`` has a default there and is required all the same (section 10): it is required here.
    """

    amount: str
    currency: str
    capture: bool


def read_body(body: bytes, shape: type[Body]) -> Body:
    """The JSON body as ``shape``; refuses any other body with 400."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"the body is not as specified: {_reason(str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "the body is not JSON") from error


def _reason(text: str) -> str:
    # msgspec quotes the names of unknown fields, which are the sender's words; its paths are ours.
    what, _, path = text.partition(" - at `$.")
    where = path.rstrip("`")
    if missing := _MISSING.match(what):
        return f"{where}.{missing[1]} is missing".removeprefix(".")
    kind = next((words for start, words in _KINDS.items() if what.startswith(start)), "is wrong")
    return f"{where or 'it'} {kind}"
