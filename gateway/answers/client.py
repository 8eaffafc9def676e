"""aiohttp's client, with the bounds that it lacks.

aiohttp bounds the fields of an answer (128 of them, 8,190 bytes each). It inflates whatever comes,
reads a body of any length, and reads interim answers (1xx) for as long as they come.
"""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from gateway.answers.body import UnusableBody, whole_body

INTERIM_LIMIT = 8
"""Interim answers (RFC 9110, 15.2) to one request: there is a use for two or three."""
_PIECE = 64 * 1024  # bytes of a body that are read at once


class TooManyInterim(aiohttp.ClientError):
    """More interim answers came than INTERIM_LIMIT; the connection is closed."""


class _Answers(ResponseHandler):
    """The answers on one connection; its interim answers are counted."""

    _interim = 0

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of an answer, which is in ``data`` together with its body to come."""
        if self._interim > INTERIM_LIMIT:
            return  # these came together with the one that was too many
        code = data[0].code
        # 101 ends what is HTTP: it is the last answer there is.
        self._interim = self._interim + 1 if 100 <= code < 200 and code != 101 else 0
        if self._interim <= INTERIM_LIMIT:
            super().feed_data(data, size)
            return
        self.set_exception(TooManyInterim())
        if self.transport is not None:
            self.transport.close()


def _answers(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Answers(loop)


def bounded_session(connector: aiohttp.TCPConnector, **options: Any) -> aiohttp.ClientSession:
    """A session that counts interim answers and leaves bodies as they come, for ``body_of``.

    It takes no proxy from the environment and keeps no cookie; ``options`` are aiohttp's.
    """
    connector._factory = partial(_answers, connector._loop)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        **options,
    )


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """The whole body of an answer; raises UnusableBody, and what reading raises.

    Where it is not read to its end, the connection is closed.
    """
    coding = ", ".join(response.headers.getall("Content-Encoding", ()))
    length = response.headers.get("Content-Length", "")
    try:
        pieces = response.content.iter_chunked(_PIECE)
        return await whole_body(pieces, coding=coding, length=length)
    except UnusableBody:
        response.close()
        raise
