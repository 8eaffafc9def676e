"""Whatever the provider answers to what changes or shows cards: one effect, and none made up."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import strategies as st

from tests.end_to_end.test_odd_provider import (
    ACCOUNTS,
    CARD_MEMBERS,
    EFFECT,
    FINAL,
    KINDS,
    NOT_NOW,
    TOKEN_MEMBERS,
    Watch,
    ask,
    gateway,
    oddities,
    runner,
    try_out,
)
from tests.moves import MOVES, Move, document
from tests.odd_moves import OddMoves
from tests.odd_provider import Oddity, Plan

__all__ = ["runner"]
MEMBERS = [
    *CARD_MEMBERS,
    *("cardId", "authorisationId", "amount", "currency", "merchantAmount", "merchantCurrency"),
    *("exchangeRate", "merchant", "direction", "token", "tokenAmount", "fees", "currencies"),
]
READS = """query($account: ID!, $card: ID!) {
  account(id: $account) { id status currencies cards { id accountId account { id } } }
  cards(accountId: $account, status: [ACTIVE, INACTIVE]) { id accountId status }
  node(id: $card) { id ... on Card { transactions {
    id cardId accountId amount { amount currency } merchant { name mcc } fees { type tokenAmount }
  } } } }"""


def truthful(oddity: Oddity) -> Oddity:
    """No lie: what was not carried out is not answered as if it were, by any 2xx."""
    is_success = 200 <= oddity.status <= 299
    return replace(oddity, status=503) if is_success and not oddity.commits else oddity


@dataclass(frozen=True)
class Case:
    """Moves at once, each by as many equal requests, and what the provider does to them."""

    moves: tuple[Move, ...]
    repeats: tuple[int, ...]
    plan: Plan


@st.composite
def cases(draw: st.DrawFn, kind: str) -> Case:
    """One to four moves, with up to three oddities each."""
    moves = draw(st.lists(st.sampled_from(MOVES), min_size=1, max_size=4))
    odd, of_tokens = oddities(kind, MEMBERS), oddities(kind, TOKEN_MEMBERS)
    of_moves = st.lists(odd.map(truthful), min_size=1, max_size=3).map(tuple)
    odd_token = draw(st.integers(0, 4)) == 0
    return Case(
        moves=tuple(moves),
        repeats=tuple(draw(st.integers(1, 2)) for _ in moves),
        plan=Plan(
            {click: draw(of_moves) for click in range(len(moves))},
            tuple(draw(st.lists(of_tokens, min_size=1, max_size=2))) if odd_token else (),
            tuple(draw(st.lists(odd, max_size=6))),
        ),
    )


async def play(case: Case) -> None:
    """Move twice: once, and again with the same keys when all were answered; read meanwhile."""
    provider, watch = OddMoves(case.plan, case.moves, ACCOUNTS), Watch()
    watching = asyncio.create_task(watch.run())
    keys = [str(uuid4()) for _ in case.moves]
    documents: list[tuple[str, Any]] = [(document(move), {"input": {}}) for move in case.moves]
    try:
        async with (
            provider.listening(),
            gateway(provider.url, (*documents, (READS, {"account": "x", "card": "x"}))) as client,
        ):
            for _ in range(2):
                clicks = [n for n, repeats in enumerate(case.repeats) for _ in range(repeats)]
                *results, _ = await asyncio.gather(
                    *(move(client, watch, provider, case, click, keys[click]) for click in clicks),
                    read(client, watch, provider),
                )
                for click, result in zip(clicks, results, strict=True):
                    check(provider, click, result, alone=case.repeats[click] == 1)
    finally:
        watching.cancel()


async def move(
    client: httpx.AsyncClient, watch: Watch, provider: OddMoves, case: Case, click: int, key: str
) -> Any:
    """The result of a click."""
    given, asked = provider.input_of(click) | {"idempotencyKey": key}, case.moves[click]
    return (await ask(client, watch, document(asked), {"input": given}))["data"][asked.name]


async def read(client: httpx.AsyncClient, watch: Watch, provider: OddMoves) -> None:
    """Nothing is shown as an account's or a card's that is another one's."""
    account, card = provider.cards[0]["accountId"], provider.cards[0]["id"]
    answer = await ask(client, watch, READS, {"account": account, "card": card})
    data = answer.get("data") or {}
    shown = [*(data.get("cards") or []), *((data.get("account") or {}).get("cards") or [])]
    assert {one["accountId"] for one in shown} <= {account}
    paid = (data.get("node") or {}).get("transactions") or []
    assert {one["cardId"] for one in paid} <= {card, None}


def check(provider: OddMoves, click: int, result: dict[str, Any], *, alone: bool) -> None:
    """What the gateway says of a click is so.

    ``alone``: no equal request was on its way, of which a failure that passes says nothing.
    """
    made, kind, message = provider.card_of(click), result["__typename"], result.get("message", "")
    assert len(provider.keys[click]) <= 1, "a click was sent under two keys"
    if kind.endswith("Success"):
        assert made is not None, "a success is told that there was not"
        shown = result.get("authorisation") or result.get("card")
        assert shown is None or shown["id"] == made, "something else is shown"
    elif kind in FINAL or (kind in NOT_NOW and alone and not EFFECT.search(message)):
        assert made is None, f"it was carried out: {result}"
    else:
        assert kind == "OutcomeUnknown" or kind in NOT_NOW, kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_odd_answers(runner: asyncio.Runner, kind: str) -> None:
    """A few plans of each kind of oddity."""
    try_out(runner, kind, cases(kind), play, 2)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_odd_answers(runner: asyncio.Runner, kind: str) -> None:
    """Two thousand plans and more."""
    try_out(runner, kind, cases(kind), play, 300)
