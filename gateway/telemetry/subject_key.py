"""The key that callers are hashed with in the log."""

from typing import TypeVar

from gateway.config import TelemetrySettings
from gateway.events import Sink, SubjectKeyMade

S = TypeVar("S", bound=TelemetrySettings)


def with_subject_key(settings: S, emit: Sink) -> S:
    """The same settings with a subject key: a random one where it is needed and none is set.

    Processes that should name a caller alike get it from the process that starts them.
    """
    if not settings.lacks_subject_key:
        return settings
    emit(SubjectKeyMade())
    return settings.with_random_subject_key()
