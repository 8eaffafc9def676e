"""Accounts, their cards and what was paid with them: read once, and by their callers only."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.cards.test_cards import WIRE_CARD
from tests.stack import Clock, Stack, in_process, options, running
from tests.tokens import IdentityProvider

OTHER_ACCOUNT = "323e4567-e89b-12d3-a456-426614174000"
AUTHORISATION = "723e4567-e89b-12d3-a456-426614174000"
MOMENT = "2026-01-02T03:04:05.123456Z"
WIRE_ACCOUNT: dict[str, Any] = {
    "id": GUIDE_ACCOUNT,
    "customerId": str(uuid4()),
    "status": "active",
    "type": "card_account",
    "currencies": ["EUR"],
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
}
WIRE_TRANSACTION: dict[str, Any] = {
    "id": "823e4567-e89b-12d3-a456-426614174000",
    "accountId": WIRE_CARD["accountId"],
    "cardId": WIRE_CARD["id"],
    "authorisationId": AUTHORISATION,
    "status": "processed",
    "direction": "debit",
    "amount": "20.10",
    "currency": "EUR",
    "merchantAmount": "25",
    "merchantCurrency": "USD",
    "exchangeRate": "0.804",
    "merchant": {"id": "TEST", "name": "Shop", "mcc": 9999, "country": "GB", "city": "London"},
    "tokenAmount": "20.1",
    "token": "eip155:1/erc20:0x6b175474e89094c44da98b954eedeac495271d0f",
    "fees": [{"type": "network", "tokenAmount": "0.05"}],
    "chainTransactions": [],
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
}
ACCOUNT = "query($id: ID!) { account(id: $id) { id status currencies createdAt updatedAt } }"
CARDS = """query($id: ID!, $status: [CardStatus!]) {
  cards(accountId: $id, status: $status) { id status accountId } }"""
TRANSACTIONS = """query($id: ID!) { card(id: $id) { transactions {
  id cardId authorisationId accountId status direction amount { amount currency }
  merchantAmount { amount currency } exchangeRate merchant { id name mcc country city }
  fees { type tokenAmount } tokenAmount token createdAt updatedAt } } }"""
Answers = dict[str, Any]


def reads(stack: Stack) -> Counter[str]:
    """How often each path of the provider was read."""
    return Counter(request.url.path for request in stack.wire.sent("GET"))


def answering(stack: Stack, answers: Answers) -> None:
    """Answer these paths in the provider's place, with JSON or with a whole response."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        found = answers.get(request.url.path.removeprefix("/v1"))
        if found is None or isinstance(found, httpx.Response):
            return found
        return httpx.Response(200, json=found)

    stack.wire.answer = answer


def a_card(number: int, **changes: Any) -> dict[str, Any]:
    """A card of the guide's account, as the provider writes it."""
    card_id = f"523e4567-e89b-12d3-a456-{number:012}"
    return WIRE_CARD | {"id": card_id, "accountId": GUIDE_ACCOUNT} | changes


async def test_the_cards_of_an_account_are_listed_in_each_status() -> None:
    """A list has all cards of an account, or those in the statuses that are asked for."""
    clock = Clock()
    async with running(clock=clock) as stack:
        failed, active = [(await stack.issue())["card"]["id"] for _ in range(2)]
        await stack.simulate_failure(failed)
        await stack.simulate(active)
        clock.time += 5
        issuing = (await stack.issue())["card"]["id"]
        found: dict[Any, Any] = {}
        for status in (None, ["ACTIVE"], ["ISSUE_FAILED", "ISSUING"], [], ["UNKNOWN"]):
            cards = (await stack.data(CARDS, {"id": GUIDE_ACCOUNT, "status": status}))["cards"]
            found[json.dumps(status)] = {card["id"] for card in cards}
        whole = (await stack.data(CARDS, {"id": GUIDE_ACCOUNT}))["cards"]
    assert found == {
        "null": {failed, active, issuing},
        '["ACTIVE"]': {active},
        '["ISSUE_FAILED", "ISSUING"]': {failed, issuing},
        "[]": set(),
        '["UNKNOWN"]': set(),
    }
    assert {card["id"] for card in whole} == found["null"]


@pytest.mark.parametrize("field", ["account(id: $id) { id }", "cards(accountId: $id) { id }"])
async def test_an_unknown_account_reads_as_null(stack: Stack, field: str) -> None:
    """There is no account, and no error."""
    data = await stack.data(f"query($id: ID!) {{ {field} }}", {"id": OTHER_ACCOUNT})
    assert list(data.values()) == [None]


