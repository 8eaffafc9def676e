"""Settings as one frozen value: read from all sources, and refused with every problem at once."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.config.sources import ENV_FILE, PREFIX, Sources, read_sources
from gateway.config.wording import NOT_SET, expected, reason
from gateway.errors import ConfigError

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Loadable(BaseModel):
    """What all settings have in common. An empty text is not set, whoever says it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if not isinstance(value, str) or value.strip()
        }

    @classmethod
    def load(cls, *, beside: Collection[str] = (), **given: Any) -> Self:
        """Read the environment, ``.env`` and ``GATEWAY_SECRETS_DIR``; ``given`` wins over all.

        ``beside`` are the names of settings that this class does not have: they are passed over.
        Raises ConfigError with every problem at once, each naming its variable, never a value.
        """
        found = read_sources(os.environ, Path(ENV_FILE), {*cls.model_fields, *beside})
        values = {name: found.values[name] for name in found.values if name in cls.model_fields}
        return cls._checked(values | given, found)

    @classmethod
    def inspected(cls) -> tuple[Self | None, Sources, tuple[str, ...]]:
        """What ``load`` reads, where it stands, and instead of an error all problems.

        The settings are None where there are problems.
        """
        found = read_sources(os.environ, Path(ENV_FILE), cls.model_fields)
        try:
            return cls._checked(found.values, found), found, ()
        except ConfigError as error:
            return None, found, error.problems

    @classmethod
    def of(cls, **given: Any) -> Self:
        """These settings alone: nothing is read. Raises ConfigError as ``load`` does."""
        return cls._checked(given, Sources())

    @classmethod
    def _checked(cls, values: dict[str, Any], found: Sources) -> Self:
        problems = dict(found.problems)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            for one in error.errors():
                if found.complete or one["type"] not in {"missing", NOT_SET}:
                    name = str(one["loc"][0])
                    problems.setdefault(PREFIX + name.upper(), cls._reason(name, one))
        if problems:
            raise ConfigError([f"{name}: {reason}" for name, reason in problems.items()])
        return settings

    @classmethod
    def _reason(cls, name: str, problem: Any) -> str:
        if name not in cls.model_fields:
            return "is not a setting"
        field = cls.model_fields[name]
        return reason(problem, expected(field.annotation, field.metadata))
