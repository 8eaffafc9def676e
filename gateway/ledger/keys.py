"""Keys derived from the client's: one for each field, and one for the provider."""

import json
import uuid
from collections.abc import Sequence

_NAMESPACE = uuid.UUID("5b0a4b7e-6f0d-5c5e-9a41-6d2f1f7f3c11")  # ours; changing it changes all keys


def field_key(header_key: uuid.UUID, path: Sequence[str | int]) -> uuid.UUID:
    """The key of one field in a document that was sent with one ``Idempotency-Key`` header.

    ``path`` is the field's response path: two aliases have two keys, and the same document sent
    again has the same ones.
    """
    return _derived("field", str(header_key), *path)


def provider_key(caller: str, field: str, key: uuid.UUID) -> uuid.UUID:
    """The key that goes to the provider for a caller's ``key`` on ``field`` (Mutation.name).

    Two callers who choose the same key, and two fields under the same key, never meet.
    """
    return _derived("provider", caller, field, str(key))


def _derived(*parts: str | int) -> uuid.UUID:
    # JSON keeps the parts apart whatever characters they hold.
    return uuid.uuid5(_NAMESPACE, json.dumps(parts))
