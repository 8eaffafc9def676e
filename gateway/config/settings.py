"""Settings: one frozen value, read once from ``GATEWAY_…`` variables, ``.env`` and secret files."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.checks import is_loopback
from gateway.config.files import check_named, read_named
from gateway.config.loading import Loadable
from gateway.config.wording import not_set
from gateway.signing import PrivateKey

Seconds = Annotated[float, Field(gt=0, le=3600)]


class DocumentSettings(Loadable):
    """The most that one document may have."""

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


class Settings(DocumentSettings):
    """Everything that can be set; secrets never show in ``repr``."""

    provider_plaintext_host: str = Field(
        default="",
        description="The one host beyond loopback that `GATEWAY_PROVIDER_URL` may reach by plain "
        "http: for an emulator in a container network. API secret and cards cross that network "
        "unencrypted.",
    )
    provider_url: str = Field(
        description="Base URL of the provider, with its version path; "
        "the Sandbox is `https://api.sandbox.offblocks.xyz/v1`."
    )
    provider_ca_file: Path | None = Field(
        default=None,
        description="PEM file of CA certificates that are trusted for the provider in addition to "
        "the system's (or to those of `SSL_CERT_FILE`, which replaces the system's).",
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
        default="60/minute", description="How often such a caller may issue; `off`: no limit."
    )
    rate_limit_simulate: str = Field(
        default="60/minute", description="How often such a caller may simulate."
    )
    rate_limit_store: SecretStr = Field(
        default=SecretStr(""),
        description="Where requests are counted: `async+redis://host:6379`, or the same with "
        "`async+valkey`, and with TLS `async+rediss` or `async+valkeys`, for gateways that share "
        "their counts; unset: in each gateway's memory.",
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
    secrets_dir: Path | None = Field(
        default=None, description="Folder with a file per setting, named like it in lower case."
    )
    ignore: str = Field(
        default="",
        description="Variables of other programs whose names begin with `GATEWAY_`, separated by "
        "commas or blanks.",
    )

    cors_origin_pattern: ClassVar[str | None] = None
    """Origins that are allowed besides, as a regular expression."""

    @field_validator("provider_plaintext_host")
    @classmethod
    def _host_name(cls, value: str) -> str:
        return checks.one_host(value)

    @field_validator("provider_url")
    @classmethod
    def _usable_url(cls, value: str, info: ValidationInfo) -> str:
        return checks.base_url(value, info.data.get("provider_plaintext_host", ""))

    @field_validator("provider_ca_file")
    @classmethod
    def _holds_certificates(cls, value: Path | None) -> Path | None:
        if value is not None:
            checks.certificates(value)
        return value

    @field_validator("provider_api_key")
    @classmethod
    def _is_uuid(cls, value: SecretStr) -> SecretStr:
        return SecretStr(checks.uuid_text(value.get_secret_value()))

    @field_validator("signing_key_file")
    @classmethod
    def _usable_key_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            checks.private_key(read_named(value))
        return value

    @field_validator("signing_key")
    @classmethod
    def _usable_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if "signing_key_file" not in info.data:
            return value  # the file is already a problem of its own
        path: Path | None = info.data["signing_key_file"]
        pem = read_named(path) if path else value.get_secret_value()
        if not pem:
            raise not_set("GATEWAY_SIGNING_KEY_FILE is needed; `gateway keygen` makes a key")
        checks.private_key(pem)
        return SecretStr(pem)

    @field_validator("jwt_keys", "jwt_issuer", "jwt_audience")
    @classmethod
    def _needed_for_jwt(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "jwt" and not value:
            raise not_set("is not set, and GATEWAY_AUTH=jwt needs it")
        return checks.key_set(value) if info.field_name == "jwt_keys" and value else value

    @field_validator("rate_limit_read", "rate_limit_issue", "rate_limit_simulate")
    @classmethod
    def _rate(cls, value: str) -> str:
        return checks.rate(value)

    @field_validator("rate_limit_store")
    @classmethod
    def _usable_store(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            checks.store(value.get_secret_value())
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        return checks.texts(value, "https://a.example", checks.origin)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        return checks.texts(value, "gateway.example", checks.host_name)

    @field_validator("documents")
    @classmethod
    def _readable_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            check_named(value)
        return value

    @field_validator("documents_mode")
    @classmethod
    def _needs_documents(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and not info.data.get("documents", True):
            raise ValueError(f"{value} needs a manifest in GATEWAY_DOCUMENTS")
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
        is_test = bool(self.provider_plaintext_host) or is_loopback(host)
        return is_test or "sandbox" in host.split(".")

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this web origin may ask and read the answers."""
        pattern = self.cors_origin_pattern
        return (
            origin in self.cors_origins
            or "*" in self.cors_origins
            or bool(pattern and re.fullmatch(pattern, origin))
        )


class DevSettings(Settings):
    """Settings of ``gateway dev``: pages that this machine serves may ask from any port."""

    cors_origin_pattern = checks.LOOPBACK_ORIGIN


class ServeSettings(Settings):
    """Settings of a gateway that others can reach: who is let in must have been decided."""

    @field_validator("auth")
    @classmethod
    def _decided(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            raise not_set("is not set; decide who is let in: jwt, none (on loopback) or open")
        if value == "none" and not is_loopback(info.data.get("host", "127.0.0.1")):
            raise ValueError("none is for loopback only; use jwt, or open to let everybody in")
        return value
