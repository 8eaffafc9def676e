"""The end of a server: it says so, serves on for a while, and loses nothing that has come."""

import asyncio
import signal
from dataclasses import replace

from tests.serving.client import LONG, App, running
from tests.waiting import PATIENCE, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
HALF = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf"
DELAYED = replace(LONG, readiness_delay=PATIENCE)


class Gated(App):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def _wait(self, path: str) -> None:
        if path == "/gated":
            self.asked.set()
            await self.may_answer.wait()


async def test_connections_are_taken_until_the_delay_is_over() -> None:
    """After SIGTERM the application knows, and requests on new and old connections are answered;
    each answer is the last of its connection."""
    app = App()
    async with running(app, DELAYED) as one, one.connected() as old:
        await old.ask(GET)
        one.server.handle_exit(signal.SIGTERM, None)
        await until("the news of the end", lambda: app.shutdown.begun)
        async with one.connected() as new:
            for client in (old, new):
                answer = await client.ask(GET)
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                assert await client.ended() == b""
        assert not one.refuses()
        one.server.handle_exit(signal.SIGTERM, None)
        await one.task
        assert one.refuses()


async def test_a_request_in_progress_is_answered_and_the_rest_is_dropped() -> None:
    """At the end of the delay what has come is answered, half a body is 408, idle ones are closed,
    and the server ends then."""
    app = Gated()
    async with (
        running(app, LONG) as one,
        one.connected() as busy,
        one.connected() as half,
        one.connected() as idle,
    ):
        await idle.ask(GET)
        await half.send(HALF)
        await busy.send(b"GET /gated HTTP/1.1\r\nHost: h\r\n\r\n")
        await app.asked.wait()
        one.server.handle_exit(signal.SIGTERM, None)
        assert await idle.ended() == b""
        assert (await half.answer()).status == 408
        assert not one.task.done()
        app.may_answer.set()
        assert (await busy.answer()).headers["connection"] == "close"
        await one.task


async def test_a_request_that_takes_too_long_is_cut_off() -> None:
    """The drain has an end, and the server ends in order then."""
    app = Gated()
    async with running(app, replace(LONG, drain=0.05)) as one, one.connected() as client:
        await client.send(b"GET /gated HTTP/1.1\r\nHost: h\r\n\r\n")
        await app.asked.wait()
        one.server.handle_exit(signal.SIGTERM, None)
        assert await client.ended() == b""
        await one.task


async def test_a_second_signal_does_not_shorten_the_drain() -> None:
    """Whoever is told twice waits for no new client, and still answers what is in progress."""
    app = Gated()
    async with running(app, DELAYED) as one, one.connected() as client:
        await client.send(b"GET /gated HTTP/1.1\r\nHost: h\r\n\r\n")
        await app.asked.wait()
        for _ in range(3):
            one.server.handle_exit(signal.SIGTERM, None)
        await until("the end of accepting", one.refuses)
        app.may_answer.set()
        assert (await client.answer()).status == 200
        await one.task