async def test_a_card_is_a_node(stack: Stack) -> None:
    """The same card is read by node, and an id that is no card's is null."""
    card_id = (await stack.issue())["card"]["id"]
    text = "query($id: ID!) { node(id: $id) { __typename id ... on Card { status } } }"
    shown = {"__typename": "Card", "id": card_id, "status": "ISSUING"}
    assert (await stack.data(text, {"id": card_id}))["node"] == shown
    assert (await stack.data(text, {"id": GUIDE_ACCOUNT}))["node"] is None


@pytest.mark.parametrize(
    ("field", "named"),
    [("account(id: $id)", "id"), ("cards(accountId: $id)", "accountId"), ("node(id: $id)", "id")],
)
async def test_a_malformed_id_makes_no_call(stack: Stack, field: str, named: str) -> None:
    """What is no UUID is named as the argument's fault, and nothing is asked of the provider."""
    error = await stack.error(f"query($id: ID!) {{ {field} {{ id }} }}", {"id": "../accounts"})
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", named)
    assert reads(stack) == Counter()


async def test_twenty_aliases_over_five_accounts_are_five_calls(stack: Stack) -> None:
    """Each account's list is read once for an operation, and all of them together."""
    accounts = [str(uuid4()) for _ in range(5)]
    answering(stack, {f"/accounts/{each}/cards": [] for each in accounts})
    aliases = [f'a{n}: cards(accountId: "{accounts[n % 5]}") {{ id }}' for n in range(20)]
    data = await stack.data(f"{{ {' '.join(aliases)} }}")
    assert list(data.values()) == [[]] * 20
    assert reads(stack) == Counter(f"/v1/accounts/{each}/cards" for each in accounts)


async def test_nothing_is_read_twice_on_the_way_around(stack: Stack) -> None:
    """From an account to its cards and back each object is read once."""
    card_id = (await stack.issue())["card"]["id"]
    text = """query($id: ID!) { account(id: $id) { cards { id account { id cards { id } } } }
      cards(accountId: $id) { id } }"""
    data = await stack.data(text, {"id": GUIDE_ACCOUNT})
    base = f"/v1/accounts/{GUIDE_ACCOUNT}"
    assert reads(stack) == Counter([base, f"{base}/cards"])
    assert data["account"]["cards"][0]["account"]["cards"] == data["cards"] == [{"id": card_id}]


async def test_transactions_of_many_cards_are_bounded() -> None:
    """A list with the transactions of all its cards has as many calls at once as single cards."""
    async with running(max_card_reads=3) as stack:
        cards = [a_card(number) for number in range(12)]
        at_once, most = 0, 0
        inner = stack.wire.handle_async_request

        async def counted(request: httpx.Request) -> httpx.Response:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            for _ in range(5):
                await asyncio.sleep(0)
            try:
                return await inner(request)
            finally:
                at_once -= 1

        answers: Answers = {f"/cards/{card['id']}/transactions": [] for card in cards}
        answering(stack, {f"/accounts/{GUIDE_ACCOUNT}/cards": cards} | answers)
        stack.wire.handle_async_request = counted  # type: ignore[method-assign]
        text = "query($id: ID!) { cards(accountId: $id) { transactions { id } } }"
        data = await stack.data(text, {"id": GUIDE_ACCOUNT})
        assert data["cards"] == [{"transactions": []}] * 12
    assert most <= 3


async def test_a_list_after_a_mutation_is_read_afresh(stack: Stack) -> None:
    """What one mutation has shown, the next one of the document does not show again."""
    first = (await stack.issue())["card"]["id"]
    text = """mutation($a: SimulateCardIssueInput!, $b: SimulateCardIssueInput!) {
      a: simulateCardIssue(input: $a) { ...S } b: simulateCardIssue(input: $b) { ...S } }
    fragment S on SimulateCardIssueSuccess { card { account { cards { id } } } }"""
    second = (await stack.issue())["card"]["id"]
    await stack.data(text, {"a": {"cardId": first}, "b": {"cardId": second}})
    assert reads(stack)[f"/v1/accounts/{GUIDE_ACCOUNT}/cards"] == 2


