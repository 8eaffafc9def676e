"""What a run came to, and which promises it broke."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Result:
    """What the clients saw and what the provider did, by the clients' idempotency keys."""

    keys: list[str]
    cards: dict[str, str] = field(default_factory=dict)
    """The card that each key's client was told."""
    repeated: dict[str, str] = field(default_factory=dict)
    """The card that each key brought once more in the end."""
    seen: Counter[str] = field(default_factory=Counter)
    """Every answer, or what came instead, that a client met on its way."""
    seen_in_the_end: Counter[str] = field(default_factory=Counter)
    """The same, when all was repeated."""
    kills: int = 0
    seconds: float = 0
    ledger: Any = None
    """The provider's ledger after the last client was told its card."""
    final_ledger: Any = None
    """The same after all was repeated."""
    exit_code: int = 0
    """Of the gateway that was ended in an orderly way."""
    output: str = ""

    @property
    def repeats(self) -> int:
        """How often the clients had to ask again."""
        return self.seen.total() - len(self.cards)

    @property
    def presented(self) -> list[int]:
        """How often each key reached the provider, before all was repeated."""
        return [entry["presented"] for entry in self.ledger["keys"]]


def broken_promises(result: Result) -> list[str]:
    """One sentence for each promise that was not kept."""
    return [*_at_the_provider(result), *_at_the_clients(result), *_at_the_gateway(result)]


def _at_the_provider(result: Result) -> Iterator[str]:
    operations, ledger = len(result.keys), result.final_ledger
    if ledger["cards"] != operations:
        yield f"{operations} operations made {ledger['cards']} cards."
    made = Counter(entry["card"] for entry in ledger["keys"])
    if made[None]:
        yield f"{made[None]} keys at the provider made no card."
    if len(ledger["keys"]) != operations:
        yield f"{operations} operations used {len(ledger['keys'])} keys at the provider."
    if set(result.cards.values()) != made.keys() - {None}:
        yield "The cards that clients were told are not the cards that exist."


def _at_the_clients(result: Result) -> Iterator[str]:
    if unknown := [key for key in result.keys if key not in result.cards]:
        yield f"{len(unknown)} operations never learned their card."
    shared = [card for card, count in Counter(result.cards.values()).items() if count > 1]
    if shared:
        yield f"{len(shared)} cards were told to more than one operation."
    if unknown := [key for key in result.cards if key not in result.repeated]:
        came = ", ".join(sorted(result.seen_in_the_end)) or "nothing"
        yield f"{len(unknown)} repeats in the end brought no card; seen was: {came}."
    if changed := [key for key, card in result.repeated.items() if result.cards.get(key) != card]:
        yield f"{len(changed)} repeats in the end brought another card."


def _at_the_gateway(result: Result) -> Iterator[str]:
    if result.exit_code:
        yield f"The gateway's orderly end had exit code {result.exit_code}."
    if "Traceback" in result.output:
        yield "A traceback was written."
