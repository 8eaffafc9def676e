"""Settings: one frozen value, read once from ``GATEWAY_…`` variables, ``.env`` and secret files."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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
        default=20_000, ge=1, description="Most idempotency keys that are remembered, for an hour."
    )
    shutdown_grace: Seconds = Field(
        default=35, description="Longest wait on SIGTERM for calls in flight to end."
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
        if parts.scheme not in {"http", "https"} or not parts.hostname:
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

    @field_validator("signing_key_file")
    @classmethod
    def _readable_file(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
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

    @property
    def private_key(self) -> PrivateKey:
        """The signing key, ready for use."""
        return PrivateKey.from_pem(self.signing_key.get_secret_value().encode())

    @property
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
        except ValidationError as error:
            raise ConfigError([_sentence(problem) for problem in error.errors()]) from None


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
