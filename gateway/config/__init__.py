"""Settings: what can be set, where it is read from, and how a refusal is worded."""

from gateway.config.settings import (
    PREFIX,
    ServeSettings,
    Settings,
    is_loopback,
)

__all__ = ["PREFIX", "ServeSettings", "Settings", "is_loopback"]
