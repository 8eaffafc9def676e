"""Which names we answer to: a page that rebinds its own name to our address gets nothing."""

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.config import is_loopback
from gateway.errors import BadRequest
from gateway.http.negotiation import accepted, error_type
from gateway.http.responses import error_response

# RFC 3986, section 3.2.2, without IPvFuture, which nobody uses; RFC 9110, section 7.2.
_HOST = re.compile(
    r"(?:(?P<name>(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)|\[(?P<address>[0-9A-Fa-f:.]+)\])"
    r"(?::[0-9]{0,5})?"
)


class Hosts:
    """Refuses requests for other host names than ``names`` and those of loopback.

    A name may begin with ``*`` for all that end so, and ``*`` alone is every name. Loopback names
    cannot be rebound, and probes and mapped ports come by them.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(host_name(name) for name in names if not name.startswith("*"))
        self._ends = tuple(name[1:] for name in names if name.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer 400."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        media_type = error_type(accepted(Headers(scope=scope)))
        await error_response(BadRequest(refused), media_type)(scope, receive, send)

    def _refused(self, scope: Scope) -> str | None:
        """Why a request is refused; RFC 9112, section 3.2: HTTP/1.1 has one Host, and 1.0 may."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if not hosts and scope["http_version"] == "1.0" and "" in self._ends:
            return None
        name = host_name(hosts[0].decode("latin-1")) if len(hosts) == 1 else None
        if name is None:
            return "Send one Host header: a host name or an address, and a port where needed."
        if name in self._names or name.endswith(self._ends) or is_loopback(name.strip("[]")):
            return None
        return "The gateway does not answer to this host name."


def host_name(value: str) -> str | None:
    """The host of a ``Host`` header in one spelling, without its port; None where malformed."""
    found = _HOST.fullmatch(value)
    if found is None:
        return None
    if found["name"]:
        return found["name"].lower().removesuffix(".") or None
    try:
        return f"[{ipaddress.IPv6Address(found['address'])}]"
    except ValueError:
        return None
