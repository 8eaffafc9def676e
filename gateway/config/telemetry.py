"""Telemetry: what is logged."""

from typing import Literal

from pydantic import Field

from gateway.config.loading import Loadable


class TelemetrySettings(Loadable):
    """What is logged."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
