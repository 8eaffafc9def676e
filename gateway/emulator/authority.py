"""The Host of a request: which one it names, and how that is signed."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gateway.emulator.answers import Refusal

_HOST = re.compile(
    r"(?P<host>\[[0-9a-f]*:[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{0,5}))?", re.ASCII
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Host(NamedTuple):
    """A host in lower case, IPv6 in its brackets, and the port as it was sent; empty for none."""

    host: str
    port: str

    def authority(self, scheme: str) -> str:
        """The value of ``@authority`` (RFC 9421 section 2.2.3): no port where it is the scheme's
        default or empty (RFC 9110 section 4.2.3)."""
        no_port = self.port in {"", _DEFAULT_PORTS.get(scheme)}
        return self.host if no_port else f"{self.host}:{self.port}"


def read_host(values: Sequence[bytes]) -> Host:
    """The one ``Host`` of a request; refuses none, several and malformed ones with 400."""
    if len(values) != 1:  # RFC 9112 section 3.2
        raise Refusal(400, "the request must have exactly one Host")
    parts = _HOST.fullmatch(values[0].decode("latin-1").strip(" \t").lower())
    if parts is None or int(parts["port"] or 0) > 65535:
        raise Refusal(400, "Host is not a name or address with an optional port")
    return Host(parts["host"], parts["port"] or "")
