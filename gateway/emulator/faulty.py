"""The outermost layer of the emulator: it lets calls meet the faults that were set.

How it works: ASGI has no way to close a connection, but under uvicorn the outermost ``send`` is a
method of the request's cycle, which holds the transport. Closing that and waiting until the cycle
has noticed ends the call without a word in the log. In process there is no connection: there a
dropped one is a ConnectionResetError out of the application.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.emulator.answers import RECORD, Refusal, retry_after
from gateway.emulator.calls import LATENCY
from gateway.emulator.state import Emulator


class Faulty:
    """Wraps the whole application, so that nothing stands between it and the server's ``send``."""

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self._app = app
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one call through, with the mishap that it drew."""
        fate = self._emulator.fate
        if scope["type"] != "http" or not fate.faults.concern(scope["path"]):
            await self._app(scope, receive, send)
            return
        mishap = fate.draw()
        scope[LATENCY] = mishap.latency
        if record := scope.get(RECORD):
            record.fault, record.delay = mishap.kind, mishap.latency
        match mishap.kind:
            case None:
                await self._app(scope, receive, send)
            case "drop_before":
                await _read_to_the_end(receive)
                await _hang_up(receive, send)
            case "status":
                await self._refuse(scope, receive, send)
            case "drop_after":
                await self._carry_out(scope, receive)
                await _hang_up(receive, send)
            case "half_answer":
                await _send_half(await self._carry_out(scope, receive), send)
                await _hang_up(receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        emulator, faults = self._emulator, self._emulator.fate.faults
        headers = retry_after(faults.retry_after)
        refusal = Refusal(faults.status, "a fault that was asked for", headers=headers)
        answer = refusal.to_answer(emulator.options.error_body)
        await answer.to_response(scope, emulator.now())(scope, receive, send)

    async def _carry_out(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages


async def _send_half(messages: list[Message], send: Send) -> None:
    start, *parts = messages
    body = b"".join(part.get("body", b"") for part in parts)
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


async def _read_to_the_end(receive: Receive) -> None:
    # Closed with something unread, the connection would sometimes be reset and sometimes end.
    while (await receive()).get("more_body"):
        pass


async def _hang_up(receive: Receive, send: Send) -> None:
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the emulator closed the connection")
    transport.close()  # what was written still goes out first
    while (await receive())["type"] != "http.disconnect":
        pass
