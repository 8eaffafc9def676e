"""Which names we answer to: a page that rebinds its own name to our address gets nothing."""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.config import is_loopback
from gateway.errors import BadRequest
from gateway.http.negotiation import accepted, error_type
from gateway.http.responses import error_response


class Hosts:
    """Refuses requests for other host names than ``names`` and those of loopback.

    A name may begin with ``*`` for all that end so. Loopback names cannot be rebound, and probes
    and mapped ports come by them.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name for name in names if not name.startswith("*"))
        self._ends = tuple(name[1:] for name in names if name.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer 400."""
        if scope["type"] != "http" or self._is_ours(scope):
            await self._app(scope, receive, send)
            return
        refused = BadRequest("The gateway does not answer to this host name.")
        media_type = error_type(accepted(Headers(scope=scope)))
        await error_response(refused, media_type)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:  # RFC 9112 section 3.2
            return False
        name = _without_port(hosts[0].decode("latin-1").lower())
        return name in self._names or name.endswith(self._ends) or is_loopback(name.strip("[]"))


def _without_port(host: str) -> str:
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
