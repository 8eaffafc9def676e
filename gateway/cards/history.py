"""What can be said of a click whose request was not carried out: it need not be the first one.

"Nothing happened" would be said of clicks that made a card: the client may have sent the same key
before, to this process or to another one, and its answer may have been lost.

    made for this request, or new to a ledger that loses nothing → this request had no effect
    unknown to a ledger that may have lost it  → an earlier request with it may have worked
    indeterminate                              → an earlier request left and was not answered
    done                                       → the card is there, and cannot be read now
"""

from dataclasses import dataclass
from typing import Any, TypeGuard
from uuid import UUID

from gateway import errors
from gateway.cards.transitions import Transition
from gateway.ledger import Click, Ledger, Seen, State, not_sent, time_of, too_late
from gateway.provider import Call

# Failures after which this very request was not carried out, and another one may be.
_PASSING = (
    errors.ProviderUnavailable,
    errors.ProviderProtocolError,
    errors.RateLimited,
    errors.Overloaded,
    errors.DeadlineExceeded,
    errors.LedgerUnavailable,
    errors.AuditUnavailable,
    errors.MutationsPaused,
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

    def click(
        self, operation: str, call: Call[Any], version: int, transition: Transition | None
    ) -> Click:
        """What the ledger knows of a request with this key, made by the rules of a ``version``.

        Calls about a card, or an authorisation, have a ``transition``.
        """
        known = transition or _MAKES_A_CARD
        return Click(
            self.provider,
            operation,
            call.fingerprint(self.client.bytes),
            account=call.ids.get("accountId"),
            target=call.target,
            made_here=self.made_here,
            time=time_of(self.client),
            version=version,
            course=known.course,
            alone=known.alone,
            stops=known.stops,
            must_go_out=known.must_go_out,
        )


_MAKES_A_CARD = Transition(frozenset())


@dataclass(frozen=True, slots=True)
class History:
    """What the ledger knows of earlier requests with a key, once this one has failed.

    ``is_new`` says that there were none that had an effect, and ``seen`` is None where the ledger
    could not be asked. ``is_kept``: what became of a key can be found out however late.
    """

    seen: Seen | None
    is_new: bool
    is_kept: bool
    promise: errors.Promise


async def history_of(key: Key, ledger: Ledger[Any]) -> History:
    """Ask the ledger."""
    try:
        seen = await ledger.look(key.provider)
    except errors.LedgerUnavailable:
        return History(None, key.made_here, ledger.is_kept, ledger.promise(None))
    click = Click(key.provider, "", b"", made_here=key.made_here, time=time_of(key.client))
    return History(seen, ledger.is_new(click, seen), ledger.is_kept, ledger.promise(seen))


def needs_history(error: Exception) -> TypeGuard[errors.GatewayError]:
    """Whether what is told of a failure depends on earlier requests with its key."""
    return isinstance(error, (errors.NotAllowed, *_PASSING, *_FINAL))


def with_history(error: errors.GatewayError, history: History) -> errors.GatewayError:
    """The error, which ``needs_history``, with what is known of earlier requests with its key."""
    row = history.seen.row if history.seen else None
    if isinstance(error, errors.NotAllowed):
        return _not_allowed_now(error) if row is not None else error
    match row.state if row else None:
        case State.DONE:
            return _done(error)
        case State.INDETERMINATE | State.SENDING | State.STOPPED:
            return _indeterminate(error, history)
    return _unknown(error, history)


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


def _indeterminate(error: errors.GatewayError, history: History) -> errors.GatewayError:
    if isinstance(error, errors.RateLimited):
        return error.worded(f"{_NOT_SENT} {error.message}")
    promise = history.promise
    final = promise.seconds == 0 and not history.is_kept
    return too_late(promise) if final else not_sent(promise)


def _unknown(error: errors.GatewayError, history: History) -> errors.GatewayError:
    if isinstance(error, errors.NotFound):
        return error
    if isinstance(error, errors.Refused):
        return error if history.is_new else error.worded(f"{error.message} {_NOT_DONE}")
    if history.is_new:
        return error.worded(f"{error.message} {_NO_EFFECT}")
    message = f"{error.message} {_NOT_DONE if error.sent else _NOT_SENT}"
    # Whoever may have a card already must be able to ask again.
    return error.worded(message) if error.retryable else errors.ProviderUnavailable(message)
