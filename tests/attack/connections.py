"""Attacks on connections, before anybody has said who they are."""

import asyncio
from functools import partial

from tests.attack.target import LARGEST, Attack, Target, answer, together

_HEAD = b"GET /graphql HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
_SIZED = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n"
_GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_PIECE = 65_536


def endless(begin: bytes, piece: bytes, connections: int = 1) -> Attack:
    """A request that begins so and goes on like this for 64 MiB."""
    whole = piece * (_PIECE // len(piece))

    async def one(target: Target) -> None:
        _, writer = await target.connect()
        try:
            writer.write(begin)
            for _ in range(LARGEST // _PIECE):
                writer.write(whole)
                await writer.drain()
        finally:
            writer.transport.abort()

    return together(connections, one)


def crowd(number: int, begin: bytes) -> Attack:
    """So many connections at once that send this and wait."""

    async def attack(target: Target) -> None:
        writers = []
        while target.goes_on:
            try:
                _, writer = await target.connect()
            except OSError:
                continue
            writer.write(begin)
            writers.append(writer)
            if len(writers) > number:
                writers.pop(0).transport.abort()

    return attack


def churn(data: bytes, connections: int = 8) -> Attack:
    """Connections that send this and are closed, one after the other."""

    async def one(target: Target) -> None:
        _, writer = await target.connect()
        writer.write(data)
        await writer.drain()
        writer.transport.abort()

    return together(connections, one)


def dribble(begin: bytes, connections: int) -> Attack:
    """Requests of which a byte comes now and then."""

    async def one(target: Target) -> None:
        _, writer = await target.connect()
        writer.write(begin)
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)

    return together(connections, one)


async def _pipelined(target: Target, *, reads: bool) -> None:
    reader, writer = await target.connect()
    try:
        while target.goes_on and not (reader.at_eof() or writer.is_closing()):
            writer.write(_GET * 1000)
            await writer.drain()
            target.sent += 1000
            await asyncio.sleep(0)
            if reads:
                await answer(reader)
    finally:
        writer.transport.abort()


CONNECTIONS: dict[str, Attack] = {
    "header value without an end": endless(_HEAD + b"X-A: ", b"a"),
    "header name without an end": endless(_HEAD, b"a"),
    "blanks in a header value": endless(_HEAD + b"X-A:", b" "),
    "small fields without an end": endless(_HEAD, b"A: a\r\n"),
    "empty fields without an end": endless(_HEAD, b"A:\r\n"),
    "large fields without an end": endless(_HEAD, b"A: " + b"a" * 4000 + b"\r\n"),
    "cookies without an end": endless(_HEAD, b"Cookie: a=b\r\n"),
    "target without an end": endless(b"GET /", b"a"),
    "query without an end": endless(b"GET /graphql?query=", b"%41"),
    "method without an end": endless(b"", b"A"),
    "blank lines": endless(b"", b"\r\n"),
    "chunk extension without an end": endless(_CHUNKED + b"1;", b"e"),
    "chunk extensions": endless(_CHUNKED, b"1;eeeeeeeeeeeeeeeeeeee\r\na\r\n"),
    "chunks of one byte": endless(_CHUNKED, b"1\r\na\r\n"),
    "large chunks": endless(_CHUNKED, b"fff0\r\n" + b"a" * 0xFFF0 + b"\r\n"),
    "trailer field without an end": endless(_CHUNKED + b"1\r\na\r\n0\r\nX-A: ", b"a"),
    "trailer fields without an end": endless(_CHUNKED + b"1\r\na\r\n0\r\n", b"A: a\r\n"),
    "body that nobody asked for": endless(_SIZED, b"a"),
    "header values on 32 connections": endless(_HEAD + b"X-A: ", b"a", connections=32),
    "small fields on 32 connections": endless(_HEAD, b"A: a\r\n", connections=32),
    "bodies on 32 connections": endless(_SIZED, b"a", connections=32),
    "noise": endless(b"", bytes(range(128, 256))),
    "2,000 connections that are idle": crowd(2000, b""),
    "2,000 connections that were answered": crowd(2000, _GET),
    "2,000 connections with half a head": crowd(2000, _HEAD),
    "2,000 connections with half a body": crowd(2000, _CHUNKED + b"1\r\na"),
    "2,000 connections that speak TLS": crowd(2000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
    "2,000 connections that wait for 100": crowd(2000, _SIZED + b"Expect: 100-continue\r\n"),
    "connections that come and go": churn(b""),
    "half heads that come and go": churn(_HEAD),
    "requests of clients that go": churn(_GET),
    "malformed requests": churn(b"hello\r\n\r\n"),
    "HTTP/2 requests": churn(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "tunnels": churn(b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"),
    "websockets": churn(_HEAD + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "500 heads that dribble": dribble(_HEAD + b"X-A: ", 500),
    "500 targets that dribble": dribble(b"GET /", 500),
    "pipelined requests": together(4, partial(_pipelined, reads=True)),
    "pipelined requests that nobody reads": together(4, partial(_pipelined, reads=False)),
}
"""By name: what is sent until the time is over."""
