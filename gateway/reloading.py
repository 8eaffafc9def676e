"""Settings that are changed while the gateway runs: all of them at once, or none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from gateway.callers import KeySet, KeysUnusable, RateLimits, check_key_file
from gateway.cards import DOCUMENTS, DOCUMENTS_RATE, OPERATIONS, Switch
from gateway.config import (
    OFF,
    RELOADABLE,
    CallerSettings,
    Settings,
    TrustedDocumentSettings,
    file_reason,
)
from gateway.errors import ConfigError
from gateway.events import SettingsRefused, SettingsReloaded, Sink, UnexpectedError
from gateway.graphql import TrustedDocuments
from gateway.telemetry import set_log_level


def rate_rules(settings: CallerSettings) -> dict[str, str]:
    """The rate limit of each operation; raises ConfigError.

    Limits are for callers that are told apart: where all are anyone, one could stop them all.
    """
    rules = {operation.name: operation.rate for operation in OPERATIONS}
    rules[DOCUMENTS] = DOCUMENTS_RATE
    if not rules.keys() >= settings.rate_limits.keys():
        known = ", ".join(rules)
        raise ConfigError([f"GATEWAY_RATE_LIMITS: has an unknown name; known are {known}"])
    rules |= settings.rate_limits
    return rules if settings.auth == "jwt" else dict.fromkeys(rules, OFF)


def trusted_documents(settings: TrustedDocumentSettings) -> TrustedDocuments:
    """The documents of the manifests; raises ConfigError."""
    try:
        return TrustedDocuments.load(*settings.documents)
    except ConfigError as error:
        raise ConfigError([f"GATEWAY_DOCUMENTS: {one}" for one in error.problems]) from error


def key_file(settings: CallerSettings) -> bytes:
    """What the file of the identity provider's keys holds, where it is a file.

    Raises ConfigError.
    """
    if settings.auth != "jwt":
        return b""
    try:
        return check_key_file(settings.jwt_keys)
    except (OSError, KeysUnusable) as error:
        reason = file_reason(error) if isinstance(error, OSError) else error
        raise ConfigError([f"GATEWAY_JWT_KEYS: its file cannot be used: {reason}"]) from error


@dataclass(frozen=True, slots=True)
class Prepared:
    """What new settings bring, all of which can be used."""

    settings: Settings
    rules: dict[str, str]
    trusted: TrustedDocuments
    keys: bytes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read what they name, which may take a second; raises ConfigError with all problems."""
        problems: list[str] = []
        found: list[object] = []
        for read in (rate_rules, trusted_documents, key_file):
            try:
                found.append(read(settings))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        return cls(settings, *found)  # type: ignore[arg-type]  # in the order of its fields


class Reloading:
    """Brings new settings into effect; those of ``RELOADABLE`` alone, whatever else has changed.

    ``source_of`` reads the JWKS of a file or URL.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        switch: Switch,
        limits: RateLimits,
        trusted: TrustedDocuments,
        keys: KeySet | None,
        source_of: Callable[[str], Callable[[], Awaitable[bytes]]],
        emit: Sink,
    ) -> None:
        self._settings = settings
        self._switch = switch
        self._limits = limits
        self._trusted = trusted
        self._keys = keys
        self._source_of = source_of
        self._emit = emit

    async def reload(self, load: Callable[[], Settings]) -> None:
        """Load settings and use them; where they cannot be used, those from before go on to hold.

        Files are read and parsed in a thread: no request waits for that, or sees a part of the
        change.
        """
        try:
            new = await asyncio.to_thread(lambda: Prepared.of(load()))
        except ConfigError as error:
            self._emit(SettingsRefused(problems=error.problems))
            return
        except Exception as error:  # of ours, and no reason to end with all requests
            self._emit(UnexpectedError.of(error))
            return
        changed = self._changed(new)
        self._use(new)
        self._emit(SettingsReloaded(changed=changed))

    def _changed(self, new: Prepared) -> tuple[str, ...]:
        """The variables with other values, and those whose files have another content."""
        old, settings = self._settings, new.settings
        names = {name for name in RELOADABLE if getattr(settings, name) != getattr(old, name)}
        if new.trusted != self._trusted:
            names.add("documents")
        if self._keys is not None and new.keys and not self._keys.came_from(new.keys):
            names.add("jwt_keys")
        return tuple(f"GATEWAY_{name.upper()}" for name in sorted(names))

    def _use(self, new: Prepared) -> None:
        settings = new.settings
        if settings.mutations != self._switch.mode:
            self._switch.turn(settings.mutations)
        set_log_level(settings.log_level)
        self._limits.change(new.rules)
        self._trusted.become(new.trusted)
        if self._keys is not None:
            self._keys.reload(self._source_of(settings.jwt_keys))
        self._settings = settings
