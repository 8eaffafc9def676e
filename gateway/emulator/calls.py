"""What the emulator is asked: one request, read whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from gateway.emulator.answers import Refusal
from gateway.emulator.authority import read_host
from gateway.uuids import is_uuid

LATENCY = "emulator.latency"
"""Where the ASGI scope says for how many seconds more than usual a call is to be worked on."""


@dataclass(frozen=True, slots=True)
class ReceivedCall:
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
        return path_id(self.ids, name)


async def read_call(request: Request) -> ReceivedCall:
    """Read a request to its end; refuses one without exactly one usable Host with 400."""
    names = set(request.headers.keys())
    host = read_host([value for name, value in request.headers.raw if name == b"host"])
    return ReceivedCall(
        method=request.method,
        authority=host.authority(request.scope["scheme"]),
        path=request.scope["raw_path"].decode("latin-1"),
        headers={name: ", ".join(request.headers.getlist(name)) for name in names},
        ids=request.path_params,
        body=await request.body(),
        latency=request.scope.get(LATENCY, 0),
    )


def path_id(ids: Mapping[str, str], name: str) -> str:
    """The id of a path's parameters, in lower case; refuses what is not a UUID with 400."""
    return uuid_text(ids[name], f"the {name} in the path is not a UUID")


def uuid_text(text: str, refusal: str) -> str:
    """The UUID in lower case; refuses other spellings (no dashes, braces, urn:) with 400."""
    if not is_uuid(text):
        raise Refusal(400, refusal)
    return text.lower()
