"""Settings that a running gateway takes up anew: the switch for mutations, and where they stand."""

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field

from gateway.config.loading import Loadable

MutationMode: TypeAlias = Literal["on", "repeats-only", "off"]


class ReloadableSettings(Loadable):
    """What is changed without a restart, and the file that it is read from."""

    mutations: MutationMode = Field(
        default="on",
        description="Whether mutations are carried out. `repeats-only`: new ones are refused as "
        "`MUTATIONS_PAUSED`, except `deactivateCard` and `terminateCard`; replays and repeats of "
        "calls whose outcome is not known go on. `off`: all are refused.",
    )
    reload_file: Path | None = Field(
        default=None,
        description="File like `.env` for `GATEWAY_MUTATIONS`, `GATEWAY_LOG_LEVEL`, "
        "`GATEWAY_RATE_LIMITS`, `GATEWAY_DOCUMENTS` and `GATEWAY_JWT_KEYS`. It wins over the "
        "environment, and SIGHUP has `gateway serve` read it anew, with the files that they name.",
    )
