"""Failures that a frontend can act on, as data: the members of the result unions.

Each stands for errors of ``gateway.errors``; which ones, ``_MEMBERS`` says.
"""

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias
from uuid import uuid4

import strawberry
from strawberry.types import get_object_definition

from gateway import errors
from gateway.cards.context import Context
from gateway.cards.history import Key, history_of, needs_history, with_history
from gateway.cards.types import Card, CardStatus, UUIDText
from gateway.events import UnexpectedError

_MEANINGS = {code: error.meaning for code, error in errors.CODES.items() if error.in_results}
_MEANINGS["UNKNOWN"] = "A code newer than this schema."

_new_enum: Any = Enum  # mypy only knows members that are written out
ErrorCode: Any = strawberry.enum(
    _new_enum(
        "ErrorCode",
        {code: strawberry.enum_value(code, description=text) for code, text in _MEANINGS.items()},
    ),
    description="What went wrong, stable for programs.",
)


@strawberry.enum(name="LimitedBy", description="Whose rate limit is exceeded.")
class LimitedByValue(Enum):
    """GraphQL enum LimitedBy."""

    GATEWAY = strawberry.enum_value("GATEWAY", description="The gateway's, for each caller.")
    PROVIDER = strawberry.enum_value("PROVIDER", description="The provider's, for the gateway.")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="A limit newer than this schema.")


@strawberry.interface(name="Error", description="What every failure says.")
class ErrorMember:
    """GraphQL interface Error."""

    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")
    message: str = strawberry.field(description="What went wrong and what to do, for people.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")
    request_id: str = strawberry.field(description="Names this request in the gateway's log.")


@strawberry.type(
    name="InvalidInput",
    description="A field of the input is wrong; nothing was sent to the provider.",
)
class InvalidInputMember(ErrorMember):
    """GraphQL type InvalidInput."""

    field: str = strawberry.field(description="Path of the field, such as input.accountId.")


@strawberry.type(name="NotFound", description="There is no such account, card or authorisation.")
class NotFoundMember(ErrorMember):
    """GraphQL type NotFound."""


@strawberry.type(name="NotAllowed", description="The caller may not do this.")
class NotAllowedMember(ErrorMember):
    """GraphQL type NotAllowed."""


@strawberry.type(
    name="Refused",
    description="The provider refused the request; sending it again will not help.",
)
class RefusedMember(ErrorMember):
    """GraphQL type Refused."""


@strawberry.type(
    name="InvalidState",
    description="The status of the card, or of the authorisation, does not permit this; nothing "
    "was changed.",
)
class InvalidStateMember(ErrorMember):
    """GraphQL type InvalidState."""

    status: CardStatus | None = strawberry.field(
        description="The card's status now; null where it cannot be read, and where the refusal is "
        "about an authorisation, whose status `message` names."
    )


@strawberry.type(
    name="SimulatorDisabled", description="The simulator exists in test environments only."
)
class SimulatorDisabledMember(ErrorMember):
    """GraphQL type SimulatorDisabled."""


@strawberry.type(
    name="IdempotencyConflict",
    description="The idempotency key was used before with another input.",
)
class IdempotencyConflictMember(ErrorMember):
    """GraphQL type IdempotencyConflict."""


def _key_to_retry() -> Any:
    """The field ``idempotencyKey`` of a failure after which the request can be sent again."""
    return strawberry.field(description="The key to use when trying again.")


@strawberry.type(
    name="RateLimited",
    description="A rate limit is exceeded. This request was not carried out, and can be sent again "
    "with the same key.",
)
class RateLimitedMember(ErrorMember):
    """GraphQL type RateLimited."""

    idempotency_key: UUIDText = _key_to_retry()
    limited_by: LimitedByValue = strawberry.field(description="Whose limit it is.")
    retry_after: float | None = strawberry.field(
        description="Seconds to wait before trying again; null where the provider did not say."
    )


@strawberry.type(
    name="NotExecuted",
    description="This request had no effect and will have none: a new key is safe.",
)
class NotExecutedMember(ErrorMember):
    """GraphQL type NotExecuted."""


@strawberry.type(
    name="GatewayUnavailable",
    description="The gateway is busy, out of time, without its ledger of keys or its audit trail, "
    "or mutations are paused. This request was not carried out, and can be sent again with the "
    "same key. An earlier request with that key may have worked: `message` says what is known of "
    "it.",
)
class GatewayUnavailableMember(ErrorMember):
    """GraphQL type GatewayUnavailable."""

    idempotency_key: UUIDText = _key_to_retry()


@strawberry.type(
    name="ProviderUnavailable",
    description="The provider did not carry this request out, which can be sent again with the "
    "same key. An earlier request with that key may have worked: `message` says what is known of "
    "it.",
)
class ProviderUnavailableMember(ErrorMember):
    """GraphQL type ProviderUnavailable."""

    idempotency_key: UUIDText = _key_to_retry()
    retry_after: float | None = strawberry.field(
        description="Seconds to wait before trying again, where the provider said so."
    )


