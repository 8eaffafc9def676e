"""Which pages of other web origins may ask, and with which headers (Fetch standard, CORS)."""

import re

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.config import ServerSettings
from gateway.errors import NotAllowed
from gateway.events import PreflightRefused, Sink
from gateway.graphql import shown_name
from gateway.http.negotiation import accepted, error_type
from gateway.http.responses import error_response

METHODS = ("GET", "POST")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "X-Request-Id",
    "X-Requested-With",
    # Who asks, and for what: Apollo's clients, and those that follow its dashboards.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "graphql-client-name",
    "graphql-client-version",
    "x-apollo-operation-name",
    # W3C Trace Context and Baggage, and Sentry's header beside them.
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
)
RESPONSE_HEADERS = ("Retry-After", "WWW-Authenticate", "X-Request-Id")
MAX_AGE = 7200  # seconds that a browser keeps a preflight's answer: the most that Chromium does
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


class CrossOrigin(CORSMiddleware):
    """Starlette's middleware, with refusals that are JSON and are told to the operator."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, emit: Sink) -> None:
        super().__init__(
            app,
            allow_origins=settings.cors_origins,
            allow_origin_regex=settings.cors_origin_pattern,
            allow_methods=METHODS,
            allow_headers=(*REQUEST_HEADERS, *settings.cors_headers),
            expose_headers=RESPONSE_HEADERS,
            # A page of the internet may ask a gateway of an intranet where its origin is named.
            allow_private_network="*" not in settings.cors_origins,
            max_age=MAX_AGE,
        )
        self.allow_headers.append("")  # an empty item of a list is none (RFC 9110, 5.6.1.2)
        self._emit = emit

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's answer; a refusal says what is refused, in the shape of all errors."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refused, message = self._refused(request_headers)
        self._emit(refused)
        answer = error_response(NotAllowed(message), error_type(accepted(request_headers)))
        kept = {"vary", *(name for name in response.headers if name.startswith("access-control-"))}
        answer.headers.update({name: response.headers[name] for name in kept})
        return answer

    def _refused(self, asked: Headers) -> tuple[PreflightRefused, str]:
        """The first thing that is not allowed, as an event and as a sentence."""
        if not self.is_allowed_origin(asked["origin"]):
            message = "Pages of this web origin may not send requests to this gateway."
            return PreflightRefused(reason="origin"), message
        if asked["access-control-request-method"] not in self.allow_methods:
            return PreflightRefused(reason="method"), f"Use {' or '.join(METHODS)}."
        names = [one.strip() for one in asked.get("access-control-request-headers", "").split(",")]
        unknown = [name for name in names if name.lower() not in self.allow_headers]
        if not unknown:
            message = "Pages of this web origin may not ask from a public network."
            return PreflightRefused(reason="private network"), message
        header = _shown(unknown[0])
        message = f"Pages of other web origins may not send the header {header}."
        return PreflightRefused(reason="header", header=header), message


def _shown(header: str) -> str:
    return shown_name(header) if _TOKEN.fullmatch(header) else "…"
