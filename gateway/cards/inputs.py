"""Parse first: input becomes a value of ours, or an InvalidInput that names the field."""

from collections.abc import Sequence
from uuid import UUID

from gateway import provider
from gateway.cards.countries import COUNTRIES
from gateway.cards.lines import POST_CODE_LENGTH, read_line
from gateway.cards.types import AddressInput
from gateway.errors import InvalidInput
from gateway.ledger import field_key
from gateway.uuids import parse_uuid


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


def parse_address(given: AddressInput, field: str, version: int) -> provider.Address:
    """An address by the rules of a row's ``version``: its bytes are what a key is bound to.

    An optional line without any visible character is absent. Raises InvalidInput.
    """
    return provider.Address(
        first_line=_line(given.first_line, f"{field}.firstLine", version),
        second_line=_optional_line(given.second_line, f"{field}.secondLine", version),
        city=_line(given.city, f"{field}.city", version),
        state=_optional_line(given.state, f"{field}.state", version),
        country=_country(given.country, f"{field}.country"),
        post_code=_post_code(given, f"{field}.postCode", version),
    )


def _line(text: str, field: str, version: int) -> str:
    line = read_line(text, field, version)
    if line is None:
        raise InvalidInput(f"{field} must not be empty.", field=field)
    return line


def _optional_line(text: str | None, field: str, version: int) -> str | None:
    # None, or not given at all, is no text.
    return read_line(text, field, version) if isinstance(text, str) else None


def _post_code(given: AddressInput, field: str, version: int) -> str:
    code = read_line(given.post_code, field, version, POST_CODE_LENGTH)
    if code is None and given.country not in provider.WITHOUT_POST_CODE:
        raise InvalidInput(
            f"{field} must not be empty: addresses of this country have a post code.", field=field
        )
    return code or ""


def _country(text: str, field: str) -> str:
    if text not in COUNTRIES:
        raise InvalidInput(
            f"{field} must be two capital letters of ISO 3166-1 alpha-2, such as GB for the United "
            "Kingdom.",
            field=field,
        )
    return text
