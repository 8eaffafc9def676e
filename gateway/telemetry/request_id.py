"""The request id: it names one HTTP request in the log, in its answer and at the provider."""

import re
import secrets
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.card_numbers import has_card_number
from gateway.telemetry.trace_context import received, trace_context

NO_REQUEST = "-"  # the request id of what no request asked for
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_request_id() -> str:
    """An id for a request that brought none."""
    return secrets.token_hex(16)


def _is_acceptable(name: str) -> bool:
    """Letters and digits, and none that could be a card number: the id is logged."""
    return bool(_ACCEPTABLE.fullmatch(name)) and not has_card_number(name)


class RequestIdMiddleware:
    """Gives each HTTP request an id: the caller's ``X-Request-Id`` where usable, else a new one.

    It and the caller's W3C trace context go on to the provider with every call of the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the id set, and show it in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        name = given if _is_acceptable(given) else new_request_id()
        trace = received(scope["headers"]) if b"traceparent" in headers else None
        names = request_id.set(name)
        traces = trace_context.set(trace)
        shown = (b"x-request-id", name.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(shown)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id.reset(names)
            trace_context.reset(traces)
