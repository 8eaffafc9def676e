"""The provider: where it is, what is signed with, and how its calls are made."""

from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.checks import is_loopback
from gateway.config.files import read_named
from gateway.config.loading import Loadable, Seconds
from gateway.config.wording import not_set
from gateway.signing import PrivateKey


class ProviderSettings(Loadable):
    """How the provider is reached, and how long and how often it is tried."""

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
    signing_key_id: str = Field(
        description="The id under which the public signing key is registered at the provider, "
        "a UUID. It is sent as it is spelled here."
    )
    signing_key_file: Path | None = Field(
        default=None, description="PEM file with the ECDSA P-384 private key (`gateway keygen`)."
    )
    signing_key: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="The private key itself as PEM text, where no file is wanted.",
    )
    simulator: bool | None = Field(
        default=None,
        description="Offer the fields that call the provider's simulator; unset: only where the "
        "provider is not production.",
    )
    connect_timeout: Seconds = Field(default=2, description="Longest wait for a connection.")
    read_timeout: Seconds = Field(default=10, description="Longest wait for the provider's answer.")
    write_timeout: Seconds = Field(default=5, description="Longest wait while sending.")
    pool_timeout: Seconds = Field(
        default=1, description="Longest wait for a free place before `OVERLOADED`."
    )
    call_deadline: Seconds = Field(
        default=20, description="Longest time for one provider call, all its attempts included."
    )
    max_attempts: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Most attempts of one provider call; waits for a key in flight do not count.",
    )
    max_connections: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most calls to the provider in flight at once, without the fetch of an access "
        "token. Callers take turns. A tenth of the places is kept for mutations, and of 10 or more "
        "another tenth for reads of callers who do not have all the other places.",
    )
    max_card_reads: int = Field(
        default=50,
        ge=1,
        le=10_000,
        description="Most reads of cards, accounts, transactions and lists at once within one "
        "operation.",
    )
    breaker_failures: int = Field(
        default=10, ge=1, description="Failed attempts in a row after which reads fail at once."
    )
    breaker_pause: Seconds = Field(
        default=5, description="How long they do before one read may try again."
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

    @field_validator("signing_key_id")
    @classmethod
    def _keeps_its_spelling(cls, value: str) -> str:
        # A verifier may compare keyid as a string (RFC 9421 section 2.3).
        return checks.uuid_text(value)

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
