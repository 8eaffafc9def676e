"""The error tree: what can go wrong, under a stable code, in words that are safe to show.

    GatewayError                      code, retryable, message, .extensions
    ├─ InternalError                  a fault of the gateway
    ├─ ConfigError                    start-up only: every problem of the settings at once
    ├─ BadRequest                     the HTTP request is not one that can be answered
    │  └─ DocumentNotFound · DocumentNotTrusted
    ├─ RequestInvalid · DocumentTooLarge        the document cannot be executed
    ├─ InvalidInput                   + field: which part of the caller's input is wrong
    ├─ NotAuthenticated · IdentityUnavailable · NotAllowed
    ├─ SimulatorDisabled              the simulator exists in test environments only
    ├─ IdempotencyConflict            same key, other input
    ├─ RateLimited                    + who limits, the gateway or the provider, and for how long
    ├─ Overloaded · DeadlineExceeded  the gateway is full, or out of time: not carried out
    ├─ LedgerUnavailable              what is known of keys cannot be read: not carried out
    ├─ NotExecuted                    a write that never happened, and never will
    ├─ SigningError · SignatureInvalid
    └─ ProviderError
       ├─ NotFound · InvalidState · Refused     the provider said no (final)
       ├─ ProviderUnavailable                   a read failed, or this write was not carried out
       ├─ OutcomeUnknown                        a write left, no answer: how long to repeat
       └─ ProviderProtocolError                 answered, but not as documented

A class with a code of its own says what it means and what to do. ``CODES`` has them all: the enum
of the GraphQL schema and the table of the documentation are made from it.

Messages name fields and next steps, never a value, a header, a body or card data: whoever
raises an error may rely on its message reaching the caller and the log. graphql-core copies a
dict-valued ``extensions`` from the original exception, so nothing here imports GraphQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar, Self


class GatewayError(Exception):
    """Anything that the gateway reports on purpose; ``message`` is safe to show to the caller."""

    code: ClassVar[str] = "INTERNAL"
    meaning: ClassVar[str] = "A fault of the gateway, logged under `requestId`."
    advice: ClassVar[str] = "Tell the operator."
    in_results: ClassVar[bool] = False
    """Whether the code can stand in the result of a mutation."""
    status: int = 500
    """The HTTP status where this stops a request before its execution."""
    retryable: bool = False
    sent: bool = False
    """Whether the request that failed may have reached the provider."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {"code", "meaning", "advice"} & vars(cls).keys()
        if not own:
            return
        if len(own) < 3 or cls.code in CODES:
            raise TypeError(f"{cls.__name__}: a code has a meaning and an advice, and stands once")
        CODES[cls.code] = cls

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def worded(self, message: str) -> Self:
        """The same error with another message; many requests may share this one."""
        twin = type(self).__new__(type(self), message)
        twin.__dict__.update(self.__dict__, message=message)
        return twin

    @property
    def extensions(self) -> dict[str, Any]:
        """What a GraphQL error shows beside its message: the code, and whether to try again."""
        return {"code": self.code, "retryable": self.retryable}


class InternalError(GatewayError):
    """A fault of the gateway, which has been told (``events.UnexpectedError``) where it arose."""

    def __init__(self) -> None:
        super().__init__("Something went wrong inside the gateway; it has been logged.")


CODES: dict[str, type[GatewayError]] = {GatewayError.code: GatewayError}
"""Every code that a client can see, with the class that says what it means."""


class ConfigError(GatewayError):
    """The settings cannot be used; ``problems`` lists every reason, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class BadRequest(GatewayError):
    """The HTTP request cannot be answered; ``headers`` are those of the answer."""

    code = "BAD_REQUEST"
    meaning = "The HTTP request is not a GraphQL request."
    advice = "The message says what to change."
    status = 400

    def __init__(self, message: str, *, status: int = 400, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class DocumentNotFound(BadRequest):
    """No trusted document has this id; code and message are Apollo's, for Apollo's clients."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    meaning = "No trusted document has this id."
    advice = "Send the text, or build the manifest anew."

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class DocumentNotTrusted(BadRequest):
    """The text is not one of the trusted documents, and only those are run."""

    code = "DOCUMENT_NOT_TRUSTED"
    meaning = "Only trusted documents are run here."
    advice = "Send the id of one."

    def __init__(self) -> None:
        super().__init__("Only documents that the gateway knows are run; send the id of one.")


class RequestInvalid(GatewayError):
    """The document, or its variables, cannot be executed."""

    code = "GRAPHQL_REQUEST_INVALID"
    meaning = "The document or its variables do not fit the schema."
    advice = "Correct the document."


class DocumentTooLarge(GatewayError):
    """The document passes a limit."""

    code = "DOCUMENT_TOO_LARGE"
    meaning = "The document passes a limit; the message names it."
    advice = "Ask for less at once."


class InvalidInput(GatewayError):
    """The caller's input is wrong in ``field``, a dotted path such as ``input.accountId``."""

    code = "BAD_USER_INPUT"
    meaning = "A field of the input is wrong; `field` names it."
    advice = "Correct it."
    in_results = True

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field

    @property
    def extensions(self) -> dict[str, Any]:
        """The code and the field."""
        return {**super().extensions, "field": self.field}


class NotAuthenticated(GatewayError):
    """The caller has not shown who it is."""

    code = "NOT_AUTHENTICATED"
    meaning = "The access token is missing or refused."
    advice = "Sign in."
    status = 401