async def test_fifty_cards_fit_the_cost_of_a_document(stack: Stack) -> None:
    """What a list costs is what is expected of it: a longer one is shown whole all the same."""
    text = """query($id: ID!) { cards(accountId: $id) { id accountId type status name network
      maskedPan expirationDate createdAt updatedAt account { id } } }"""
    answering(
        stack,
        {
            f"/accounts/{GUIDE_ACCOUNT}/cards": [a_card(n) for n in range(50)],
            f"/accounts/{GUIDE_ACCOUNT}": WIRE_ACCOUNT,
        },
    )
    assert len((await stack.data(text, {"id": GUIDE_ACCOUNT}))["cards"]) == 50


async def test_a_list_that_is_too_long_says_what_to_do(stack: Stack) -> None:
    """The provider has no pages: the error says to ask for single cards."""
    too_long = [a_card(number, name="N" * 900) for number in range(1200)]
    answering(stack, {f"/accounts/{GUIDE_ACCOUNT}/cards": too_long})
    error = await stack.error(CARDS, {"id": GUIDE_ACCOUNT})
    assert error["extensions"]["code"] == "PROVIDER_PROTOCOL_ERROR"
    assert "too long to be read at once; ask for single cards by their ids" in error["message"]


async def test_cards_of_another_account_are_no_answer(stack: Stack) -> None:
    """A list that holds a card of another account is the answer to somebody else's question."""
    stranger = a_card(1, accountId=OTHER_ACCOUNT)
    answering(stack, {f"/accounts/{GUIDE_ACCOUNT}/cards": [a_card(0), stranger]})
    error = await stack.error(CARDS, {"id": GUIDE_ACCOUNT})
    assert error["extensions"]["code"] == "PROVIDER_PROTOCOL_ERROR"


async def test_what_is_not_the_callers_is_null_whatever_leads_to_it(tmp_path: Path) -> None:
    """Neither account nor list, node, card or transaction of another account is shown or asked
    for beyond the card that has to say whose it is."""
    identity = IdentityProvider(tmp_path)
    async with running(options(), **identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        card_id = (await stack.issue())["card"]["id"]
        token = identity.token(accounts=[OTHER_ACCOUNT])
        stack.client.headers["Authorization"] = f"Bearer {token}"
        text = """query($account: ID!, $card: ID!) { account(id: $account) { id cards { id } }
          cards(accountId: $account) { id } node(id: $card) { id }
          card(id: $card) { id account { id } transactions { id } } }"""
        data = await stack.data(text, {"account": GUIDE_ACCOUNT, "card": card_id})
        assert data == dict.fromkeys(("account", "cards", "node", "card"))
        assert reads(stack) == Counter([f"/v1/cards/{card_id}"])


async def test_a_transaction_of_another_account_is_left_out(tmp_path: Path) -> None:
    """Each transaction is judged by its own account."""
    identity = IdentityProvider(tmp_path)
    async with running(**identity.settings()) as stack:
        token = identity.token(accounts=[WIRE_CARD["accountId"]])
        stack.client.headers["Authorization"] = f"Bearer {token}"
        others = WIRE_TRANSACTION | {"accountId": OTHER_ACCOUNT}
        answering(
            stack,
            {
                f"/cards/{WIRE_CARD['id']}": WIRE_CARD,
                f"/cards/{WIRE_CARD['id']}/transactions": [WIRE_TRANSACTION, others],
            },
        )
        shown = (await stack.data(TRANSACTIONS, {"id": WIRE_CARD["id"]}))["card"]
    assert [each["id"] for each in shown["transactions"]] == [WIRE_TRANSACTION["id"]]


async def test_a_field_that_needs_no_call_costs_none_of_the_rate(tmp_path: Path) -> None:
    """A list with the account of each card takes one of each rate."""
    identity = IdentityProvider(tmp_path)
    limits = {"cards": "1/day", "Card.account": "1/day"}
    async with running(**identity.settings(), rate_limits=limits) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        answering(
            stack,
            {
                f"/accounts/{GUIDE_ACCOUNT}/cards": [a_card(n) for n in range(5)],
                f"/accounts/{GUIDE_ACCOUNT}": WIRE_ACCOUNT,
            },
        )
        text = "query($id: ID!) { cards(accountId: $id) { account { id } } }"
        data = await stack.data(text, {"id": GUIDE_ACCOUNT})
        assert data["cards"] == [{"account": {"id": GUIDE_ACCOUNT}}] * 5
        error = await stack.error(text, {"id": GUIDE_ACCOUNT})
        assert error["extensions"]["code"] == "RATE_LIMITED"


async def shown_transaction(stack: Stack, **changes: Any) -> Any:
    """A transaction through GraphQL, or the code of the error."""
    path = f"/cards/{WIRE_CARD['id']}"
    answering(
        stack, {path: WIRE_CARD, f"{path}/transactions": [_changed(WIRE_TRANSACTION, changes)]}
    )
    body = (await stack.post(TRANSACTIONS, {"id": WIRE_CARD["id"]})).json()
    if "errors" in body:
        assert body["data"] == {"card": {"transactions": None}}
        return body["errors"][0]["extensions"]["code"]
    return body["data"]["card"]["transactions"][0]


async def shown_account(stack: Stack, **changes: Any) -> Any:
    """An account through GraphQL, or the code of the error."""
    answering(stack, {f"/accounts/{GUIDE_ACCOUNT}": _changed(WIRE_ACCOUNT, changes)})
    body = (await stack.post(ACCOUNT, {"id": GUIDE_ACCOUNT})).json()
    return body["errors"][0]["extensions"]["code"] if "errors" in body else body["data"]["account"]


def _changed(sent: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """With other fields, and without those that are ``...``."""
    return {name: value for name, value in (sent | changes).items() if value is not ...}


async def test_a_transaction_is_shown_as_it_is(stack: Stack) -> None:
    """Amounts are the provider's own texts, and what only the chain needs is left out."""
    assert await shown_transaction(stack) == {
        "id": WIRE_TRANSACTION["id"],
        "cardId": WIRE_CARD["id"],
        "authorisationId": AUTHORISATION,
        "accountId": WIRE_CARD["accountId"],
        "status": "PROCESSED",
        "direction": "DEBIT",
        "amount": {"amount": "20.10", "currency": "EUR"},
        "merchantAmount": {"amount": "25", "currency": "USD"},
        "exchangeRate": "0.804",
        "merchant": {"id": "TEST", "name": "Shop", "mcc": 9999, "country": "GB", "city": "London"},
        "fees": [{"type": "NETWORK", "tokenAmount": "0.05"}],
        "tokenAmount": "20.1",
        "token": WIRE_TRANSACTION["token"],
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
    }


@in_process
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("status", "disputed", "UNKNOWN"),
        ("direction", "sideways", "UNKNOWN"),
        ("currency", "XYZ", {"amount": "20.10", "currency": "XYZ"}),
        ("cardId", ..., None),
        ("cardId", None, None),
        ("authorisationId", ..., None),
        ("amount", "-3", {"amount": "-3", "currency": "EUR"}),
        ("amount", "0.000000000000000001", {"amount": "0.000000000000000001", "currency": "EUR"}),
        ("fees", [], []),
        ("fees", [{"type": "tip", "tokenAmount": "1"}], [{"type": "UNKNOWN", "tokenAmount": "1"}]),
        ("surcharge", "new", None),
    ],
)
async def test_what_is_newer_or_absent_in_a_transaction_hides_nothing(
    stack: Stack, name: str, value: Any, shown: Any
) -> None:
    """Unknown values survive, optional ones may be missing, and new fields are ignored."""
    found = await shown_transaction(stack, **{name: value})
    field = "amount" if name == "currency" else name
    assert found.get(field) == shown


@in_process
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, ...) for name in ("id", "accountId", "status", "amount", "currency", "merchant")),
        *((name, ...) for name in ("direction", "exchangeRate", "fees", "token", "createdAt")),
        *(("amount", value) for value in (20.1, 20, None, "1e3", "NaN", "", " 1", "1,5", "1" * 99)),
        *(("currency", value) for value in (None, 978, "", "eur", "E R", "X" * 13)),
        *(("id", value) for value in ("", "../1", 7, None)),
        *(("createdAt", value) for value in ("", "yesterday", 0, None)),
        *(("token", value) for value in ("", "4111111111111111", None)),
        ("cardId", "523e4567-e89b-12d3-a456-426614174999"),
        ("merchant", {"id": "TEST", "name": "Shop", "mcc": "9999", "country": "GB", "city": "L"}),
        ("merchant", {"id": "TEST", "name": "Shop", "mcc": 2**31, "country": "GB", "city": "L"}),
        ("merchant", {"id": "TEST", "name": "S" * 1001, "mcc": 1, "country": "GB", "city": "L"}),
        ("fees", [{"type": "network"}]),
        ("fees", {}),
    ],
)
async def test_a_transaction_of_another_form_is_a_protocol_error(
    stack: Stack, name: str, value: Any
) -> None:
    """A field that is not as documented has a clear code, and the card is still there."""
    assert await shown_transaction(stack, **{name: value}) == "PROVIDER_PROTOCOL_ERROR"


