"""The life of a card after its issue: mutations in an order, each a click with a key of its own."""

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid5

from tests.moves import ACTIVATE, AUTHORISE, CAPTURE, DEACTIVATE, ISSUE, RELEASE, TERMINATE, Move

STATUSES = ["issuing", "active", "inactive", "active", "inactive", "active", "terminated"]
"""Of a card whose life is over: each mutation took place once, and in its turn."""
_MONEY = {"amount": "20.00", "currency": "GBP", "capture": False}


class Step(NamedTuple):
    """One mutation; ``of`` is the number of the step whose authorisation it ends."""

    move: Move
    of: int | None = None


STEPS = (
    *(Step(ISSUE), Step(AUTHORISE), Step(AUTHORISE), Step(CAPTURE, of=1), Step(RELEASE, of=2)),
    *(Step(DEACTIVATE), Step(ACTIVATE), Step(DEACTIVATE), Step(ACTIVATE), Step(TERMINATE)),
)
AUTHORISED = sum(step.move is AUTHORISE for step in STEPS)


@dataclass
class Life:
    """What a client knows of one card's; ``told`` are the ids that came of the steps so far."""

    key: str
    card: str
    told: list[str] = field(default_factory=list)
    failure: str = ""
    """What ended it too early."""
    repeated: list[str] = field(default_factory=list)
    """What came of repeating each step in the end, when the life was over."""
    changes: list[str] = field(default_factory=list)
    """The statuses of the card at the provider."""
    transactions: int = 0
    """How many the card has in the end."""

    def key_of(self, number: int) -> str:
        """The key of a step."""
        return str(uuid5(UUID(self.key), str(number)))

    def input_of(self, number: int) -> dict[str, object]:
        """The input of a step."""
        move, of = STEPS[number]
        given: dict[str, object] = {"idempotencyKey": self.key_of(number)}
        if of is not None:
            return given | {"authorisationId": self.told[of]}
        return given | {"cardId": self.card} | (_MONEY if move is AUTHORISE else {})
