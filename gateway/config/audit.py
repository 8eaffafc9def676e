"""The audit trail: where it is kept, and what holds without it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config.loading import Loadable
from gateway.config.wording import not_set

_LEAST = 32  # bytes of a key: as many as the HMAC has


class AuditSettings(Loadable):
    """Who did what: two lines for each modifying call."""

    audit_file: Path | None = Field(
        default=None,
        description="File of the audit trail, or a stream such as `/dev/stdout`; several processes "
        "may share it. Unset: no trail is kept.",
    )
    audit_key: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="Secret that its lines are chained with, at least 32 bytes, such as 32 random "
        "ones in hexadecimal; whoever has it can tell whether a line was changed.",
    )
    audit_on_failure: Literal["refuse", "continue"] = Field(
        default="refuse",
        description="What becomes of mutations while the trail cannot be written: refused as "
        "`AUDIT_UNAVAILABLE`, or carried out without a line.",
    )
    audit_subjects: Literal["hashed", "raw"] = Field(
        default="hashed",
        validate_default=True,
        description="How the trail names callers: by the hash with GATEWAY_SUBJECT_KEY, which must "
        "then be set, or by the `sub` of their token.",
    )

    @field_validator("audit_key")
    @classmethod
    def _long_enough(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.data.get("audit_file") is None:
            return value
        if not value.get_secret_value():
            raise not_set("is not set, and GATEWAY_AUDIT_FILE needs it")
        if len(value.get_secret_value().encode()) < _LEAST:
            raise ValueError(f"must have at least {_LEAST} bytes")
        return value

    @field_validator("audit_subjects")
    @classmethod
    def _has_key(cls, value: str, info: ValidationInfo) -> str:
        subject_key = info.data.get("subject_key")
        is_needed = info.data.get("audit_file") is not None and info.data.get("auth") == "jwt"
        lacks_key = subject_key is not None and not subject_key.get_secret_value()
        if value == "hashed" and is_needed and lacks_key:
            raise not_set("is hashed, and GATEWAY_SUBJECT_KEY is not set")
        return value
