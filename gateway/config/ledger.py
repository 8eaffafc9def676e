"""The ledger of idempotency keys: where it is kept, and for how long keys are sent again."""

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.loading import Loadable


def default_ledger() -> SecretStr:
    """The file of ``gateway serve``: where the XDG Base Directory Specification has users' data."""
    data = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return SecretStr(f"sqlite:{folder / 'card-gateway' / 'ledger.db'}")


class LedgerSettings(Loadable):
    """Where idempotency keys are remembered, and whether mutations need one."""

    ledger: SecretStr = Field(
        default=SecretStr("memory"),
        description="Where idempotency keys are remembered: `memory`, for one process and as long "
        "as it lives; `sqlite:PATH`, a file that outlives it and that the processes of one machine "
        "share; or `postgresql://user:password@host/database` (14 or newer, with the extra "
        "`postgres`), which any number of machines share. Unset, `gateway serve` takes "
        "`card-gateway/ledger.db` in the folder for the user's data (`XDG_DATA_HOME`, else "
        "`~/.local/share`).",
    )
    require_idempotency_key: bool = Field(
        default=False,
        description="Refuse mutations without an idempotency key. A load balancer that sends a "
        "POST again makes a second card where there is none.",
    )
    max_idempotency_records: int = Field(
        default=1_000_000,
        ge=1,
        description="Most idempotency keys that `memory` remembers, each for 30 days in under 600 "
        "bytes; when they are reached, new keys are refused (`OVERLOADED`).",
    )
    issue_limit_per_account: int | None = Field(
        default=None,
        ge=1,
        description="Most cards that are issued for one account in any 24 hours, by all gateways "
        "that share the ledger, those included whose outcome is not known. Unset: no limit. More "
        "are refused as `RATE_LIMITED`; an idempotency key that is known is never refused for it.",
    )
    provider_key_life: float = Field(
        default=3600,
        ge=600,
        le=30 * 24 * 3600,
        description="Seconds that the provider remembers an idempotency key. No signature of a "
        "request holds longer.",
    )
    send_window: float = Field(
        default=2700,
        ge=0,
        description="Seconds for which a request with a key is sent again; what became of later "
        "ones is found out from the provider's cards. At least 5 minutes less than "
        "GATEWAY_PROVIDER_KEY_LIFE.",
    )

    @field_validator("ledger")
    @classmethod
    def _usable_ledger(cls, value: SecretStr) -> SecretStr:
        checks.ledger(value.get_secret_value())
        return value

    @field_validator("send_window")
    @classmethod
    def _within_the_key_life(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("provider_key_life", 3600) - 300:
            raise ValueError("must be at least 300 less than GATEWAY_PROVIDER_KEY_LIFE")
        return value


class LastingLedgerSettings(LedgerSettings):
    """The ledger of ``gateway serve`` and of its commands: a file unless that is set otherwise."""

    ledger: SecretStr = Field(default_factory=default_ledger)
