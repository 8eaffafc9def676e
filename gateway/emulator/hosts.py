"""Which hosts the emulator answers to: a page that rebinds its name to our address gets nothing.

Loopback names and addresses always, others where they were allowed.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.answers import Refusal
from gateway.emulator.authority import read_host
from gateway.emulator.state import Emulator

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class AnsweredHosts:
    """Refuses requests for other hosts: 400 where none is named, 421 for another one."""

    def __init__(self, app: ASGIApp, emulator: Emulator, names: Iterable[str]) -> None:
        self._app = app
        self._emulator = emulator
        self._names = frozenset(map(host_name, names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or refuse."""
        try:
            if scope["type"] == "http":
                self._check([value for name, value in scope["headers"] if name == b"host"])
        except Refusal as refusal:
            answer = refusal.to_answer(self._emulator.options.error_body)
            await answer.to_response(scope, self._emulator.now())(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, hosts: list[bytes]) -> None:
        if not self._is_ours(read_host(hosts).host):
            raise Refusal(
                421, "the emulator does not answer to this Host: --allowed-host adds a name"
            )

    def _is_ours(self, host: str) -> bool:
        try:
            name = host_name(host)
        except ValueError:
            return False
        local = name == "localhost" or name.endswith(".localhost") or is_loopback(name)
        return local or name in self._names


def host_name(text: str) -> str:
    """A host name or IP address in its one spelling, IPv6 without brackets; ValueError if neither.

    There is no port in it, and no pattern.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    with suppress(ValueError):
        return str(ip_address(bare))
    if not _NAME.fullmatch(text.lower()):
        raise ValueError("must be a host name or an IP address, without a port")
    return text.lower()


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own, IPv4 within IPv6 included."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback
