"""Answers of the provider with a card number where none may be, in each field that has a text."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx

from gateway.emulator import GUIDE_ACCOUNT
from tests.cards.test_cards import WIRE_CARD
from tests.cards.test_lists import WIRE_ACCOUNT, WIRE_TRANSACTION

PAN = "4111111111111111"
GROUPED = "4111 1111 1111 1111"
Trouble = Callable[[httpx.Request], httpx.Response | None]


def cards(**changes: Any) -> Trouble:
    """A card with marked values, for whatever is asked of the provider."""

    def trouble(request: httpx.Request) -> httpx.Response | None:
        if "/auth/" in request.url.path:
            return None
        makes = request.method == "POST"
        card_id = str(uuid.uuid4()) if makes else request.url.path.rpartition("/")[2]
        card = WIRE_CARD | {"id": card_id, "accountId": GUIDE_ACCOUNT} | changes
        return httpx.Response(201 if makes else 200, json=card)

    return trouble


WIRE_ADDRESS = {"firstLine": "1 Test Avenue", "city": "London", "country": "GB", "postCode": "SW1"}
# A card number in each field that may have one, and in forms that cannot be read.
CARDS: dict[str, dict[str, Any]] = {
    "name": {"name": f"x {GROUPED}"},
    "maskedPan": {"maskedPan": GROUPED},
    "expirationDate": {"expirationDate": PAN},
    "network": {"network": PAN},
    "status": {"status": PAN},
    "type": {"type": PAN},
    **{
        line: {"billingAddress": WIRE_ADDRESS | {line: GROUPED}}
        for line in ("firstLine", "secondLine", "city", "state", "country", "postCode")
    },
    "a number for a name": {"name": int(PAN)},
    "a number for a status": {"status": int(PAN)},
    "an address that is none": {"billingAddress": PAN},
    "an address of numbers": {"billingAddress": dict.fromkeys(WIRE_ADDRESS, int(PAN))},
    "a date that is none": {"createdAt": PAN},
    "a number for a date": {"updatedAt": int(PAN)},
    "an id that is none": {"id": PAN},
    "an unknown field": {PAN: GROUPED},
}


# The same for what was paid; amounts are numbers, of which nobody can say what they are.
MERCHANT = WIRE_TRANSACTION["merchant"]
PAYMENTS: dict[str, dict[str, Any]] = {
    **{
        f"merchant {part}": {"merchant": MERCHANT | {part: f"x {GROUPED}"}}
        for part in ("id", "name", "country", "city")
    },
    "a number for a name": {"merchant": MERCHANT | {"name": int(PAN)}},
    "a number for a category": {"merchant": MERCHANT | {"mcc": int(PAN)}},
    "a text for a category": {"merchant": MERCHANT | {"mcc": PAN}},
    "a merchant that is none": {"merchant": PAN},
    "token": {"token": f"eip155:1/slip44:{PAN}"},
    "token of a contract": {"token": f"eip155:{PAN}/erc20:0x{'ab' * 20}"},
    "a token that is none": {"token": GROUPED},
    **{
        part: {part: PAN}
        for part in (
            *("status", "direction", "currency", "merchantCurrency", "createdAt", "updatedAt"),
            *("id", "cardId", "accountId", "authorisationId", "currencies", "fees"),
        )
    },
    "a number for an amount": {"amount": int(PAN)},
    "an amount that is none": {"amount": GROUPED, "merchantAmount": GROUPED},
    "a list of currencies": {"currencies": [PAN]},
    "a type of fee": {"fees": [{"type": PAN, "tokenAmount": "1"}]},
    "a fee that is none": {"fees": [PAN]},
    "an unknown field": {PAN: GROUPED},
}


def payments(**changes: Any) -> Trouble:
    """Accounts, authorisations and transactions with marked values; cards are as documented."""

    def trouble(request: httpx.Request) -> httpx.Response | None:
        path = request.url.path
        made: Any = WIRE_CARD
        if path.endswith("/transactions"):
            made = [WIRE_TRANSACTION | changes]
        elif "/accounts/" in path:
            made = WIRE_ACCOUNT | {"id": WIRE_CARD["accountId"]} | changes
        elif "authorisation" in path:
            made = WIRE_TRANSACTION | changes
        elif "/auth/" in path:
            return None
        return httpx.Response(201 if request.method == "POST" else 200, json=made)

    return trouble
