"""What can be said of a click whose request was not carried out: it need not be the first one.

"Nothing happened" would be said of clicks that made a card: the client may have sent the same key
before, to this process or to another one, and its answer may have been lost.

    the key was made for this request → this request had no effect
    no record of the key here         → an earlier request with it may have worked
    the record is indeterminate       → an earlier request left and was not answered
    the record is done                → the card is there, and cannot be read now
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway import errors
from gateway.ledger import Ledger, State, too_late

# Failures after which this very request was not carried out, and another one may be.
_PASSING = (
    errors.ProviderUnavailable,
    errors.ProviderProtocolError,
    errors.RateLimited,
    errors.Overloaded,
    errors.DeadlineExceeded,
)
# Failures that say nothing of a click whose key is known: they are about this request alone.
_FINAL = (errors.Refused, errors.NotFound)

_DONE = "The request of this key was carried out; its card cannot be read now."
_NO_EFFECT = "This request had no effect."
_NOT_SENT = "This request was not sent; an earlier one with this key may have worked."
_NOT_DONE = "This request was not carried out; an earlier one with this key may have worked."


@dataclass(frozen=True, slots=True)
class Key:
    """The idempotency key of one mutation field: the client's, and the provider's derived from it.

    ``made_here`` says that the client sent none: no earlier request can have had this one.
    """

    client: UUID
    provider: UUID
    made_here: bool


def with_history(error: Exception, key: Key, ledger: Ledger[Any]) -> Exception:
    """The error that says what is known of earlier requests with this key, too."""
    state = ledger.state(key.provider)
    if isinstance(error, errors.NotAllowed) and state is not None:
        return _not_allowed_now(error)
    if not isinstance(error, _PASSING + _FINAL):
        return error
    match state:
        case State.DONE:
            return _done(error)
        case State.INDETERMINATE | State.SENDING:
            return _indeterminate(error, ledger.promise(key.provider))
    return _unknown(error, key)


def _not_allowed_now(error: errors.NotAllowed) -> errors.GatewayError:
    """A click that may have its card is not over because its caller lost a right meanwhile."""
    told = error.worded(f"{error.message} {_NOT_SENT}")
    told.retryable = True
    return told


def _done(error: errors.GatewayError) -> errors.GatewayError:
    if isinstance(error, errors.RateLimited):
        return error.worded(f"{_DONE} {error.message}")
    message = f"{_DONE} Send the same request again in a moment."
    if error.retryable:
        return error.worded(message)
    return errors.ProviderUnavailable(message)  # a click that was carried out must not end here


def _indeterminate(error: errors.GatewayError, promise: errors.Promise) -> errors.GatewayError:
    if isinstance(error, errors.RateLimited):
        return error.worded(f"{_NOT_SENT} {error.message}")
    if promise.seconds == 0:
        return too_late(promise)
    return errors.OutcomeUnknown(
        f"{_NOT_SENT} Send the same request again with this idempotencyKey to learn what came "
        "of it.",
        promise=promise,
    )


def _unknown(error: errors.GatewayError, key: Key) -> errors.GatewayError:
    if isinstance(error, errors.NotFound):
        return error
    if isinstance(error, errors.Refused):
        return error if key.made_here else error.worded(f"{error.message} {_NOT_DONE}")
    if key.made_here:
        return error.worded(f"{error.message} {_NO_EFFECT}")
    message = f"{error.message} {_NOT_DONE if error.sent else _NOT_SENT}"
    # Whoever may have a card already must be able to ask again.
    return error.worded(message) if error.retryable else errors.ProviderUnavailable(message)
