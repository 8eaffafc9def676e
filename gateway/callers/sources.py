"""Where the identity provider's keys come from: a file, or a URL."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp


def key_source(location: str) -> Callable[[], Awaitable[bytes]]:
    """Reads a JWKS anew at each call; raises what reading raises."""

    async def from_file() -> bytes:
        return await asyncio.to_thread(Path(location).read_bytes)

    async def from_url() -> bytes:
        async with (
            aiohttp.ClientSession(trust_env=False, raise_for_status=True) as session,
            session.get(location, allow_redirects=False) as response,
        ):
            return await response.read()

    return from_url if location.startswith(("https://", "http://")) else from_file