class IdentityUnavailable(GatewayError):
    """Callers cannot be told apart now: the keys that prove them cannot be had."""

    code = "IDENTITY_UNAVAILABLE"
    meaning = "Access tokens cannot be checked now."
    advice = "Repeat in a moment."
    status = 503
    retryable = True


class NotAllowed(GatewayError):
    """The caller is known and may not do this."""

    code = "NOT_ALLOWED"
    meaning = "The caller may not do this."
    advice = "Ask for the right."
    in_results = True
    status = 403


class SimulatorDisabled(GatewayError):
    """The simulator was asked for where it does not exist."""

    code = "SIMULATOR_DISABLED"
    meaning = "There is no simulator in this environment."
    advice = "Use it in a test environment."
    in_results = True


class IdempotencyConflict(GatewayError):
    """The idempotency key was used before with another input."""

    code = "IDEMPOTENCY_CONFLICT"
    meaning = "The key was used with another input."
    advice = "Use a new key."
    in_results = True


class LimitedBy(Enum):
    """Whose rate limit it is."""

    GATEWAY = "GATEWAY"
    PROVIDER = "PROVIDER"


class RateLimited(GatewayError):
    """A rate limit is exceeded; ``retry_after`` is in seconds, None where nobody knows."""

    code = "RATE_LIMITED"
    meaning = "A rate limit is exceeded; `limitedBy` says whose."
    advice = "Retry with the same key after `retryAfter` seconds."
    in_results = True
    retryable = True

    def __init__(self, message: str, *, by: LimitedBy, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.limited_by = by
        self.retry_after = retry_after

    @property
    def extensions(self) -> dict[str, Any]:
        """The code, whose limit it is, and the hint."""
        more = {"limitedBy": self.limited_by.value, "retryAfter": self.retry_after}
        return {**super().extensions, **more}


class Overloaded(GatewayError):
    """The gateway is at its limit of concurrent calls or of keys; nothing was carried out."""

    code = "OVERLOADED"
    meaning = "The gateway is busy; this request was not carried out."
    advice = "Retry with the same key in a moment."
    in_results = True
    retryable = True


class DeadlineExceeded(GatewayError):
    """The operation took too long; what had not been begun by then was not carried out."""

    code = "DEADLINE_EXCEEDED"
    meaning = "The document took too long for this request to be carried out."
    advice = "Ask for less at once."
    in_results = True
    retryable = True


class LedgerUnavailable(GatewayError):
    """What is known of idempotency keys cannot be read or written now: nothing was sent."""

    code = "LEDGER_UNAVAILABLE"
    meaning = "The ledger of idempotency keys cannot be used now; this request was not carried out."
    advice = "Retry with the same key in a moment."
    in_results = True
    retryable = True


class NotExecuted(GatewayError):
    """The call of this key had no effect and will have none: it is too late to carry it out."""

    code = "NOT_EXECUTED"
    meaning = "This request had no effect and will have none."
    advice = "Send it with a new key, if it is still wanted."
    in_results = True


class SigningError(GatewayError):
    """A key or a message cannot be used for signing."""


class SignatureInvalid(GatewayError):
    """A signature or a content digest does not hold."""


class ProviderError(GatewayError):
    """The provider, or the way to it, is the reason."""


class NotFound(ProviderError):
    """The provider knows no such account or card."""

    code = "NOT_FOUND"
    meaning = "There is no such account or card."
    advice = "Check the id."
    in_results = True


class InvalidState(ProviderError):
    """The card's status does not permit this."""

    code = "INVALID_STATE"
    meaning = "The card's status does not permit this."
    advice = "Read the card first."
    in_results = True


class Refused(ProviderError):
    """The provider refused the request as such; sending it again would not help."""

    code = "REFUSED"
    meaning = "The provider refused this request."
    advice = "Do not send it again as it is."
    in_results = True


class ProviderUnavailable(ProviderError):
    """A read failed, or this attempt at a modifying call was not carried out.

    Of earlier requests with the same idempotency key it says nothing. ``retry_after`` is the
    provider's hint in seconds, if it gave one.
    """

    code = "PROVIDER_UNAVAILABLE"
    meaning = "The provider cannot be reached; `message` says what is known of the click."
    advice = "Retry with the same key."
    in_results = True
    retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Promise:
    """Until when a request with the same idempotency key is sent again: a date (UTC), and the
    whole seconds that are left, for clients whose clock is another one."""

    until: datetime
    seconds: int


class OutcomeUnknown(ProviderError):
    """A modifying call left the gateway and was never answered: it may or may not have happened.

    A request with the same idempotency key is safe as long as ``promise`` says.
    """

    code = "OUTCOME_UNKNOWN"
    meaning = "It may have been carried out."
    advice = "Retry with the same key while `retryable`; else look at `candidates`."
    in_results = True
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        promise: Promise | None = None,
        retryable: bool = True,
        candidates: tuple[Any, ...] = (),
        in_flight: bool = False,
        key_known: bool = False,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.promise = promise or Promise(datetime.fromtimestamp(0, UTC), 0)
        self.candidates = candidates
        self.in_flight = in_flight
        self.key_known = key_known


class ProviderProtocolError(ProviderError):
    """The provider answered, but not as documented."""

    code = "PROVIDER_PROTOCOL_ERROR"
    meaning = "The provider's answer is not one that it documents."
    advice = "Tell the operator."
    in_results = True
