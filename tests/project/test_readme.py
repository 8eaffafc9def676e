"""The README and the code say the same."""

import re
from typing import Any

import pytest

from gateway.config import Settings
from tests.stack import Clock, Stack, running
from tools.tables import GROUPS, OPERATING, README, TABLES, renewed

TEXT = README.read_text("utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_as_the_code_has_it(name: str) -> None:
    """Each table stands once in the documentation, as `make tables` writes it."""
    assert (TEXT + OPERATING.read_text("utf-8")).count(
        f"<!-- table: {name} -->\n{TABLES[name]()}<!-- end -->\n"
    ) == 1
    assert renewed(TEXT) == TEXT


def test_every_setting_is_in_a_group() -> None:
    """The README's groups have all settings, in the order in which they are checked."""
    names = [name for group in GROUPS for name in group.__annotations__]
    assert [name for name in names if name in Settings.model_fields] == [*Settings.model_fields]


def test_the_example_waits_for_the_result_of_a_mutation() -> None:
    """The README's client gives up later than a mutation may take where nothing is set."""
    found = re.search(r"AbortSignal\.timeout\(([\d_]+)\), // longer than (\w+)", TEXT)
    assert found
    deadline = Settings.model_fields[found[2].removeprefix("GATEWAY_").lower()].default
    assert int(found[1]) > deadline * 1000


async def test_the_walk_through_pays_and_freezes() -> None:
    """The README's operations pay with a card, show the transaction and freeze the card."""
    [text] = re.findall(r"```graphql\n(.*?)```", TEXT, re.DOTALL)
    clock = Clock()
    async with running(clock=clock) as stack:
        card_id = (await stack.issue())["card"]["id"]
        await stack.simulate(card_id)
        clock.time += 60
        paid = await _run(stack, text, "Pay", card_id)
        clock.time += 60
        [transaction] = (await _run(stack, text, "Paid", card_id))["transactions"]
        frozen = await _run(stack, text, "Freeze", card_id)
        refused = await _run(stack, text, "Pay", card_id)
    assert paid["authorisation"]["status"] == "PENDING"
    assert transaction["status"] == "PROCESSED"
    assert transaction["amount"] == {"amount": "12.34", "currency": "EUR"}
    assert frozen["card"]["status"] == "INACTIVE"
    assert refused["code"] == "INVALID_STATE"


async def _run(stack: Stack, text: str, operation: str, card_id: str) -> Any:
    asked = {"query": text, "operationName": operation, "variables": {"card": card_id}}
    answer = (await stack.client.post("/graphql", json=asked)).json()
    assert "errors" not in answer, answer
    [field] = answer["data"].values()
    return field
