"""What the lists of cards have in common."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from gateway import provider
from gateway.cards.types import Card, CardStatus

EXPECTED_CARDS = 10
"""An account has in effect one virtual card that is in use, and those before it (provider page,
section 6.5)."""

Statuses = Annotated[
    list[CardStatus] | None,
    strawberry.argument(
        description="Only cards in one of these statuses; all cards where it is absent or null."
    ),
]


def with_status(
    cards: Sequence[provider.Card] | None, status: Sequence[CardStatus] | None
) -> list[Card] | None:
    """The cards as a frontend sees them, those in other statuses left out."""
    if cards is None:
        return None
    shown = [Card.from_provider(card) for card in cards]
    return shown if status is None else [card for card in shown if card.status in status]
