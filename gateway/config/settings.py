"""Settings: one frozen value, read once from ``GATEWAY_…`` variables, ``.env`` and secret files."""

import ipaddress
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from limits import parse as parse_rate
from limits.storage import storage_from_string
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from gateway.errors import ConfigError, SigningError
from gateway.signing import PrivateKey

PREFIX = "GATEWAY_"

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """Everything that can be set. Times are in seconds; secrets never show in ``repr``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    provider_url: str = Field(
        description="Base URL of the provider, with its version path; "
        "the Sandbox is `https://api.sandbox.offblocks.xyz/v1`."
    )
    provider_api_key: SecretStr = Field(description="API key of the provider (a UUID).")
    provider_api_secret: SecretStr = Field(description="API secret of the provider.")
    signing_key_id: UUID = Field(
        description="The id under which the public signing key is registered at the provider."
    )
    signing_key_file: Path | None = Field(
        default=None, description="PEM file with the ECDSA P-384 private key (`gateway keygen`)."
    )
    signing_key: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="The private key itself as PEM text, where no file is wanted.",
    )
    host: str = Field(default="127.0.0.1", description="Address that `gateway serve` binds to.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that it binds to.")
    auth: Literal["jwt", "none", "open"] | None = Field(
        default=None,
        validate_default=True,
        description="Who is let in: callers with a bearer `jwt`; anybody on loopback (`none`); or "
        "anybody at all, on purpose (`open`). `serve` does not start without a decision. With "
        "`none` and `open` callers are not told apart: they share idempotency keys.",
    )
    jwt_keys: str = Field(
        default="",
        validate_default=True,
        description="JWKS of the identity provider: a file, or an https URL.",
    )
    jwt_issuer: str = Field(
        default="", validate_default=True, description="The `iss` that tokens must have."
    )
    jwt_audience: str = Field(
        default="", validate_default=True, description="The `aud` that tokens must have."
    )
    jwt_leeway: float = Field(
        default=10, ge=0, le=300, description="Clock difference that is forgiven in `exp`."
    )
    jwt_accounts_claim: str = Field(
        default="accounts", description="Claim that lists the caller's account ids, or is `*`."
    )
    rate_limit_read: str = Field(
        default="6000/minute", description="How often a caller known by `jwt` may ask for a card."
    )
    rate_limit_issue: str = Field(
        default="60/minute", description="How often such a caller may issue; empty: no limit."
    )
    rate_limit_simulate: str = Field(
        default="60/minute", description="How often such a caller may simulate."
    )
    rate_limit_store: SecretStr = Field(
        default=SecretStr(""),
        description="Where is counted: a URL of the limits library, for gateways that share their "
        "counts; empty: in each gateway's memory.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description='Web origins whose pages may ask, as JSON: `["https://a.example"]`.'
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names that are answered, as JSON; none: loopback names where bound to "
        "loopback, else all.",
    )
    http_statuses: Literal["classic", "draft"] = Field(
        default="classic",
        description="Status of request errors in `application/graphql-response+json`: always 400, "
        "or 422 and 294 as in the draft of August 2026.",
    )
    introspection: bool = Field(default=False, description="Answer introspection queries.")
    suggestions: bool = Field(
        default=False, description="Say in errors what in the schema may have been meant."
    )
    documents: Path | None = Field(
        default=None, description="Manifest of trusted documents (`gateway documents build`)."
    )
    documents_mode: Literal["off", "prefer", "only"] = Field(
        default="off", description="Trusted documents: not used, used beside others, or only they."
    )
    max_document_length: int = Field(
        default=20_000, ge=1, description="Most characters in a document."
    )
    max_document_tokens: int = Field(default=5_000, ge=1, description="Most tokens in a document.")
    max_document_comments: int = Field(
        default=200, ge=0, description="Most comments in a document."
    )
    max_document_depth: int = Field(
        default=12, ge=1, description="Most fields within fields in a document."
    )
    max_document_cost: int = Field(
        default=1_000,
        ge=1,
        description="Most that a document may cost: 1 for a field, 10 more for a provider call.",
    )
    max_root_mutation_fields: int = Field(
        default=10, ge=1, description="Most mutations in a document."
    )
    max_document_errors: int = Field(
        default=20, ge=1, description="Most errors that are listed for a document."
    )
    query_deadline: Seconds = Field(default=15, description="Longest time for a query.")
    mutation_deadline: Seconds = Field(default=60, description="Longest time for a mutation.")
    graphiql: bool = Field(default=False, description="Show GraphiQL to browsers on `/graphql`.")
    simulator: bool | None = Field(
        default=None,
        description="Offer `simulateCardIssue`; unset: only where the provider is not production.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    connect_timeout: Seconds = Field(default=2, description="Longest wait for a connection.")
    read_timeout: Seconds = Field(default=10, description="Longest wait for the provider's answer.")
    write_timeout: Seconds = Field(default=5, description="Longest wait while sending.")
    pool_timeout: Seconds = Field(
        default=1, description="Longest wait for a free place before `OVERLOADED`."
    )
    call_deadline: Seconds = Field(
        default=30, description="Longest time for one provider call, all its attempts included."
    )
    max_attempts: int = Field(
        default=4, ge=1, le=20, description="Most attempts of one provider call."
    )
    max_connections: int = Field(
        default=100, ge=1, le=10_000, description="Most calls to the provider in flight at once."
    )
    max_card_reads: int = Field(
        default=50, ge=1, le=10_000, description="Most card reads at once within one operation."
    )
    breaker_failures: int = Field(
        default=10, ge=1, description="Failed attempts in a row after which reads fail at once."
    )
    breaker_pause: Seconds = Field(
        default=5, description="How long they do before one read may try again."
    )
    max_idempotency_records: int = Field(
        default=1_000_000,
        ge=1,
        description="Most idempotency keys that are remembered, each for 24 hours in some 290 "
        "bytes; when they are reached, new keys are refused (`OVERLOADED`).",
    )
    require_idempotency_key: bool = Field(
        default=False,
        description="Refuse mutations without an idempotency key. A load balancer that sends a "
        "POST again makes a second card where there is none.",
    )
    shutdown_grace: Seconds = Field(
        default=65, description="Longest wait on SIGTERM for calls in flight to end."
    )
    token_margin: Seconds = Field(
        default=60, description="How long before its expiry an access token is renewed, at most."
    )
    created_backdate: int = Field(
        default=1, ge=0, le=60, description="How far signatures are dated back (provider clock)."
    )
    clock_tolerance: Seconds = Field(
        default=5, description="Clock difference to the provider that is taken as none."
    )

    @field_validator("provider_url")
    @classmethod
    def _usable_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError("must be an http(s) URL")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("must hold no query, fragment or credentials")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must be https, except on loopback")
        return value.rstrip("/")

    @field_validator("provider_api_key")
    @classmethod
    def _is_uuid(cls, value: SecretStr) -> SecretStr:
        try:
            UUID(value.get_secret_value())
        except ValueError:
            raise ValueError("must be a UUID") from None
        return value

    @field_validator("provider_api_secret")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("signing_key_file", "documents")
    @classmethod
    def _readable_file(cls, value: Path | None) -> Path | None:
        if value is not None and not (value.is_file() and os.access(value, os.R_OK)):
            raise ValueError("names a file that cannot be read")
        return value

    @field_validator("signing_key")
    @classmethod
    def _usable_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if "signing_key_file" not in info.data:
            return value  # the file is already a problem of its own
        path: Path | None = info.data["signing_key_file"]
        pem = path.read_text(errors="replace") if path else value.get_secret_value()
        if not pem:
            raise ValueError("GATEWAY_SIGNING_KEY_FILE is needed; `gateway keygen` makes a key")
        try:
            PrivateKey.from_pem(pem.encode())
        except SigningError as error:
            raise ValueError(error.message) from error
        return SecretStr(pem)

    @field_validator("jwt_keys", "jwt_issuer", "jwt_audience")
    @classmethod
    def _needed_for_jwt(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "jwt" and not value:
            raise ValueError("is not set, and GATEWAY_AUTH=jwt needs it")
        if info.field_name == "jwt_keys" and value:
            _check_key_location(value)
        return value

    @field_validator("rate_limit_store")
    @classmethod
    def _usable_store(cls, value: SecretStr) -> SecretStr:
        try:
            if value.get_secret_value():
                storage_from_string(value.get_secret_value())
        except Exception:
            raise ValueError("is no usable store, such as async+redis://host:6379") from None
        return value

    @field_validator("documents_mode")
    @classmethod
    def _needs_documents(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and not info.data.get("documents"):
            raise ValueError(f"{value} needs a manifest in GATEWAY_DOCUMENTS")
        return value

    @field_validator("rate_limit_read", "rate_limit_issue", "rate_limit_simulate")
    @classmethod
    def _rate(cls, value: str) -> str:
        try:
            if value and parse_rate(value).amount < 1:
                raise ValueError
        except ValueError:
            raise ValueError("must be a rate such as 60/minute") from None
        return value

    @property
    def private_key(self) -> PrivateKey:
        """The signing key, ready for use."""
        return PrivateKey.from_pem(self.signing_key.get_secret_value().encode())

    @cached_property
    def simulator_allowed(self) -> bool:
        """Whether simulator calls are offered: by the setting, else anywhere but in production."""
        if self.simulator is not None:
            return self.simulator
        host = urlsplit(self.provider_url).hostname or ""
        return is_loopback(host) or "sandbox" in host.split(".")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment, ``.env`` and ``GATEWAY_SECRETS_DIR``; ``given`` wins over all.

        Raises ConfigError with every problem at once, each naming its variable, never a value.
        """
        secrets = os.environ.get(f"{PREFIX}SECRETS_DIR")
        if secrets and not Path(secrets).is_dir():
            raise ConfigError([f"{PREFIX}SECRETS_DIR: is not a directory"])
        try:
            return cls(**{"_secrets_dir": secrets or None, **given})
        except SettingsError as error:
            name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
            raise ConfigError([f'{PREFIX}{name}: must be JSON, such as ["a", "b"]']) from None
        except ValidationError as error:
            raise ConfigError([_sentence(problem) for problem in error.errors()]) from None


class ServeSettings(Settings):
    """Settings of a gateway that others can reach: who is let in must have been decided."""

    @field_validator("auth")
    @classmethod
    def _decided(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            raise ValueError("is not set; decide who is let in: jwt, none (on loopback) or open")
        if value == "none" and not is_loopback(info.data.get("host", "")):
            raise ValueError("none is for loopback only; use jwt, or open to let everybody in")
        return value


def _check_key_location(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme in {"http", "https"}:
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("must be https, except on loopback")
    elif not os.access(value, os.R_OK):
        raise ValueError("names a file that cannot be read")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]).upper()
    reason = "is not set" if problem["type"] == "missing" else problem["msg"]
    return f"{PREFIX}{name}: {reason.removeprefix('Value error, ')}"