@in_process
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("status", "frozen", "UNKNOWN"),
        ("currencies", ..., []),
        ("currencies", None, []),
        ("currencies", ["EUR", "XYZ"], ["EUR", "XYZ"]),
        ("customerId", ..., None),
    ],
)
async def test_what_is_newer_or_absent_in_an_account_hides_nothing(
    stack: Stack, name: str, value: Any, shown: Any
) -> None:
    """Unknown values survive, and what is not shown may be missing."""
    assert (await shown_account(stack, **{name: value})).get(name) == shown


@in_process
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, ...) for name in ("id", "status", "createdAt", "updatedAt")),
        ("id", OTHER_ACCOUNT),
        ("status", 1),
        ("currencies", "EUR"),
        ("currencies", ["euro"]),
        ("createdAt", "0000-00-00"),
    ],
)
async def test_an_account_of_another_form_is_a_protocol_error(
    stack: Stack, name: str, value: Any
) -> None:
    """A field that is not as documented has a clear code."""
    assert await shown_account(stack, **{name: value}) == "PROVIDER_PROTOCOL_ERROR"


@in_process
@pytest.mark.parametrize("name", ["id", "name", "country", "city"])
async def test_a_merchant_shows_no_card_number(stack: Stack, name: str) -> None:
    """A card number in the text of a merchant is masked like in a name on a card."""
    merchant = WIRE_TRANSACTION["merchant"] | {name: "4111 1111 1111 1111"}
    shown = await shown_transaction(stack, merchant=merchant)
    assert shown["merchant"][name] == "************1111"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "REFUSED"),
        (401, "PROVIDER_UNAVAILABLE"),
        (409, "REFUSED"),
        (429, "RATE_LIMITED"),
        (500, "PROVIDER_UNAVAILABLE"),
        (204, "PROVIDER_PROTOCOL_ERROR"),
    ],
)
@pytest.mark.parametrize("field", ["account", "cards", "transactions"])
async def test_a_failed_read_fails_its_field_alone(field: str, status: int, code: str) -> None:
    """The field is null with the error's code, and its siblings stand."""
    async with running(clock=Clock()) as stack:
        card_id = (await stack.issue())["card"]["id"]
        path = {
            "account": f"/accounts/{GUIDE_ACCOUNT}",
            "cards": f"/accounts/{GUIDE_ACCOUNT}/cards",
            "transactions": f"/cards/{card_id}/transactions",
        }[field]
        answering(stack, {path: httpx.Response(status)})
        asked = {
            "account": "account { id }",
            "cards": f'other: cards(accountId: "{GUIDE_ACCOUNT}") {{ id }}',
            "transactions": "transactions { id }",
        }
        inner = "" if field == "cards" else asked[field]
        outer = asked[field] if field == "cards" else ""
        text = f"query($id: ID!) {{ card(id: $id) {{ id {inner} }} {outer} }}"
        body = (await stack.post(text, {"id": card_id})).json()
    assert body["data"]["card"]["id"] == card_id
    assert [error["extensions"]["code"] for error in body["errors"]] == [code]


@in_process
async def test_the_address_of_a_contract_is_no_card_number() -> None:
    """A token whose address has the digits of one in a row is shown as it is."""
    token = "eip155:1/erc20:0xabc4111111111111111def" + "0" * 18
    async with running() as stack:
        shown = WIRE_TRANSACTION | {"token": token}
        card = f"/cards/{WIRE_CARD['id']}"
        answering(stack, {card: WIRE_CARD, f"{card}/transactions": [shown]})
        data = await stack.data(TRANSACTIONS, {"id": WIRE_CARD["id"]})
    assert data["card"]["transactions"][0]["token"] == token


@in_process
async def test_a_card_that_stands_twice_in_a_list_is_one() -> None:
    """It is shown once, as it was changed last, in the place where it stands first."""
    later = {"status": "inactive", "updatedAt": "2031-01-02T03:04:05Z"}
    both = [a_card(1), a_card(1, **later), a_card(2), a_card(1)]
    async with running() as stack:
        listed = f"/accounts/{GUIDE_ACCOUNT}/cards"
        answering(stack, {listed: both})
        data = await stack.data(CARDS, {"id": GUIDE_ACCOUNT})
    assert [card["status"] for card in data["cards"]] == ["INACTIVE", "ACTIVE"]
