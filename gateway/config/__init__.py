"""Settings: what can be set, where it is read from, and how a refusal is worded."""

from gateway.config.admin import AdminSettings
from gateway.config.audit import AuditSettings
from gateway.config.callers import CallerSettings
from gateway.config.checks import OFF, host_name, is_loopback, uuid_text
from gateway.config.documents import DocumentSettings
from gateway.config.effective import Effective, effective
from gateway.config.files import Unreadable, file_reason, read_bytes, read_text
from gateway.config.ledger import LastingLedgerSettings, LedgerSettings, default_ledger
from gateway.config.provider import ProviderSettings
from gateway.config.rates import Rate
from gateway.config.reloading import MutationMode, ReloadableSettings
from gateway.config.server import ServerSettings
from gateway.config.settings import DevSettings, ResolveSettings, ServeSettings, Settings
from gateway.config.sources import RELOADABLE
from gateway.config.telemetry import TelemetrySettings
from gateway.config.tracing import TracingVariables
from gateway.config.trusted import TrustedDocumentSettings
from gateway.config.wording import expected, one_of

__all__ = [
    "OFF",
    "RELOADABLE",
    "AdminSettings",
    "AuditSettings",
    "CallerSettings",
    "DevSettings",
    "DocumentSettings",
    "Effective",
    "LastingLedgerSettings",
    "LedgerSettings",
    "MutationMode",
    "ProviderSettings",
    "Rate",
    "ReloadableSettings",
    "ResolveSettings",
    "ServeSettings",
    "ServerSettings",
    "Settings",
    "TelemetrySettings",
    "TracingVariables",
    "TrustedDocumentSettings",
    "Unreadable",
    "default_ledger",
    "effective",
    "expected",
    "file_reason",
    "host_name",
    "is_loopback",
    "one_of",
    "read_bytes",
    "read_text",
    "uuid_text",
]
