"""Failures that a frontend can act on, as data: members of the result unions."""

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import strawberry
import structlog

from gateway import errors
from gateway.cards.context import Context
from gateway.cards.history import Key, with_history
from gateway.cards.types import UUIDText

log = structlog.get_logger()


@strawberry.enum(description="What went wrong, stable for programs.")
class ErrorCode(Enum):
    """GraphQL enum ErrorCode: the codes of `errors.py` that can occur in a result."""

    BAD_USER_INPUT = strawberry.enum_value(
        "BAD_USER_INPUT", description="A field of the input is wrong."
    )
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="No such account or card.")
    NOT_ALLOWED = strawberry.enum_value("NOT_ALLOWED", description="You may not do this.")
    REFUSED = strawberry.enum_value("REFUSED", description="The provider refused; final.")
    INVALID_STATE = strawberry.enum_value(
        "INVALID_STATE", description="The card's status does not permit this."
    )
    SIMULATOR_DISABLED = strawberry.enum_value(
        "SIMULATOR_DISABLED", description="There is no simulator here."
    )
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="The key was used with another input."
    )
    PROVIDER_UNAVAILABLE = strawberry.enum_value(
        "PROVIDER_UNAVAILABLE",
        description="The provider cannot be reached; `message` says what is known of the click.",
    )
    RATE_LIMITED = strawberry.enum_value(
        "RATE_LIMITED", description="Rate limit exceeded; retry after `retryAfter` seconds."
    )
    DEADLINE_EXCEEDED = strawberry.enum_value(
        "DEADLINE_EXCEEDED", description="The document took too long for this request to be sent."
    )
    OVERLOADED = strawberry.enum_value(
        "OVERLOADED", description="The gateway is busy; this request was not sent."
    )
    PROVIDER_PROTOCOL_ERROR = strawberry.enum_value(
        "PROVIDER_PROTOCOL_ERROR", description="The provider's answer is not one that it documents."
    )
    OUTCOME_UNKNOWN = strawberry.enum_value(
        "OUTCOME_UNKNOWN", description="It may have happened; repeat with the same key to learn."
    )
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A code newer than this schema.")


@strawberry.interface(description="What every failure says.")
class Error:
    """GraphQL interface Error."""

    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")
    message: str = strawberry.field(description="What went wrong and what to do, for people.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")
    request_id: str = strawberry.field(description="Names this request in the gateway's log.")


@strawberry.type(description="A field of the input is wrong; nothing was sent to the provider.")
class InvalidInput(Error):
    """GraphQL type InvalidInput."""

    field: str = strawberry.field(description="Path of the field, such as input.accountId.")


@strawberry.type(description="There is no such account or card.")
class NotFound(Error):
    """GraphQL type NotFound."""


@strawberry.type(description="The caller may not do this.")
class NotAllowed(Error):
    """GraphQL type NotAllowed."""


@strawberry.type(description="The provider refused the request; sending it again will not help.")
class Refused(Error):
    """GraphQL type Refused."""


@strawberry.type(description="The card's status does not permit this.")
class InvalidState(Error):
    """GraphQL type InvalidState."""


@strawberry.type(description="The simulator exists in test environments only.")
class SimulatorDisabled(Error):
    """GraphQL type SimulatorDisabled."""


@strawberry.type(description="The idempotency key was used before with another input.")
class IdempotencyConflict(Error):
    """GraphQL type IdempotencyConflict."""


@strawberry.type(
    description="This request was not carried out, and can be sent again with the same key. "
    "An earlier request with that key may have worked: `message` says what is known of it."
)
class ProviderUnavailable(Error):
    """GraphQL type ProviderUnavailable."""

    idempotency_key: UUIDText = strawberry.field(description="The key to use when trying again.")
    retry_after: float | None = strawberry.field(
        description="Seconds to wait before trying again, where the provider said so."
    )


@strawberry.type(
    description="The request left and was not answered: it may or may not have happened. "
    "Send it again with this key: it can then not happen twice, and the answer is told."
)
class OutcomeUnknown(Error):
    """GraphQL type OutcomeUnknown."""

    idempotency_key: UUIDText = strawberry.field(description="The key to repeat with.")
    retry_safe_until: datetime = strawberry.field(
        description="Until when a retry with this key is sent, by the gateway's clock."
    )
    retry_safe_seconds: int = strawberry.field(
        description="For how many seconds after this answer a retry with this key is still sent; "
        "for clients whose clock differs from the gateway's."
    )


MUTATION_FAILURES: tuple[type[Error], ...] = (
    InvalidInput,
    NotAllowed,
    IdempotencyConflict,
    ProviderUnavailable,
    OutcomeUnknown,
)
"""What every mutation can end with, whatever its endpoint."""

_MEMBERS: dict[type[errors.GatewayError], type[Error]] = {
    errors.InvalidInput: InvalidInput,
    errors.NotFound: NotFound,
    errors.NotAllowed: NotAllowed,
    errors.Refused: Refused,
    errors.InvalidState: InvalidState,
    errors.SimulatorDisabled: SimulatorDisabled,
    errors.IdempotencyConflict: IdempotencyConflict,
    errors.ProviderUnavailable: ProviderUnavailable,
    errors.RateLimited: ProviderUnavailable,
    errors.Overloaded: ProviderUnavailable,
    errors.DeadlineExceeded: ProviderUnavailable,
    errors.ProviderProtocolError: ProviderUnavailable,
    errors.OutcomeUnknown: OutcomeUnknown,
}


def as_member(
    context: Context, error: Exception, key: Key | None, members: Collection[type[Error]]
) -> Any:
    """The union member that stands for ``error``; ``members`` are those that the result has.

    ``key`` is None where the request's own could not be read. An error that has no member here
    becomes OutcomeUnknown: it was not foreseen, so nobody knows what had happened by then, and it
    must not take the answers of the document's other mutations with it.
    """
    if key is not None:
        error = with_history(error, key, context.ledger)
    known = error if isinstance(error, errors.GatewayError) else None
    member = _MEMBERS.get(type(known)) if known else None
    if known is None or member is None or member not in members:
        log.error("unexpected_error", error=error)
        known, member = _unforeseen(context, key), OutcomeUnknown
    return member(
        code=ErrorCode[known.code],
        message=known.message,
        retryable=known.retryable,
        request_id=context.request_id,
        **_more(known, str(key.client if key else uuid4())),
    )


def _more(error: errors.GatewayError, key: str) -> dict[str, Any]:
    """The fields that only this failure's type has."""
    match error:
        case errors.InvalidInput():
            return {"field": error.field}
        case errors.OutcomeUnknown(promise=promise):
            return {
                "idempotency_key": key,
                "retry_safe_until": promise.until,
                "retry_safe_seconds": promise.seconds,
            }
        case errors.RateLimited():
            return {"idempotency_key": key, "retry_after": error.retry_after}
    if _MEMBERS.get(type(error)) is ProviderUnavailable:
        return {"idempotency_key": key, "retry_after": None}
    return {}


def _unforeseen(context: Context, key: Key | None) -> errors.OutcomeUnknown:
    return errors.OutcomeUnknown(
        "Something went wrong inside the gateway; it has been logged. "
        "Send the same request again with this idempotencyKey to learn what came of it.",
        promise=context.ledger.promise(key.provider if key else uuid4()),
    )
