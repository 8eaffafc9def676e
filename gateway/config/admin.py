"""The admin listener: metrics and the version, apart from what callers reach."""

from pydantic import Field

from gateway.config.loading import Loadable


class AdminSettings(Loadable):
    """Where those who operate the gateway ask it; without a port, nowhere."""

    admin_host: str = Field(
        default="127.0.0.1",
        description="Address that the admin listener binds to. It asks nobody who they are: keep "
        "it out of reach of callers.",
    )
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of the admin listener, which has `/metrics` and `/version`; unset: there "
        "is none, and no metrics are kept.",
    )
