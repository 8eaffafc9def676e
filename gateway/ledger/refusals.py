"""What a caller is told of a key whose call is not carried out, or whose outcome is not known."""

from collections.abc import Sequence
from math import ceil

from gateway import errors
from gateway.ledger.actions import AccountCard
from gateway.ledger.dates import utc_text

_AGAIN = "Send the same request again with this idempotencyKey"
_LOOK = "One of the candidates, or none, is its card: look before you use a new key."


def unknown(*, in_flight: bool, key_known: bool) -> errors.OutcomeUnknown:
    """A modifying call that may have happened; the ledger adds its promise."""
    return errors.OutcomeUnknown(
        "The provider took the request and did not say what came of it. "
        f"{_AGAIN} to learn what came of it.",
        in_flight=in_flight,
        key_known=key_known,
    )


def key_of_another_input(*, is_open: bool = False) -> errors.OutcomeUnknown:
    """The provider has the key with another payload, which no row knows: its row was lost.

    That payload is the key's, not this one: the key is not bound to this input. ``is_open``: an
    earlier request with this input may have arrived before.
    """
    end = "." if is_open else ", and did not carry this one out."
    return errors.OutcomeUnknown(
        f"The provider says that it knows this idempotencyKey with another input{end} An earlier "
        "request with that key may have worked: send it again, with the input that it had, to "
        "learn what came of it.",
        key_known=True,
        is_bound=False,
    )


def key_in_use() -> errors.OutcomeUnknown:
    """The provider carries out a request with the key that no row knows: its row was lost, or a
    proxy has sent this one twice. Nobody knows its input."""
    told = unknown(in_flight=True, key_known=True)
    told.is_bound = False
    return told


def card_of_another_key() -> errors.OutcomeUnknown:
    """The provider answered with a card that it has given to another key before."""
    return errors.OutcomeUnknown(
        "The provider answered with the card of another request. "
        f"{_AGAIN} to learn what came of it."
    )


def not_sent(promise: errors.Promise) -> errors.OutcomeUnknown:
    """A retry that was not carried out, of a call that may have happened."""
    return errors.OutcomeUnknown(
        "This request was not sent; an earlier one with this key may have worked. "
        f"{_AGAIN} to learn what came of it.",
        promise=promise,
    )


def key_reused() -> errors.IdempotencyConflict:
    """The key is bound to another input."""
    return errors.IdempotencyConflict(
        "This idempotencyKey was used with another input; use a new one."
    )


def too_late(promise: errors.Promise) -> errors.OutcomeUnknown:
    """A retry that came when the provider may have forgotten the key: it was not sent."""
    return errors.OutcomeUnknown(
        "It is too late to retry this request safely, and it was not sent. An earlier one with "
        "this idempotencyKey may have worked: look whether it did before you send a new one.",
        promise=promise,
        retryable=False,
    )


def ask_later(promise: errors.Promise, seconds: float) -> errors.OutcomeUnknown:
    """It is too early to find out from the account's cards."""
    minutes = max(1, ceil(seconds / 60))
    return errors.OutcomeUnknown(
        "The request was not sent again, because the provider may have forgotten its key. "
        f"{_AGAIN} in {minutes} min at the earliest to learn what came of it.",
        promise=promise,
    )


def not_found_out(promise: errors.Promise) -> errors.OutcomeUnknown:
    """What became of a call cannot be found out just now."""
    return errors.OutcomeUnknown(
        "The request was not sent again, because the provider may have forgotten its key, and "
        f"what came of it cannot be found out now. {_AGAIN} in a moment.",
        promise=promise,
    )


def several(promise: errors.Promise, cards: Sequence[AccountCard]) -> errors.OutcomeUnknown:
    """Cards that this call may have made; nobody can tell which."""
    return errors.OutcomeUnknown(
        "The request was not sent again, because the provider may have forgotten its key. "
        f"It cannot be told whether a card of the account is this request's. {_LOOK}",
        promise=promise,
        retryable=False,
        candidates=tuple(card.shown for card in cards),
    )


def lost(cards: Sequence[AccountCard]) -> errors.OutcomeUnknown:
    """A new key to a store that may have lost rows, while there are cards that it does not know."""
    return errors.OutcomeUnknown(
        "The ledger is new, or has lost entries, and the account has cards that it does not know: "
        f"this request was not sent, because an earlier one may have made such a card. {_LOOK} "
        "A version 7 UUID is taken without this doubt.",
        retryable=False,
        candidates=tuple(card.shown for card in cards),
    )


