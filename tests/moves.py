"""The mutations of a card or an authorisation that is there, as tests ask for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.emulator.cards import CardStatus
from gateway.emulator.histories import Change
from tests.stack import Clock, Stack

_CARD = "card { id status }"
_STATUSES = {400: "REFUSED", 409: "INVALID_STATE"}


@dataclass(frozen=True)
class Move:
    """A mutation, and the call that it makes.

    ``effects`` counts in the emulator how often it was carried out, and ``statuses`` are what it
    ends with after those statuses that do not mean the same to every move.
    """

    name: str
    method: str
    part: str
    effects: Callable[[Stack], int]
    shows: str = _CARD
    statuses: Mapping[int, str] = field(
        default_factory=lambda: {400: "REFUSED", 409: "INVALID_STATE"}, hash=False
    )

    def __str__(self) -> str:
        return self.name


def _moved(status: str) -> Callable[[Stack], int]:
    return lambda stack: sum(
        change.status == status
        for card in stack.emulator.state.emulator.cards.values()
        for change in card.history.changes
    )


def _authorised(stack: Stack) -> int:
    return len(stack.emulator.state.emulator.authorisations)


def _settled(status: str) -> Callable[[Stack], int]:
    return lambda stack: sum(
        change.status == status
        for authorisation in stack.emulator.state.emulator.authorisations.values()
        for change in authorisation.history.changes
    )


_SIMULATED = "authorisation { id status }"
AUTHORISE = Move(
    "simulateCardAuthorisation",
    "POST",
    "/authorisation",
    _authorised,
    "authorisation { id status cardId accountId exchangeRate amount { amount currency } "
    "merchantAmount { amount currency } merchant { id name mcc country city } }",
    {400: "REFUSED", 409: "OUTCOME_UNKNOWN"},
)
CAPTURE = Move(
    "simulateAuthorisationCapture", "PATCH", "/capture", _settled("captured"), _SIMULATED
)
RELEASE = Move(
    "simulateAuthorisationRelease", "PATCH", "/release", _settled("released"), _SIMULATED
)
TERMINATE = Move("terminateCard", "DELETE", "/v1/cards/", _moved("terminated"))
DEACTIVATE = Move("deactivateCard", "PATCH", "/deactivate", _moved("inactive"))
ACTIVATE = Move("activateCard", "PATCH", "/activate", lambda stack: _moved("active")(stack) - 1)
ISSUE = Move("simulateCardIssue", "PATCH", "/issue", _moved("active"))
CARD_MOVES = (TERMINATE, DEACTIVATE, ACTIVATE)
SETTLEMENTS = (CAPTURE, RELEASE)
MOVES = (*CARD_MOVES, AUTHORISE, *SETTLEMENTS)


def document(move: Move) -> str:
    """A document that uses it, with all that tests look at."""
    name = move.name[0].upper() + move.name[1:]
    return f"""mutation($input: {name}Input!) {{ {move.name}(input: $input) {{
      __typename
      ... on {name}Success {{ idempotencyKey replayed {move.shows} }}
      ... on Error {{ code message retryable }}
      ... on InvalidInput {{ field }}
      ... on InvalidState {{ status }}
      ... on OutcomeUnknown {{ idempotencyKey retrySafeUntil currentCard {{ id status }} }}
    }} }}"""


async def ask(stack: Stack, move: Move, **given: Any) -> Any:
    """What comes of asking for it with this input."""
    return (await stack.data(document(move), {"input": given}))[move.name]


async def prepare(stack: Stack, clock: Clock, move: Move) -> dict[str, Any]:
    """The input for a move that the provider will carry out."""
    card_id = (await stack.issue())["card"]["id"]
    await stack.simulate(card_id)
    clock.time += 5
    if move is ACTIVATE:
        await ask(stack, DEACTIVATE, cardId=card_id)
    if move in CARD_MOVES:
        return {"cardId": card_id}
    money = {"amount": "20.00", "currency": "GBP", "capture": False}
    if move is AUTHORISE:
        return {"cardId": card_id, **money}
    made = await ask(stack, AUTHORISE, cardId=card_id, **money)
    return {"authorisationId": made["authorisation"]["id"]}


def set_status(stack: Stack, card_id: str, status: CardStatus) -> None:
    """What the provider does by itself: the card has this status from now on."""
    emulator = stack.emulator.state.emulator
    card = emulator.cards[card_id]
    change = Change(status, emulator.now())
    emulator.cards[card_id] = replace(card, history=card.history.overruled(change))
