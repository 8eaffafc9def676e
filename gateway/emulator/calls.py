"""What the emulator is asked: one request, read whole, and the bodies that it may carry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request

from gateway.emulator.answers import Refusal

LATENCY = "emulator.latency"
"""Where the ASGI scope says for how many seconds more than usual a call is to be worked on."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
Body = TypeVar("Body")


class Credentials(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``POST /auth/token`` (section 2)."""

    api_key: UUID
    api_secret: str


class NewSigningKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``PUT /auth/signing``: base64 of the whole SPKI PEM text (section 3)."""

    signing_key_id: UUID
    signing_key: str


class OldSigningKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``DELETE /auth/signing`` (section 3)."""

    signing_key_id: UUID


class Address(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A billing address (section 6.2); an optional line may be left out, and may not be null."""

    first_line: str
    city: str
    country: str
    post_code: str
    second_line: str | msgspec.UnsetType = msgspec.UNSET
    state: str | msgspec.UnsetType = msgspec.UNSET


class NewCard(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``POST /accounts/{accountId}/cards`` for a virtual card (section 6.2)."""

    type: str
    billing_address: Address


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    ``path`` is the escaped path as received, without the query; header names are lower-case, and
    repeated fields are joined as RFC 9421 section 2.1 joins them. ``latency`` is how many seconds
    more than usual it is to be worked on.
    """

    method: str
    authority: str
    path: str
    headers: Mapping[str, str]
    ids: Mapping[str, str]
    body: bytes
    latency: float = 0

    def path_id(self, name: str) -> str:
        """The id in the path, in lower case; refuses what is not a UUID with 400."""
        return uuid_text(self.ids[name], f"the {name} in the path is not a UUID")

    def read_body(self, shape: type[Body]) -> Body:
        """The JSON body as ``shape``; refuses any other body with 400."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, f"the body is not as specified: {error}") from error


async def read_call(request: Request) -> Call:
    """Read a request to its end."""
    names = set(request.headers.keys())
    return Call(
        method=request.method,
        authority=_authority(request.headers.get("host", ""), request.url.scheme),
        path=request.scope["raw_path"].decode("latin-1"),
        headers={name: ", ".join(request.headers.getlist(name)) for name in names},
        ids=request.path_params,
        body=await request.body(),
        latency=request.scope.get(LATENCY, 0),
    )


def uuid_text(text: str, refusal: str) -> str:
    """The UUID in lower case; refuses other spellings (no dashes, braces, urn:) with 400."""
    if not _UUID.fullmatch(text):
        raise Refusal(400, refusal)
    return text.lower()


def _authority(host: str, scheme: str) -> str:
    # RFC 9421 section 2.2.3: lower-case, and no port where it is the scheme's default.
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
