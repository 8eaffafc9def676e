"""Where the identity provider's keys come from: a file, or a URL."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from gateway.answers import ACCEPTED, body_of, bounded_session
from gateway.callers.published_keys import KeysUnusable, read_keys
from gateway.telemetry import NO_TRACING, Tracing, server_of

_URLS = ("https://", "http://")


def key_source(location: str, tracing: Tracing = NO_TRACING) -> Callable[[], Awaitable[bytes]]:
    """Reads a JWKS anew at each call; raises what reading raises.

    What a URL gives is read within the bounds of ``gateway.answers``, and in a span.
    """

    async def from_file() -> bytes:
        return await asyncio.to_thread(Path(location).read_bytes)

    async def from_url() -> bytes:
        async with (
            bounded_session(aiohttp.TCPConnector(), raise_for_status=True) as session,
            session.get(
                location, allow_redirects=False, headers={"Accept-Encoding": ACCEPTED}
            ) as response,
        ):
            if response.status != 200:  # a redirect's body is somebody else's, and a part is no set
                raise KeysUnusable(f"its source answers with {response.status}")
            return await body_of(response)

    async def from_url_in_a_span() -> bytes:
        with tracing.call("GET", None, server):
            return await from_url()

    if not location.startswith(_URLS):
        return from_file
    server = server_of(location)
    return from_url_in_a_span


def check_key_file(location: str) -> bytes:
    """What the file of a JWKS holds; nothing of a URL, which is fetched later.

    Raises OSError and KeysUnusable.
    """
    if location.startswith(_URLS):
        return b""
    content = Path(location).read_bytes()
    try:
        usable = read_keys(content).usable
    except (ValueError, RecursionError) as error:
        raise KeysUnusable("it is not JSON") from error
    if not usable:
        raise KeysUnusable("it has no usable key")
    return content
