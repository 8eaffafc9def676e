"""An answer to what never became a request: written by the server, without the application."""

from email.utils import formatdate
from http import HTTPStatus

from gateway.errors import BadRequest
from gateway.http import error_response
from gateway.telemetry import new_request_id, request_id


def refusal(error: BadRequest) -> bytes:
    """The whole answer in HTTP/1.1, the last one of its connection."""
    name = new_request_id()
    reset = request_id.set(name)
    try:
        answer = error_response(error)
    finally:
        request_id.reset(reset)
    fields = [
        *answer.raw_headers,
        (b"date", formatdate(usegmt=True).encode()),
        (b"connection", b"close"),
        (b"x-request-id", name.encode()),
    ]
    line = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()
    head = b"\r\n".join([line, *(key + b": " + value for key, value in fields)])
    return head + b"\r\n\r\n" + bytes(answer.body)
