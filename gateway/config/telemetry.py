"""Telemetry: what is logged."""

import secrets
from typing import Literal, Self

from pydantic import Field, SecretStr

from gateway.config.loading import Loadable


class TelemetrySettings(Loadable):
    """What is logged."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    log_subjects: Literal["hashed", "raw"] = Field(
        default="hashed",
        description="How log lines name callers: by a keyed hash of the token's `sub`, or by the "
        "`sub` itself (`raw`).",
    )
    subject_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that the hash is keyed with, such as 32 random bytes in hexadecimal; "
        "the same in all gateways whose logs are compared. Unset: random at each start.",
    )

    @property
    def lacks_subject_key(self) -> bool:
        """Whether callers are hashed, and nothing says with which key."""
        return self.log_subjects == "hashed" and not self.subject_key.get_secret_value()

    def with_random_subject_key(self) -> Self:
        """A copy whose key nobody knows, of 32 bytes."""
        return self.model_copy(update={"subject_key": SecretStr(secrets.token_hex(32))})
