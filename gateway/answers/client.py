"""aiohttp's client, with the bounds that it lacks.

aiohttp bounds the fields of an answer (128 of them, 8,190 bytes each). It inflates any answer,
reads a body of any length, and reads interim answers (1xx), empty lines before an answer and chunk
extensions without an end.
"""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from gateway.answers.body import BODY_LIMIT, BodyTooLarge, UnusableBody, whole_body

INTERIM_LIMIT = 8
"""Interim answers (RFC 9110, 15.2) to one request: there is a use for two or three."""
RECEIVED_LIMIT = 2 * BODY_LIMIT
"""Bytes that are received for one request: a body, and as much of heads and of framing."""
_PIECE = 64 * 1024  # bytes of a body that are read at once


class EndlessAnswer(aiohttp.ClientError):
    """More was received for one request than RECEIVED_LIMIT or INTERIM_LIMIT permits."""


class _Answers(ResponseHandler):
    """The answers on one connection, which is closed where one of them has no end."""

    _received = _interim = 0

    def set_response_params(self, **options: Any) -> None:
        """Begin to wait for the answer to one more request."""
        self._received = self._interim = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Take bytes of any part of an answer, chunk extensions and empty lines among them."""
        self._received += len(data)
        if self._received <= RECEIVED_LIMIT:
            super().data_received(data)
        else:
            self._give_up()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of an answer, which is in ``data`` together with the stream of its body."""
        # 101 ends what is HTTP: it is the last answer there is.
        if 100 <= data[0].code < 200 and data[0].code != 101:
            self._interim += 1
        if self._interim <= INTERIM_LIMIT:
            super().feed_data(data, size)
        else:
            self._give_up()

    def _give_up(self) -> None:
        # Whoever waits closes the connection: nothing is taken until then.
        if self.exception() is not None:
            return
        self.set_exception(EndlessAnswer())
        if self._payload is not None:
            self._payload.set_exception(EndlessAnswer())


def _answers(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Answers(loop)


def bounded_session(connector: aiohttp.TCPConnector, **options: Any) -> aiohttp.ClientSession:
    """A session that counts interim answers and leaves bodies as they are sent, for ``body_of``.

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
    except EndlessAnswer:
        response.close()
        raise BodyTooLarge from None
