"""Ids and idempotency keys: the text form of RFC 9562, in either case, and nothing like it."""

import uuid
from pathlib import Path

import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.examples import mostly_long
from tests.misspelt import ID, MISSPELT
from tests.stack import CARD, ISSUE, OUTCOME, Stack, in_process, issue_input, running
from tests.tokens import IdentityProvider

pytestmark = in_process


SOME_MISSPELT = (
    *("empty", "no hyphens", "an underscore for a digit", "a line break after", "braces", "a URN"),
    *("hyphens for digits", "digits of another script", "one digit too many"),
)


@pytest.mark.parametrize("what", mostly_long(MISSPELT, *SOME_MISSPELT))
async def test_an_id_in_another_form_is_named_and_makes_no_call(stack: Stack, what: str) -> None:
    """Wherever an id or a key is given, it is bad input of that field, and nothing is sent."""
    text = MISSPELT[what]
    error = await stack.error(CARD, {"id": text})
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", "id")
    told = {
        "input.accountId": await stack.issue(accountId=text),
        "input.idempotencyKey": await stack.issue(idempotencyKey=text),
        "input.cardId": await stack.simulate(text),
        "idempotencyKey": await stack.outcome(text),
    }
    assert {name: (one["__typename"], one["field"]) for name, one in told.items()} == {
        name: ("InvalidInput", name) for name in told
    }
    assert not stack.wire.exchanges


HEADERS = [
    f'"{ID}',
    f'{ID}"',
    f'""{ID}""',
    f'" {ID}"',
    f'"{ID} "',
    f"'{ID}'",
    f'"{ID}";a=1',
    f"{ID}, {ID}",
    f"\u00a0{ID}",
    '"',
    '""',
]
# A header has no line breaks, and the blanks around its value are no part of it.
IN_A_HEADER = [
    text
    for text in MISSPELT.values()
    if text.isascii() and text.isprintable() and text.strip().strip('"') != ID
]


@pytest.mark.parametrize("text", [*HEADERS, *mostly_long(IN_A_HEADER, "")])
async def test_a_header_in_another_form_is_named_and_makes_no_call(stack: Stack, text: str) -> None:
    """The ``Idempotency-Key`` header is a UUID, or one as a quoted string."""
    headers = {b"Idempotency-Key": text.encode("latin-1")}
    body = {"query": ISSUE, "variables": issue_input()}
    answer = await stack.client.post("/graphql", json=body, headers=headers)
    result = answer.json()["data"]["issueVirtualCard"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", "Idempotency-Key")
    assert not stack.wire.exchanges


async def test_the_forms_of_one_key_are_one_key(stack: Stack) -> None:
    """In either case, quoted or not, with blanks around the header: one click, one card."""
    key = str(uuid.uuid4())
    forms = [key, key.upper(), f'"{key}"', f'"{key.upper()}"', f" \t{key}\t "]
    answers = [
        await stack.post(ISSUE, issue_input(), **{"Idempotency-Key": form}) for form in forms
    ]
    cards = {answer.json()["data"]["issueVirtualCard"]["card"]["id"] for answer in answers}
    [card] = cards
    found = await stack.data(OUTCOME, {"key": key.upper(), "path": "issueVirtualCard"})
    assert found["issueOutcome"]["card"]["id"] == card
    assert (await stack.card(card.upper()))["id"] == card


def accepted(text: str) -> str | None:
    """What ``uuid.UUID`` takes a text for."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


async def test_an_account_of_a_token_in_another_form_is_none(tmp_path: Path) -> None:
    """A claim that is nearly an account gives a right to no account, nor to another one."""
    others = {other for text in MISSPELT.values() if (other := accepted(text))}
    identity = IdentityProvider(tmp_path)
    async with running(**identity.settings()) as stack:
        token = identity.token(accounts=[*MISSPELT.values(), None, 7, [ID], {"id": ID}])
        stack.client.headers["Authorization"] = f"Bearer {token}"
        assert len(others) > 2
        for account in others | {ID}:
            assert (await stack.issue(accountId=account))["__typename"] == "NotAllowed"
        assert not stack.wire.exchanges


async def test_an_account_of_a_token_is_one_in_either_case(tmp_path: Path) -> None:
    """UUIDs are read without regard to case (RFC 9562, section 4)."""
    identity = IdentityProvider(tmp_path)
    async with running(**identity.settings()) as stack:
        token = identity.token(accounts=[GUIDE_ACCOUNT.upper()])
        stack.client.headers["Authorization"] = f"Bearer {token}"
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
