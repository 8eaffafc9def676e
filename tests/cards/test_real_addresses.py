"""Addresses of museums, town halls, stations and universities, as their countries write them."""

import json
import re
import unicodedata
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.stack import Stack, in_process, options, running

pytestmark = in_process

# From public knowledge, none of a person. Empty lines are there as HTML forms send them, and
# separators, joiners, marks and decomposed letters as keyboards do.
ADDRESSES: list[dict[str, str]] = json.loads(
    (Path(__file__).parent / "addresses.json").read_text(encoding="utf-8")
)
SELECTION = "billingAddress { firstLine secondLine city state country postCode }"
OPTIONAL = {"secondLine", "state"}
RATES = '{"card": "off", "issueVirtualCard": "off"}'
BATCH = 10  # mutations of one document


def batches() -> Iterator[list[dict[str, str]]]:
    """The addresses, as many at once as a document may issue cards for."""
    rest = iter(ADDRESSES)
    while some := list(islice(rest, BATCH)):
        yield some


async def issued(stack: Stack, addresses: list[dict[str, str]]) -> list[Any]:
    """The cards that were issued for addresses, an account for each, in one document."""
    variables = {
        f"i{n}": {"accountId": str(uuid.uuid4()), "billingAddress": address}
        for n, address in enumerate(addresses)
    }
    result = f"{{ __typename ... on IssueVirtualCardSuccess {{ card {{ id {SELECTION} }} }} }}"
    names = ", ".join(f"${name}: IssueVirtualCardInput!" for name in variables)
    fields = " ".join(f"{name}: issueVirtualCard(input: ${name}) {result}" for name in variables)
    data = await stack.data(f"mutation({names}) {{ {fields} }}", variables)
    return [data[name]["card"] for name in variables]


async def read(stack: Stack, ids: list[str]) -> list[Any]:
    """Cards by their ids, in one document."""
    fields = " ".join(f'c{n}: card(id: "{one}") {{ {SELECTION} }}' for n, one in enumerate(ids))
    data = await stack.data(f"{{ {fields} }}")
    return [data[f"c{n}"]["billingAddress"] for n in range(len(ids))]


def expected(address: dict[str, str]) -> dict[str, str | None]:
    """The address as it is kept, by rules that are written down a second time."""
    lines = {
        name: unicodedata.normalize("NFC", re.sub(r"\s", " ", text)).strip()
        for name, text in address.items()
    }
    return {name: line or (None if name in OPTIONAL else "") for name, line in lines.items()}


def test_the_list_is_of_many_countries() -> None:
    """200 addresses of 30 countries at least, with what was once refused among them."""
    assert len(ADDRESSES) >= 200
    assert len({address["country"] for address in ADDRESSES}) >= 30
    text = json.dumps(ADDRESSES, ensure_ascii=False)
    assert all(one in text for one in "\u3000\u00a0\u200c\u200d\u200f\u0301\u02bb")
    assert any(not address["postCode"] for address in ADDRESSES)


async def test_real_addresses_are_taken_and_read_back() -> None:
    """Each gets its card, which shows the address in its one form; so do those that are read."""
    everybody = options(any_account=True)
    async with running(everybody, rate_limits=RATES) as stack:
        for addresses in batches():
            cards = await issued(stack, addresses)
            wanted = [expected(address) for address in addresses]
            assert [card["billingAddress"] for card in cards] == wanted
            assert await read(stack, [cards[0]["id"]]) == wanted[:1]
