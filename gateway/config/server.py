"""The HTTP server: where it listens, and which hosts and web origins it answers."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from gateway.config import checks
from gateway.config.loading import Loadable, Seconds


class ServerSettings(Loadable):
    """Where the gateway listens, whom it answers over HTTP, and how."""

    host: str = Field(default="127.0.0.1", description="Address that `gateway serve` binds to.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that it binds to.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that serve; `gateway serve --workers` wins over it.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names that are answered, as JSON; none: loopback names where bound to "
        "loopback, else all.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description='Web origins whose pages may ask, as JSON: `["https://a.example"]`.'
    )
    cors_headers: tuple[str, ...] = Field(
        default=(),
        description="Request headers that those pages may send besides those in "
        '[Who is let in](#who-is-let-in), as JSON: `["x-tenant"]`.',
    )
    http_statuses: Literal["classic", "draft"] = Field(
        default="classic",
        description="Status of request errors in `application/graphql-response+json`: always 400, "
        "or 422 and 294 as in the draft of August 2026.",
    )
    max_client_connections: int | None = Field(
        default=None,
        ge=16,
        description="Most connections of clients at once, in each worker; where there are more, "
        "those that have waited longest for a request are closed. Unset: as many as the limit of "
        "open files leaves room for, 10,000 at most.",
    )
    header_timeout: Seconds = Field(
        default=10, description="Longest time for the header section of a request to arrive."
    )
    body_timeout: Seconds = Field(
        default=30, description="Longest time for the body of a request to arrive."
    )
    keep_alive: Seconds = Field(
        default=75,
        description="How long a connection may wait for its next request; a load balancer must "
        "close its idle connections sooner.",
    )
    readiness_delay: float = Field(
        default=5,
        ge=0,
        le=600,
        description="Seconds after SIGTERM in which `/readyz` is 503 and connections are still "
        "accepted; a second signal ends them.",
    )
    shutdown_grace: Seconds | None = Field(
        default=None,
        description="Longest wait for requests and calls in progress to end, after "
        "`GATEWAY_READINESS_DELAY`; unset: `GATEWAY_CALL_DEADLINE`. Their outcomes are then "
        "written into the ledger in at most 2 seconds.",
    )
    graphiql: bool = Field(default=False, description="Show GraphiQL to browsers on `/graphql`.")

    cors_origin_pattern: ClassVar[str | None] = None
    """Origins that are allowed besides, as a regular expression."""

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        return checks.texts(value, "gateway.example", checks.host_name)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        return checks.texts(value, "https://a.example", checks.origin)

    @field_validator("cors_headers", mode="before")
    @classmethod
    def _header_names(cls, value: Any) -> Any:
        return checks.texts(value, "x-tenant", checks.header_name)

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this web origin may ask and read the answers."""
        pattern = self.cors_origin_pattern
        return (
            origin in self.cors_origins
            or "*" in self.cors_origins
            or bool(pattern and re.fullmatch(pattern, origin))
        )
