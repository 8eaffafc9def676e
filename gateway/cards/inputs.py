"""Parse first: input becomes a value of ours, or an InvalidInput that names the field."""

import unicodedata
from collections.abc import Sequence
from uuid import UUID

import iso3166

from gateway import provider
from gateway.cards.types import AddressInput
from gateway.errors import InvalidInput
from gateway.ledger import field_key
from gateway.uuids import parse_uuid

LINE_LENGTH = 100
POST_CODE_LENGTH = 20
_MOST_DECOMPOSED = 4  # characters that one of NFC may be written as (UAX #15, section 9)

# The package also lists Kosovo's XK, which ISO 3166-1 leaves to its users and does not assign.
COUNTRIES = frozenset(iso3166.countries_by_alpha2) - {"XK"}


def parse_id(text: str, field: str) -> UUID:
    """A UUID in its text form; ids go into paths, so nothing else may pass."""
    try:
        return parse_uuid(text)
    except ValueError:
        raise InvalidInput(
            f"{field} must be a UUID such as 123e4567-e89b-12d3-a456-426614174000.", field=field
        ) from None


def parse_key(
    given: str | None, header: str | None, path: Sequence[str | int], *, required: bool
) -> UUID | None:
    """The client's key of a mutation field: the input's, or the header's for this path.

    None where the client sent neither; raises InvalidInput where one is ``required``, and where
    both are there and differ: one of them would be ignored, and a retry without it a new click.
    """
    whole = parse_id(_unquoted(header), "Idempotency-Key") if header is not None else None
    if isinstance(given, str):
        key = parse_id(given, "input.idempotencyKey")
        if whole not in (None, key):
            raise InvalidInput(
                "The Idempotency-Key header and input.idempotencyKey differ; send one of them.",
                field="Idempotency-Key",
            )
        return key
    if whole is not None:
        return field_key(whole, path)
    if required:
        raise InvalidInput(
            "input.idempotencyKey is required here: send a UUID that you keep for retries.",
            field="input.idempotencyKey",
        )
    return None


def _unquoted(header: str) -> str:
    """The header's value; it may be a quoted string, as the IETF draft of Idempotency-Key has it.

    Blanks and tabs around it are no part of it (RFC 9110, section 5.5).
    """
    value = header.strip(" \t")
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if is_quoted else value


def parse_address(given: AddressInput, field: str) -> provider.Address:
    """An address that the provider can print; texts are trimmed."""
    return provider.Address(
        first_line=_line(given.first_line, f"{field}.firstLine"),
        second_line=_optional_line(given.second_line, f"{field}.secondLine"),
        city=_line(given.city, f"{field}.city"),
        state=_optional_line(given.state, f"{field}.state"),
        country=_country(given.country, f"{field}.country"),
        post_code=_line(given.post_code, f"{field}.postCode", POST_CODE_LENGTH),
    )


def _optional_line(text: str | None, field: str) -> str | None:
    return _line(text, field) if isinstance(text, str) else None  # None, or not given at all


def _line(text: str, field: str, longest: int = LINE_LENGTH) -> str:
    # One text, one form: what two keyboards write as other characters is one input of a key.
    # Beyond its longest form a text is not looked at: its marks are put in order one by one, so
    # that tens of thousands of them would take seconds.
    text = text.strip()
    fits = len(text) <= longest * _MOST_DECOMPOSED
    text = unicodedata.normalize("NFC", text).strip() if fits else text
    if not text:
        raise InvalidInput(f"{field} must not be empty.", field=field)
    if len(text) > longest:
        raise InvalidInput(f"{field} must have at most {longest} characters.", field=field)
    if not text.isprintable():
        raise InvalidInput(f"{field} must not hold control characters.", field=field)
    return text


def _country(text: str, field: str) -> str:
    if text not in COUNTRIES:
        raise InvalidInput(
            f"{field} must be a country code of ISO 3166-1 alpha-2, such as GB.", field=field
        )
    return text