def may_be_lost() -> errors.OutcomeUnknown:
    """A new key of a call about a card, to a store that may have lost rows."""
    return errors.OutcomeUnknown(
        "The ledger is new, or has lost entries: this request was not sent, because an earlier one "
        "with this key may have worked. Read the card, and use a version 7 UUID as a new key.",
        retryable=False,
    )


def unreachable(promise: errors.Promise, card: object) -> errors.OutcomeUnknown:
    """The card has left the state from which the call could be carried out."""
    return _look_at_the_card(
        "The card's status no longer shows whether this request was carried out, and it cannot be "
        "sent any more: look at the card.",
        promise,
        card,
    )


def moved(promise: errors.Promise, card: object) -> errors.OutcomeUnknown:
    """Somebody may have undone the call since: nobody can tell whether it was carried out."""
    return _look_at_the_card(
        "It cannot be told whether this request was carried out, and it is not sent again: others "
        "may have changed the card since. Look at the card, and use a new key if it is still "
        "wanted.",
        promise,
        card,
    )


def stopped(promise: errors.Promise, card: object) -> errors.OutcomeUnknown:
    """A later call has forbidden to send it again."""
    return _look_at_the_card(
        "A later request for this card has stopped this one, which is not sent again. It may have "
        "been carried out before: look at the card.",
        promise,
        card,
    )


def may_be_undone(error: errors.GatewayError, until: float) -> errors.GatewayError:
    """The refusal, with until when a request that was sent before may change the card."""
    return error.worded(
        f"{error.message} A request that was sent before this one may still arrive and change that "
        f"until {utc_text(until)}: look at the card after that."
    )


def _look_at_the_card(message: str, promise: errors.Promise, card: object) -> errors.OutcomeUnknown:
    """Of a call about a card that is not sent again: the card as it is now is all that is known."""
    return errors.OutcomeUnknown(message, promise=promise, retryable=False, card=card)


def not_alone() -> errors.Overloaded:
    """Another call like this one, about the same card, may still be carried out."""
    return errors.Overloaded(
        "Another request like this one is not resolved for this card, so this one was not sent. "
        "Try again in a moment, or repeat the other one with its key."
    )


def newer_version(promise: errors.Promise) -> errors.OutcomeUnknown:
    """The row was written by a newer version of the gateway."""
    return errors.OutcomeUnknown(
        "A newer version of the gateway took this key. "
        f"{_AGAIN} in a moment to learn what came of it.",
        promise=promise,
    )


def not_executed() -> errors.NotExecuted:
    """The call had no effect, and can have none any more."""
    return errors.NotExecuted(
        "This request had no effect and will have none; a new key is safe if it is still wanted."
    )


def from_the_future() -> errors.InvalidInput:
    """A version 7 key that says that it was made later than now."""
    return errors.InvalidInput(
        "idempotencyKey is a version 7 UUID from the future by the gateway's clock; correct the "
        "clock where it is made, or send a new key of version 4.",
        field="input.idempotencyKey",
    )


def too_old() -> errors.InvalidInput:
    """A version 7 key that is older than keys are remembered."""
    return errors.InvalidInput(
        "idempotencyKey is a version 7 UUID from more than 30 days ago by the gateway's clock, "
        "which remembers keys for 30 days; look at the account's cards before you use a new one.",
        field="input.idempotencyKey",
    )


def clocks_apart() -> errors.LedgerUnavailable:
    """The clocks of ledger and gateway do not agree on the age of a key."""
    return errors.LedgerUnavailable(
        "The clocks of gateway and ledger differ by over 30 seconds, so the age of a key is not "
        "known; nothing was sent."
    )


def account_limit(most: int, wait: float) -> errors.RateLimited:
    """An account has as many cards as may be issued for it in 24 hours."""
    after = max(ceil(wait), 1)
    return errors.RateLimited(
        f"The gateway issues at most {most:,} cards for an account in 24 hours; "
        f"retry after {after:,} s.",
        by=errors.LimitedBy.GATEWAY,
        retry_after=after,
    )


def full() -> errors.Overloaded:
    """As many keys are remembered as may be."""
    return errors.Overloaded(
        "The gateway remembers as many idempotency keys as it may; try again later."
    )
