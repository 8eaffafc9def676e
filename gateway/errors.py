"""The error tree: what can go wrong, under a stable code, in words that are safe to show.

    GatewayError                      code, retryable, message, .extensions
    ├─ ConfigError                    start-up only: every problem of the settings at once
    ├─ InvalidInput                   + field: which part of the caller's input is wrong
    ├─ NotAuthenticated · IdentityUnavailable · NotAllowed
    ├─ SimulatorDisabled              the simulator exists in test environments only
    ├─ IdempotencyConflict            same key, other input
    ├─ Overloaded · DeadlineExceeded  the gateway is full, or out of time; nothing was sent
    ├─ SigningError · SignatureInvalid
    └─ ProviderError
       ├─ NotFound · InvalidState · Refused     the provider said no (final)
       ├─ RateLimited                           + retry_after, in seconds
       ├─ ProviderUnavailable                   a read failed, or this write was not carried out
       ├─ OutcomeUnknown                        a write left, no answer: how long to repeat
       └─ ProviderProtocolError                 answered, but not as documented

Messages name fields and next steps, never a value, a header, a body or card data: whoever
raises an error may rely on its message reaching the caller and the log. graphql-core copies a
dict-valued ``extensions`` from the original exception, so nothing here imports GraphQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self


class GatewayError(Exception):
    """Anything that the gateway reports on purpose; ``message`` is safe to show to the caller."""

    code: ClassVar[str] = "INTERNAL"
    retryable: bool = False
    sent: bool = False
    """Whether the request that failed may have reached the provider."""

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


class ConfigError(GatewayError):
    """The settings cannot be used; ``problems`` lists every reason, one sentence each."""

    code = "CONFIG"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InvalidInput(GatewayError):
    """The caller's input is wrong in ``field``, a dotted path such as ``input.accountId``."""

    code = "BAD_USER_INPUT"

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


class IdentityUnavailable(GatewayError):
    """Callers cannot be told apart now: the keys that prove them cannot be had."""

    code = "IDENTITY_UNAVAILABLE"
    retryable = True


class NotAllowed(GatewayError):
    """The caller is known and may not do this."""

    code = "NOT_ALLOWED"


class SimulatorDisabled(GatewayError):
    """The simulator was asked for where it does not exist."""

    code = "SIMULATOR_DISABLED"


class IdempotencyConflict(GatewayError):
    """The idempotency key was used before with another input."""

    code = "IDEMPOTENCY_CONFLICT"


class Overloaded(GatewayError):
    """The gateway is at its limit of concurrent calls or of keys; nothing was sent."""

    code = "OVERLOADED"
    retryable = True


class DeadlineExceeded(GatewayError):
    """The operation took too long; what had not been sent by then was not sent."""

    code = "DEADLINE_EXCEEDED"
    retryable = True


class SigningError(GatewayError):
    """A key or a message cannot be used for signing."""

    code = "SIGNING"


class SignatureInvalid(GatewayError):
    """A signature or a content digest does not hold."""

    code = "SIGNATURE_INVALID"


class ProviderError(GatewayError):
    """The provider, or the way to it, is the reason."""

    code = "PROVIDER"


class NotFound(ProviderError):
    """The provider knows no such account or card."""

    code = "NOT_FOUND"


class InvalidState(ProviderError):
    """The card's status does not permit this."""

    code = "INVALID_STATE"


class Refused(ProviderError):
    """The provider refused the request as such; sending it again would not help."""

    code = "REFUSED"


class RateLimited(ProviderError):
    """The provider asks to slow down; ``retry_after`` is its hint in seconds, if it gave one."""

    code = "RATE_LIMITED"
    retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def extensions(self) -> dict[str, Any]:
        """The code and the hint."""
        return {**super().extensions, "retryAfter": self.retry_after}


class ProviderUnavailable(ProviderError):
    """A read failed, or this attempt at a modifying call was not carried out.

    Of earlier requests with the same idempotency key it says nothing.
    """

    code = "PROVIDER_UNAVAILABLE"
    retryable = True


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
    retryable = True

    def __init__(self, message: str, *, promise: Promise, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.promise = promise


class ProviderProtocolError(ProviderError):
    """The provider answered, but not as documented."""

    code = "PROVIDER_PROTOCOL_ERROR"
