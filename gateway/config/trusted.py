"""Trusted documents: the manifest, and whether others are run."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.config import checks
from gateway.config.files import check_named
from gateway.config.loading import Loadable


class TrustedDocumentSettings(Loadable):
    """Which trusted documents there are, and whether others are run."""

    documents: tuple[Path, ...] = Field(
        default=(),
        description="Manifest of trusted documents (`gateway documents build`), or several as "
        'JSON: `["web.json", "app.json"]`.',
    )
    documents_mode: Literal["off", "prefer", "only"] = Field(
        default="off", description="Trusted documents: not used, used beside others, or only they."
    )

    @field_validator("documents", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        return checks.paths(value, "web.json", "app.json")

    @field_validator("documents")
    @classmethod
    def _readable_files(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for number, path in enumerate(value, start=1):
            try:
                check_named(path)
            except ValueError as error:
                raise ValueError(f"entry {number} {error}" if len(value) > 1 else error) from None
        return value

    @field_validator("documents_mode")
    @classmethod
    def _needs_documents(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and not info.data.get("documents", True):
            raise ValueError(f"{value} needs a manifest in GATEWAY_DOCUMENTS")
        return value
