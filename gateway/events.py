"""What happened, as frozen values, and where it is told.

Each fact is emitted once, by whoever knows it; sinks decide what to do with it (logs are one). No
event holds a card, an address, a token, a key or an exception (whose text may quote values, and
whose frames hold them all): what is here may be kept. Durations are in seconds.
"""

import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

_FRAMES = 8  # of a traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnded:
    """One HTTP request to ``/graphql`` was answered.

    ``caller`` (never the subject of a token, unless a setting says so) is None where nobody was
    identified; ``operation`` (its name), ``kind`` and
    ``fields`` (of the root) are empty where none was executed. ``errors`` are codes, those of
    failures in results included.
    """

    status: int
    duration: float
    caller: str | None = None
    operation: str | None = None
    kind: str | None = None
    fields: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCallEnded:
    """One call to the provider has ended, after ``attempts`` attempts.

    ``route`` is the path with placeholders. ``outcome`` is that of the last attempt, and ``cause``
    the class of what broke it. ``hint`` says what the operator should do, where that is known.
    """

    method: str
    route: str
    status: int | None
    outcome: str
    cause: str | None
    attempts: int
    duration: float
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """One attempt of such a call has ended; the facts are those of ``ProviderCallEnded``."""

    method: str
    route: str
    status: int | None
    outcome: str
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFieldsUnreadable:
    """The provider sent a card of which these ``fields`` are not as documented.

    They are shown as null. Of a card that a call has just made, even a date can be among them.
    """

    route: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged:
    """The circuit breaker for reads has opened, for ``pause`` seconds at least, or closed."""

    state: str
    failures: int
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerChosen:
    """The library that signs requests from now on: ``aws-lc`` or ``openssl``."""

    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRenewed:
    """The provider gave a new access token, which is good for ``lifetime`` seconds."""

    lifetime: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsHeldBack:
    """No request is sent for so many seconds, nor one after them before a probe was answered.

    ``of`` is ``api``, where the provider asked for it, or ``access_token``, where none was given:
    ``code`` is that of the error.
    """

    of: str
    seconds: float
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkewChanged:
    """The provider's clock has gone out of the tolerance, or come back; ``seconds`` ahead of us."""

    seconds: float
    within_tolerance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRefused:
    """A request was refused before it was known what it asks for; ``code`` and ``reason`` say why.

    ``key_id`` is the ``kid`` of its token and ``peer`` the address of the other end of the
    connection, both as ``telemetry`` shows them; nothing else of the token is here.
    """

    code: str
    reason: str
    key_id: str | None
    peer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightRefused:
    """A browser asked for a page of another web origin, and was refused (CORS).

    ``reason`` is ``origin``, ``method``, ``header`` or ``private network``; ``header`` is the name
    of the first header that is not allowed.
    """

    reason: str
    header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitHit:
    """A caller's request was not carried out because of the gateway's rate limit of ``field``."""

    caller: str
    field: str
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLimitHit:
    """No card was issued, because its account has as many as it may have in 24 hours."""

    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitStoreChanged:
    """The store of shared counts has failed, with an error of class ``error``, or answers again."""

    available: bool
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKeysUnavailable:
    """The keys of the identity provider cannot be fetched; ``kept`` are those that still hold.

    ``error`` is the class of what went wrong.
    """

    error: str
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKeyRefused:
    """A key of the identity provider is passed over, for this ``reason``; told once for each key.

    ``key_id`` is its ``kid`` as ``telemetry.loggable`` shows it.
    """

    key_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKeysExpired:
    """The keys of the identity provider were fetched ``seconds`` ago, and hold no longer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SubjectKeyMade:
    """Callers are hashed with a random key: their names in the log end with this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRefused:
    """A document was not executed; ``codes`` say why, and ``limits`` name those that it passes."""

    codes: tuple[str, ...]
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickSettled:
    """The call of an idempotency key has ended in this ``state``.

    None: nothing was carried out, and the key is forgotten. ``resumed``: an earlier run of the
    call may have been carried out.
    """

    state: str | None
    resumed: bool
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaimed:
    """The right to send the call of an idempotency key was taken.

    ``how`` is ``new``, ``taken_over`` (from a gateway that has not said what came of its call) or
    ``resent`` (a call that does no harm twice, after the provider has forgotten its key).
    """

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswered:
    """A request with an idempotency key was told what became of its call.

    ``outcome`` is ``done``, ``replayed`` (it was done earlier), ``coalesced`` (another request
    with the key had begun it), ``conflict``, ``not_executed``, ``indeterminate`` or ``not_sent``.
    """

    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStepEnded:
    """The store of the ledger was asked for one ``step``, such as ``look`` or ``claim``."""

    step: str
    duration: float
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFull:
    """New idempotency keys are refused: as many are remembered as may be."""

    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAlarm:
    """What must not happen has happened to a key, and somebody should look; ``what`` is one of

    ``lost_entries`` (a row that was written is not there: the ledger was reset, or has lost
    writes), ``late_success`` (a call was carried out after another request had taken its key
    over) and ``card_of_another_key`` (the provider answered two keys with one card, or one key
    with two).
    """

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChanged:
    """The ledger has failed, for the reason ``problem``, or works again (None)."""

    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationsSwitched:
    """From now on mutations are ``on``, ``repeats-only`` or ``off``; told at the start as well."""

    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationRefused:
    """A mutation was refused because of that ``mode``."""

    field: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReloaded:
    """Settings were read anew and hold; ``changed`` are the variables whose values are others."""

    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRefused:
    """Settings were read anew, and cannot be used: those from before go on to hold."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditChanged:
    """The audit trail cannot be written, for the reason ``problem``, or can again (None)."""

    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLineWritten:
    """A line of the audit trail is on the disk; ``event`` is ``begun`` or ``ended``."""

    event: str


@dataclass(frozen=True, slots=True)
class AuditLineLost:
    """A line of the audit trail is given up: too many wait for its disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """Where the chain of this process stands (``CHAIN:SEQ:MAC``): so many lines were written."""

    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCounted:
    """How many keys of the ledger are not resolved, and the age of the oldest in seconds.

    Those of all processes that share the store; ``oldest`` is 0 where there is none.
    """

    sending: int
    indeterminate: int
    oldest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSize:
    """What a cache of this process holds."""

    cache: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSampled:
    """What is so now in this process; told every two seconds where metrics are kept.

    Durations and ages are in seconds; None: there is none, or it is not known. ``loop_lag`` is the
    longest that the event loop was late by since the last sample.
    """

    breaker: str
    calls_in_progress: int
    calls_waiting: int
    calls_limit: int
    token_age: float | None
    clock_skew: float | None
    jwks_age: float | None
    caches: tuple[CacheSize, ...]
    loop_lag: float
    log_lines_dropped: int
    open_descriptors: int | None
    most_descriptors: int | None
    memory: int | None
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanExportChanged:
    """The collector of traces does not take spans, which are dropped then, or takes them again."""

    works: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedError:
    """A fault of the gateway: the class of the error, and the lines where it passed."""

    error: str
    places: tuple[str, ...]

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """What may be told of an error."""
        return cls(error=type(error).__name__, places=places_of(error))


