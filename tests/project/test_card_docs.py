"""docs/cards.md draws what the provider documents, the emulator does and the schema offers."""

import re
from typing import NamedTuple

from gateway.cards import OPERATIONS
from gateway.cards.payments import AuthorisationStatus
from gateway.cards.types import CardStatus
from tests.emulator.test_card_life import MOVES
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "cards.md").read_text()
MUTATIONS = {
    "activate": "activateCard",
    "deactivate": "deactivateCard",
    "terminate": "terminateCard",
}
BY_PROVIDER = {
    "issuing": {"active", "issue_failed"},
    "active": {"inactive", "suspended", "blocked"},
    "suspended": {"active", "blocked"},
}
"""What the provider's own page on card states says that it does by itself."""


class Drawn(NamedTuple):
    """One arrow of a drawing."""

    begin: str
    end: str
    causes: frozenset[str]


def drawings() -> list[list[Drawn]]:
    """The arrows of each drawing; [*] is before the first status and after the last one."""
    arrow = re.compile(r"^ +(\S+) --> ([^\s:]+)(?:: (.+))?$", re.MULTILINE)
    blocks = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
    return [
        [
            Drawn(begin, end, frozenset(causes.split(", ")) if causes else frozenset())
            for begin, end, causes in arrow.findall(block)
        ]
        for block in blocks
    ]


CARDS, AUTHORISATIONS = drawings()


def test_every_status_is_drawn() -> None:
    """The drawings have the statuses of the schema, without the one for what is newer."""
    for drawn, statuses in (CARDS, CardStatus), (AUTHORISATIONS, AuthorisationStatus):
        names = {name for each in drawn for name in (each.begin, each.end)} - {"[*]"}
        assert names == {each.name for each in statuses} - {"UNKNOWN"}


def test_callers_move_cards_as_the_emulator_permits_it() -> None:
    """Each move that the emulator carries out for callers is an arrow, and there is no other."""
    drawn = {
        (begin.lower(), cause): end.lower()
        for begin, end, causes in CARDS
        for cause in causes & set(MUTATIONS.values())
    }
    assert drawn == {(status, MUTATIONS[what]): end for (status, what), end in MOVES.items()}


def test_the_provider_moves_cards_as_it_documents() -> None:
    """The arrows that the provider causes are those of its documentation."""
    drawn: dict[str, set[str]] = {}
    for begin, end, causes in CARDS:
        if "provider" in causes:
            drawn.setdefault(begin.lower(), set()).add(end.lower())
    assert drawn == BY_PROVIDER


def test_what_is_final_is_called_so() -> None:
    """No arrow leads on from a final status, and the schema and the table say final of no other."""
    final = {each.begin for each in CARDS if each.end == "[*]"}
    assert final.isdisjoint(each.begin for each in CARDS if each.end != "[*]")
    described = CardStatus.__strawberry_definition__.values  # type: ignore[attr-defined]
    assert final == {each.name for each in described if "final" in (each.description or "")}
    assert final == set(re.findall(r"^\| `(\w+)` \| [^|]*; final\. \|", PAGE, re.MULTILINE))


def test_what_causes_a_move_is_in_the_schema() -> None:
    """Every cause is the provider or a mutation; every mutation about cards is a cause."""
    causes = {cause for each in CARDS + AUTHORISATIONS for cause in each.causes}
    assert causes - {"provider"} == {one.name for one in OPERATIONS if one.kind == "mutation"}


def test_every_status_has_a_row() -> None:
    """The table explains each status once."""
    [table] = re.findall(r"^\| status \|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted([*rows, "UNKNOWN"]) == sorted(CardStatus.__members__)
