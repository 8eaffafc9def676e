"""Errors of a request with an idempotency key: what the gateway did not carry out, and why."""

from enum import Enum
from typing import Any

from gateway.errors.base import GatewayError


class IdempotencyConflict(GatewayError):
    """The idempotency key was used before with another input."""

    code = "IDEMPOTENCY_CONFLICT"
    meaning = "The key was used with another input."
    advice = "Use a new key."
    operator_advice = "Nothing; a client that does so often makes its keys wrongly."
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
    operator_advice = (
        "Where `limitedBy` is GATEWAY, see GATEWAY_RATE_LIMITS and "
        "GATEWAY_ISSUE_LIMIT_PER_ACCOUNT; where it is PROVIDER, ask the provider for more."
    )
    in_results = True
    status = 429
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
    operator_advice = (
        "Look for slow `provider_call` lines and `idempotency_records_full`; raise "
        "GATEWAY_MAX_CONNECTIONS, or add workers."
    )
    in_results = True
    status = 503
    retryable = True
    retry_after = 1.0


class DeadlineExceeded(GatewayError):
    """The operation took too long; what had not been begun by then was not carried out."""

    code = "DEADLINE_EXCEEDED"
    meaning = "The document took too long for this request to be carried out."
    advice = "Ask for less at once."
    operator_advice = (
        "Look for slow `provider_call` lines; see GATEWAY_QUERY_DEADLINE and "
        "GATEWAY_MUTATION_DEADLINE."
    )
    in_results = True
    retryable = True


class LedgerUnavailable(GatewayError):
    """What is known of idempotency keys cannot be read or written now: nothing was sent."""

    code = "LEDGER_UNAVAILABLE"
    meaning = "The ledger of idempotency keys cannot be used now; this request was not carried out."
    advice = "Retry with the same key in a moment."
    operator_advice = (
        "The line `ledger_unavailable` has the reason; bring the store of GATEWAY_LEDGER back."
    )
    in_results = True
    retryable = True


class AuditUnavailable(GatewayError):
    """The audit trail cannot be written now, and nothing is sent without it."""

    code = "AUDIT_UNAVAILABLE"
    meaning = "The audit trail cannot be written now; this request was not carried out."
    advice = "Retry with the same key in a moment."
    operator_advice = (
        "The line `audit_unavailable` has the reason; make GATEWAY_AUDIT_FILE writable again."
    )
    in_results = True
    retryable = True

    def __init__(self) -> None:
        super().__init__("The gateway cannot write its audit trail now; try again in a moment.")


class MutationsPaused(GatewayError):
    """The operator has switched mutations off, or new ones; nothing was sent."""

    code = "MUTATIONS_PAUSED"
    meaning = "The operator has paused mutations; this request was not carried out."
    advice = "Retry with the same key later."
    operator_advice = "See GATEWAY_MUTATIONS; set it to on and send SIGHUP to end the pause."
    in_results = True
    retryable = True

    def __init__(self) -> None:
        super().__init__("Mutations are paused; send this one again later, with the same key.")


class NotExecuted(GatewayError):
    """The call of this key had no effect and will have none: it is too late to carry it out."""

    code = "NOT_EXECUTED"
    meaning = "This request had no effect and will have none."
    advice = "Send it with a new key, if it is still wanted."
    operator_advice = "Nothing; where clients get it for new clicks, a clock is wrong."
    in_results = True
