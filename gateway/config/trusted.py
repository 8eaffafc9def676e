"""Trusted documents: the manifest, and whether others are run."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.config.files import check_named
from gateway.config.loading import Loadable


class TrustedDocumentSettings(Loadable):
    """Which trusted documents there are, and whether others are run."""

    documents: Path | None = Field(
        default=None, description="Manifest of trusted documents (`gateway documents build`)."
    )
    documents_mode: Literal["off", "prefer", "only"] = Field(
        default="off", description="Trusted documents: not used, used beside others, or only they."
    )

    @field_validator("documents")
    @classmethod
    def _readable_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            check_named(value)
        return value

    @field_validator("documents_mode")
    @classmethod
    def _needs_documents(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and not info.data.get("documents", True):
            raise ValueError(f"{value} needs a manifest in GATEWAY_DOCUMENTS")
        return value
