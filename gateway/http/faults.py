"""Faults of ours outside of GraphQL: told as every other error, and without their text."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import InternalError
from gateway.events import Sink, UnexpectedError
from gateway.http.negotiation import accepted, error_type
from gateway.http.responses import error_response


class UnexpectedErrors:
    """Answers 500 in place of an exception that nobody has foreseen."""

    def __init__(self, app: ASGIApp, emit: Sink) -> None:
        self._app = app
        self._emit = emit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; an exception after the answer's beginning is raised again."""
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            self._emit(UnexpectedError.of(error))
            media_type = error_type(accepted(Headers(scope=scope)))
            await error_response(InternalError(), media_type)(scope, receive, send)