@strawberry.type(
    name="OutcomeUnknown",
    description="It may or may not have happened. While `retryable`, send it again with this key: "
    "it can then not happen twice, and the answer is told. Else `candidates` or `currentCard` are "
    "what is known.",
)
class OutcomeUnknownMember(ErrorMember):
    """GraphQL type OutcomeUnknown."""

    idempotency_key: UUIDText = strawberry.field(description="The key to repeat with.")
    retry_safe_until: datetime = strawberry.field(
        description="Until when a retry with this key cannot act twice, by the gateway's clock."
    )
    retry_safe_seconds: int = strawberry.field(
        description="For how many seconds after this answer a retry with this key cannot act "
        "twice; for clients whose clock differs from the gateway's."
    )
    candidates: list[Card] = strawberry.field(
        description="Cards of which one may be this request's, the newest first. Nobody can tell "
        "which, or whether one is; empty while that may still be found out.",
        metadata={"expected_items": 2},  # more than one only where several clicks failed at once
    )
    # Not `card`: successes have that, some as Card!, and one document could not select both.
    current_card: Card | None = strawberry.field(
        description="The card as it is now, where this request was about a card and nobody can "
        "find out any more what came of it. Its `status` may show whether it was carried out."
    )


Member: TypeAlias = type[ErrorMember]

_MEMBERS: dict[type[errors.GatewayError], Member] = {
    errors.InvalidInput: InvalidInputMember,
    errors.NotFound: NotFoundMember,
    errors.NotAllowed: NotAllowedMember,
    errors.Refused: RefusedMember,
    errors.InvalidState: InvalidStateMember,
    errors.SimulatorDisabled: SimulatorDisabledMember,
    errors.IdempotencyConflict: IdempotencyConflictMember,
    errors.RateLimited: RateLimitedMember,
    errors.Overloaded: GatewayUnavailableMember,
    errors.DeadlineExceeded: GatewayUnavailableMember,
    errors.LedgerUnavailable: GatewayUnavailableMember,
    errors.AuditUnavailable: GatewayUnavailableMember,
    errors.MutationsPaused: GatewayUnavailableMember,
    errors.NotExecuted: NotExecutedMember,
    errors.ProviderUnavailable: ProviderUnavailableMember,
    errors.ProviderProtocolError: ProviderUnavailableMember,
    errors.OutcomeUnknown: OutcomeUnknownMember,
}
MUTATION_FAILURES: tuple[type[errors.GatewayError], ...] = (
    errors.InvalidInput,
    errors.NotAllowed,
    errors.IdempotencyConflict,
    errors.RateLimited,
    errors.Overloaded,
    errors.DeadlineExceeded,
    errors.LedgerUnavailable,
    errors.AuditUnavailable,
    errors.MutationsPaused,
    errors.ProviderUnavailable,
    errors.ProviderProtocolError,
    errors.OutcomeUnknown,
)
"""What every mutation can end with, whatever its endpoint."""


def members_of(failures: Collection[type[errors.GatewayError]]) -> tuple[Member, ...]:
    """The union members that stand for these errors; raises KeyError for one that has none."""
    return tuple(dict.fromkeys(_MEMBERS[failure] for failure in failures))


def member_name(error: type[errors.GatewayError]) -> str:
    """The GraphQL type that stands for an error in results; raises KeyError for one without."""
    return get_object_definition(_MEMBERS[error], strict=True).name


async def as_member(
    context: Context,
    error: Exception,
    key: Key | None,
    failures: Collection[type[errors.GatewayError]],
) -> Any:
    """The union member that stands for ``error``; the union has those of ``failures``.

    ``key`` is None where the request's own could not be read. An error that has no member here
    becomes OutcomeUnknown: it was not foreseen, so nobody knows what had happened by then, and it
    must not take the answers of the document's other mutations with it.
    """
    if key is not None and needs_history(error):
        error = with_history(error, await history_of(key, context.ledger))
    if type(error) in failures and isinstance(error, errors.GatewayError):
        known = error
    else:
        if not isinstance(error, errors.InternalError):
            context.emit(UnexpectedError.of(error))
        known = await _unforeseen(context, key)
    return _MEMBERS[type(known)](
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
        case errors.InvalidState(card_status=status):
            return {"status": CardStatus[status.name] if status else None}
        case errors.OutcomeUnknown(promise=promise):
            return {
                "idempotency_key": key,
                "retry_safe_until": promise.until,
                "retry_safe_seconds": promise.seconds,
                "candidates": [Card.from_provider(card) for card in error.candidates],
                "current_card": Card.from_provider(error.card) if error.card else None,
            }
        case errors.RateLimited():
            limited_by = LimitedByValue[error.limited_by.name]
            more = {"limited_by": limited_by, "retry_after": error.retry_after}
            return {"idempotency_key": key, **more}
        case _ if _MEMBERS[type(error)] is GatewayUnavailableMember:
            return {"idempotency_key": key}
        case errors.ProviderUnavailable() | errors.ProviderProtocolError():
            return {"idempotency_key": key, "retry_after": getattr(error, "retry_after", None)}
    return {}


async def _unforeseen(context: Context, key: Key | None) -> errors.OutcomeUnknown:
    ledger = context.ledger
    promise = (await history_of(key, ledger)).promise if key else ledger.promise(None)
    return errors.OutcomeUnknown(
        "Something went wrong inside the gateway; it has been logged. "
        "Send the same request again with this idempotencyKey to learn what came of it.",
        promise=promise,
    )
