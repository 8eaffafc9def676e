"""Amounts and currencies of authorisations: what is taken, in which form, and what is refused."""

import json
import uuid

import pytest

from gateway.cards.currencies import DECIMAL_PLACES
from gateway.emulator.amounts import DECIMALS
from tests.moves import AUTHORISE, ask, document, prepare
from tests.stack import Clock, in_process, running

pytestmark = in_process

CARD_ID = "123e4567-e89b-12d3-a456-426614174000"
MALFORMED = (
    *("", " ", " 1", "1 ", "1\n", "-1", "+1", "1e3", "1E3", "0x1", "1_000", "1,5", "1.5.0", ".5"),
    *(
        "5.",
        "01",
        "00",
        "NaN",
        "Infinity",
        "١",
        "１",
        "²",
        "1" * 400,
        "1." + "0" * 400,
        "$1",
        "null",
    ),
)
AMOUNTS = [
    *((text, "GBP") for text in MALFORMED),
    *(("0", "GBP"), ("0.00", "GBP"), ("0", "JPY")),
    *(("1.234", "GBP"), ("1.5", "JPY"), ("1.2345", "KWD"), ("0.001", "GBP")),
    *(("10000000000", "GBP"), ("1000000000000", "JPY"), ("1000000000", "KWD")),
]


@pytest.mark.parametrize(("amount", "currency"), AMOUNTS)
async def test_a_bad_amount_is_named_and_makes_no_call(amount: str, currency: str) -> None:
    """What is no decimal above 0 of the currency is refused by its field, and nothing is sent."""
    async with running() as stack:
        money = {"amount": amount, "currency": currency}
        refused = await ask(stack, AUTHORISE, cardId=CARD_ID, **money)
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", "input.amount")
        assert not stack.wire.exchanges


@pytest.mark.parametrize(
    "currency",
    [
        "",
        "gbp",
        "Gbp",
        " GBP",
        "GB",
        "GBPX",
        "ABC",
        "XXX",
        "XTS",
        "XAU",
        "CHE",
        "DEM",
        "HRK",
        "ＧＢＰ",
    ],
)
async def test_a_currency_that_is_none_is_named_and_makes_no_call(currency: str) -> None:
    """Codes in lower case, withdrawn ones, metals, funds and those of no currency are refused."""
    async with running() as stack:
        money = {"amount": "1", "currency": currency}
        refused = await ask(stack, AUTHORISE, cardId=CARD_ID, **money)
        assert (refused["__typename"], refused["field"]) == ("InvalidInput", "input.currency")
        assert not stack.wire.exchanges


@pytest.mark.parametrize("amount", [12.5, 1, True, None, ["1"]])
async def test_an_amount_that_is_no_text_is_refused(amount: object) -> None:
    """A JSON number could have lost digits before anybody saw it: it never becomes an amount."""
    async with running() as stack:
        given = {"cardId": CARD_ID, "amount": amount, "currency": "GBP"}
        error = await stack.error(document(AUTHORISE), {"input": given})
        assert error["extensions"]["code"] == "GRAPHQL_REQUEST_INVALID"
        assert not stack.wire.exchanges


@pytest.mark.parametrize(
    ("amount", "currency", "sent"),
    [
        ("20.00", "GBP", "20"),
        ("20.0", "GBP", "20"),
        ("0.10", "EUR", "0.1"),
        ("1.0", "JPY", "1"),
        ("1.234", "KWD", "1.234"),
        ("9999999999.99", "GBP", "9999999999.99"),
        ("1." + "0" * 38, "GBP", "1"),
    ],
)
async def test_an_amount_is_sent_in_one_form(amount: str, currency: str, sent: str) -> None:
    """Zeros at the end are left out, as the provider writes amounts."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE) | {"amount": amount, "currency": currency}
        told = (await ask(stack, AUTHORISE, **given))["authorisation"]
        [request] = stack.wire.sent("POST", "/authorisation")
    assert json.loads(request.content) == {"amount": sent, "currency": currency, "capture": False}
    assert told["amount"] == told["merchantAmount"] == {"amount": sent, "currency": currency}


async def test_two_forms_of_an_amount_are_one_click() -> None:
    """A key that was used with "20.0" is replayed for "20.00", and in conflict for "20.01"."""
    key, clock = str(uuid.uuid4()), Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE) | {"idempotencyKey": key}
        first = await ask(stack, AUTHORISE, **given | {"amount": "20.0"})
        again = await ask(stack, AUTHORISE, **given | {"amount": "20.00"})
        other = await ask(stack, AUTHORISE, **given | {"amount": "20.01"})
        assert AUTHORISE.effects(stack) == 1
    assert again["authorisation"]["id"] == first["authorisation"]["id"]
    assert (again["replayed"], other["code"]) == (True, "IDEMPOTENCY_CONFLICT")


async def test_an_authorisation_is_captured_by_itself_unless_it_says_otherwise() -> None:
    """``capture`` is true where it is left out."""
    clock = Clock()
    async with running(clock=clock) as stack:
        given = await prepare(stack, clock, AUTHORISE)
        del given["capture"]
        await ask(stack, AUTHORISE, **given)
        [request] = stack.wire.sent("POST", "/authorisation")
    assert json.loads(request.content)["capture"] is True


def test_gateway_and_emulator_know_the_same_currencies() -> None:
    """Two lists that were made apart agree on the currencies and on their decimal places."""
    assert DECIMAL_PLACES == DECIMALS
