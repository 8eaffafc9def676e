"""Settings: what can be set, where it is read from, and how a refusal is worded."""

from gateway.config.checks import OFF, host_name, is_loopback
from gateway.config.files import Unreadable, file_reason, read_text
from gateway.config.settings import DevSettings, DocumentSettings, ServeSettings, Settings
from gateway.config.wording import expected

__all__ = [
    "OFF",
    "DevSettings",
    "DocumentSettings",
    "ServeSettings",
    "Settings",
    "Unreadable",
    "expected",
    "file_reason",
    "host_name",
    "is_loopback",
    "read_text",
]
