"""Errors whose reason is the provider, or the way to it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.errors.base import GatewayError


class ProviderError(GatewayError):
    """The provider, or the way to it, is the reason."""


class NotFound(ProviderError):
    """The provider knows no such account, card or authorisation."""

    code = "NOT_FOUND"
    meaning = "There is no such account, card or authorisation."
    advice = "Check the id."
    operator_advice = (
        "Nothing; if the id is right, see that the gateway uses the environment that it is of."
    )
    in_results = True


class InvalidState(ProviderError):
    """The status of the card, or of the authorisation, does not permit this.

    ``card_status`` is what the card is now, as the provider shows it; None where nobody knows.
    """

    code = "INVALID_STATE"
    meaning = "The status of the card or authorisation does not permit this."
    advice = "Look at `status`."
    operator_advice = "Nothing; `card(id:)` shows the status that the provider has."
    in_results = True

    def __init__(self, message: str, *, card_status: Any = None) -> None:
        super().__init__(message)
        self.card_status = card_status


class Refused(ProviderError):
    """The provider refused the request as such; sending it again would not help."""

    code = "REFUSED"
    meaning = "The provider refused this request."
    advice = "Do not send it again as it is."
    operator_advice = (
        "Look for `hint` in the line `provider_call`; ask the provider why, with the time and "
        "the request."
    )
    in_results = True


class ProviderUnavailable(ProviderError):
    """A read failed, or this attempt at a modifying call was not carried out.

    Of earlier requests with the same idempotency key it says nothing. ``retry_after`` is the
    provider's hint in seconds, if it gave one. ``refuses_us``: the provider answers, and does not
    accept the gateway's credentials or gives no usable access token for them.
    """

    code = "PROVIDER_UNAVAILABLE"
    meaning = "The provider cannot be reached; `message` says what is known of the click."
    advice = "Retry with the same key."
    operator_advice = "Run `gateway doctor`; `cause` in the line `provider_call` names what broke."
    in_results = True
    retryable = True

    refuses_us: bool = False

    def __init__(
        self, message: str, *, retry_after: float | None = None, refuses_us: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.refuses_us = refuses_us


@dataclass(frozen=True, slots=True)
class Promise:
    """Until when a request with the same idempotency key is sent again: a date (UTC), and the
    whole seconds that are left, for clients whose clock is another one."""

    until: datetime
    seconds: int


class OutcomeUnknown(ProviderError):
    """A modifying call left the gateway and was never answered: it may or may not have happened.

    A request with the same idempotency key is safe as long as ``promise`` says. ``card`` is the
    card as it is now, where the call was about one and it was read.
    """

    code = "OUTCOME_UNKNOWN"
    meaning = "It may have been carried out."
    advice = (
        "Retry with the same key while `retryable`; else look at `candidates` and `currentCard`."
    )
    operator_advice = (
        "See that the provider is back. `gateway ledger status` counts these keys, and "
        "`gateway ledger resolve` decides one that stays open."
    )
    in_results = True
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        promise: Promise | None = None,
        retryable: bool = True,
        candidates: tuple[Any, ...] = (),
        card: Any = None,
        in_flight: bool = False,
        key_known: bool = False,
        is_bound: bool = True,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.promise = promise or Promise(datetime.fromtimestamp(0, UTC), 0)
        self.candidates = candidates
        self.card = card
        self.in_flight = in_flight
        self.key_known = key_known
        self.is_bound = is_bound


class ProviderProtocolError(ProviderError):
    """The provider answered, but not as documented."""

    code = "PROVIDER_PROTOCOL_ERROR"
    meaning = "The provider's answer is not one that it documents."
    advice = "Tell the operator."
    operator_advice = (
        "Look for the route in the line `provider_call`; report it to the provider, and look "
        "for a newer gateway."
    )
    in_results = True
