"""All settings in one frozen value, which is an instance of each group of settings."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.admin import AdminSettings
from gateway.config.audit import AuditSettings
from gateway.config.callers import CallerSettings
from gateway.config.checks import is_loopback
from gateway.config.documents import DocumentSettings
from gateway.config.ledger import LastingLedgerSettings, LedgerSettings
from gateway.config.provider import ProviderSettings
from gateway.config.reloading import ReloadableSettings
from gateway.config.server import ServerSettings
from gateway.config.telemetry import TelemetrySettings
from gateway.config.trusted import TrustedDocumentSettings
from gateway.config.wording import not_set

# Of several bases, pydantic takes the fields of the last one first; it checks them in this order.


class Settings(
    AuditSettings,
    ReloadableSettings,
    TelemetrySettings,
    AdminSettings,
    LedgerSettings,
    TrustedDocumentSettings,
    DocumentSettings,
    CallerSettings,
    ServerSettings,
    ProviderSettings,
):
    """Everything that can be set; secrets never show in ``repr``."""

    secrets_dir: Path | None = Field(
        default=None, description="Folder with a file per setting, named like it in lower case."
    )
    ignore: str = Field(
        default="",
        description="Variables of other programs whose names begin with `GATEWAY_`, separated by "
        "commas or blanks.",
    )


class DevSettings(Settings):
    """Settings of ``gateway dev``: pages that this machine serves may ask from any port."""

    cors_origin_pattern = checks.LOOPBACK_ORIGIN


class ResolveSettings(LastingLedgerSettings, ProviderSettings):
    """Settings of ``gateway ledger resolve``, which looks into the provider's list of cards."""


class ServeSettings(LastingLedgerSettings, Settings):
    """Settings of a gateway that others can reach: who is let in must have been decided."""

    @field_validator("auth")
    @classmethod
    def _decided(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            raise not_set("is not set; decide who is let in: jwt, none (on loopback) or open")
        if value == "none" and not is_loopback(info.data.get("host", "127.0.0.1")):
            raise ValueError("none is for loopback only; use jwt, or open to let everybody in")
        return value
