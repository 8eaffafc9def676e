"""The callers: who is let in, and how often each may ask."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.loading import Loadable
from gateway.config.wording import not_set

_OLD_NAMES = {
    "rate_limit_read": "card",
    "rate_limit_issue": "issueVirtualCard",
    "rate_limit_simulate": "simulateCardIssue",
}
"""Settings from before GATEWAY_RATE_LIMITS, each with the field whose rate limit it sets."""


class CallerSettings(Loadable):
    """Who is let in, and how often each caller may ask."""

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
    rate_limit_read: str | None = Field(
        default=None, description="The rate limit of `card`, where `GATEWAY_RATE_LIMITS` has none."
    )
    rate_limit_issue: str | None = Field(
        default=None, description="The same for `issueVirtualCard`."
    )
    rate_limit_simulate: str | None = Field(
        default=None, description="The same for `simulateCardIssue`."
    )
    rate_limits: Mapping[str, str] = Field(
        default={},
        validate_default=True,
        description="How often a caller known by `jwt` may use a field, as JSON: "
        '`{"issueVirtualCard": "60/minute"}`; `off`: no limit; `documents` counts '
        "documents that are new to the gateway or refused. The others keep the rate limit in "
        "[Who is let in](#who-is-let-in).",
    )
    rate_limit_store: SecretStr = Field(
        default=SecretStr(""),
        description="Where requests are counted: `async+redis://host:6379`, or the same with "
        "`async+valkey`, and with TLS `async+rediss` or `async+valkeys`, for gateways that share "
        "their counts; unset: in each gateway's memory.",
    )

    rate_limit_store_required: bool = Field(
        default=False,
        description="Refuse what has a rate limit as `OVERLOADED` while that store is unavailable; "
        "else each gateway counts in its memory meanwhile.",
    )

    @field_validator("jwt_keys", "jwt_issuer", "jwt_audience")
    @classmethod
    def _needed_for_jwt(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "jwt" and not value:
            raise not_set("is not set, and GATEWAY_AUTH=jwt needs it")
        return checks.key_set(value) if info.field_name == "jwt_keys" and value else value

    @field_validator(*_OLD_NAMES)
    @classmethod
    def _rate(cls, value: str | None) -> str | None:
        return None if value is None else checks.rate(value)

    @field_validator("rate_limits", mode="before")
    @classmethod
    def _rates(cls, value: Any) -> Any:
        return checks.rates(value)

    @field_validator("rate_limits")
    @classmethod
    def _set_once(cls, value: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        rates = dict(value)
        for name, field in _OLD_NAMES.items():
            rate = info.data.get(name)
            if rate is not None and field in value:
                raise ValueError(f"sets {field}, as GATEWAY_{name.upper()} does; keep one of them")
            if rate is not None:
                rates[field] = rate
        return rates

    @field_validator("rate_limit_store")
    @classmethod
    def _usable_store(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            checks.store(value.get_secret_value())
        return value

    @field_validator("rate_limit_store_required")
    @classmethod
    def _has_store(cls, value: bool, info: ValidationInfo) -> bool:
        store = info.data.get("rate_limit_store")
        if value and store is not None and not store.get_secret_value():
            raise ValueError("is set, and GATEWAY_RATE_LIMIT_STORE is not")
        return value
