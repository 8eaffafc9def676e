"""What the ledger cannot do itself, because it knows no provider: functions that it is given."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from gateway.ledger.claims import Claim

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallResult(Generic[T]):
    """A call that was carried out: what was answered, and the card, or else what it has made.

    ``replayed`` says that an earlier request with the same key is known to have done it, and
    ``undo_until`` until when an earlier call may still undo it (UNIX seconds, of the store's
    clock).
    """

    value: T
    card_id: UUID
    replayed: bool = False
    undo_until: float | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """The call was carried out earlier: its card is to be read afresh.

    Where the key is not bound to an input, as after an operator's decision, the card has to show
    whether it is that of the input at hand.
    """

    card_id: UUID
    is_bound: bool = True
    undo_until: float | None = None


@dataclass(frozen=True, slots=True)
class AccountCard:
    """A virtual card of the account, made at ``created`` (UNIX seconds of the provider's clock).

    ``confirms`` says that it has the address that was asked for; ``shown`` is the card as the
    provider shows it, which the ledger only hands on.
    """

    id: UUID
    created: float
    confirms: bool
    shown: Any


class Reached(Enum):
    """How a card stands to what a call about it is to bring about."""

    YES = auto()
    NOT_YET = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class TargetState:
    """What a call is about, as the provider shows it: ``value``, which the ledger only hands on.

    It was ``changed`` last at this time (UNIX seconds of the provider's clock).
    """

    reached: Reached
    changed: float
    value: Any


FindCards: TypeAlias = Callable[[], Awaitable[Sequence[AccountCard]]]
ReadTarget: TypeAlias = Callable[[], Awaitable[TargetState]]


@dataclass(frozen=True, slots=True)
class Actions(Generic[T]):
    """``send`` carries the call out under a claim.

    What became of it is found by ``cards``, the virtual cards of the account, where the call makes
    one; else by ``read``, which reads what the call is about. Both raise GatewayError where the
    provider does not answer as documented.
    """

    send: Callable[[Claim], Awaitable[CallResult[T]]]
    cards: FindCards | None = None
    read: ReadTarget | None = None