@dataclass(frozen=True, slots=True)
class ServerEnds:
    """The server was told to end; connections are accepted for so many seconds more."""

    readiness_delay: float


@dataclass(frozen=True, slots=True)
class SupervisorGone:
    """The process that hands connections to this one has ended: so does this one."""


@dataclass(frozen=True, slots=True)
class RequestsCutOff:
    """So many requests were not answered: they took longer than the end of the server may take."""

    requests: int


@dataclass(frozen=True, slots=True)
class ConnectionsClosed:
    """So many connections that waited for a request were ``closed`` since the last such event.

    They were closed because there were too many: ``open`` of them.
    """

    open: int
    closed: int


@dataclass(frozen=True, slots=True)
class ConnectionsCounted:
    """So many connections of clients are open now; told every two seconds."""

    open: int


@dataclass(frozen=True, slots=True)
class ConnectionsNotAccepted:
    """The process has no descriptor left for another connection."""

    error: str


@dataclass(frozen=True, slots=True)
class HttpRequestRefused:
    """What a client sent was too large or too slow, or no HTTP/1.1; the answer had this status."""

    status: int


Event: TypeAlias = (
    OperationEnded
    | ProviderCallEnded
    | AttemptEnded
    | CardFieldsUnreadable
    | BreakerChanged
    | SignerChosen
    | TokenRenewed
    | RequestsHeldBack
    | ClockSkewChanged
    | CallerRefused
    | PreflightRefused
    | RateLimitHit
    | IssueLimitHit
    | RateLimitStoreChanged
    | IdentityKeysUnavailable
    | IdentityKeyRefused
    | IdentityKeysExpired
    | SubjectKeyMade
    | DocumentRefused
    | ClickSettled
    | KeyClaimed
    | KeyAnswered
    | StoreStepEnded
    | LedgerFull
    | LedgerAlarm
    | LedgerChanged
    | MutationsSwitched
    | MutationRefused
    | SettingsReloaded
    | SettingsRefused
    | AuditChanged
    | AuditLineWritten
    | AuditLineLost
    | AuditHead
    | LedgerCounted
    | StateSampled
    | SpanExportChanged
    | UnexpectedError
    | ServerEnds
    | SupervisorGone
    | RequestsCutOff
    | ConnectionsClosed
    | ConnectionsCounted
    | ConnectionsNotAccepted
    | HttpRequestRefused
)
# Takes one event; it must not wait.
Sink: TypeAlias = Callable[[Event], Any]


def places_of(error: BaseException) -> tuple[str, ...]:
    """Module and line of the last frames that an error passed, the innermost last."""
    frames = list(traceback.walk_tb(error.__traceback__))[-_FRAMES:]
    return tuple(f"{frame.f_globals.get('__name__')}:{line}" for frame, line in frames)


def to_all(sinks: Iterable[Sink]) -> Sink:
    """Hands each event to all sinks; one that fails stops neither the others nor the caller."""
    each = tuple(sinks)

    def emit(event: Event) -> None:
        for sink in each:
            try:
                sink(event)
            except Exception:
                # The handlers of this log show class and place of an error.
                logging.getLogger(__name__).exception("an event sink failed")

    return emit


def to_nobody(_event: Event) -> None:
    """Drops all events."""
