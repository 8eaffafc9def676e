"""The emulator's authorisations and transactions: how they are made, and what becomes of them."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.emulator_client import Client, Clock, connect

DAY = 86_400


def refused(answer: httpx.Response, status: int, text: str) -> None:
    """The answer is this refusal."""
    assert (answer.status_code, answer.json()) == (status, {"error": text})


async def authorised(client: Client, **changes: Any) -> str:
    """The id of a new authorisation on a new card."""
    answer = await client.authorise(await client.active_card(), **changes)
    return str(answer.json()["id"])


async def status_of(client: Client, authorisation_id: str) -> str:
    """The status of an authorisation now."""
    return str((await client.read(f"authorisations/{authorisation_id}"))["status"])


# --- authorisations ---


async def test_an_authorisation_is_pending() -> None:
    """It shows the simulator's merchant, the amount normalised, and the rate 1."""
    client = await connect(Clock(1_700_000_000.0))
    card_id = await client.active_card()
    answer = await client.authorise(card_id)
    authorisation = answer.json()
    assert (answer.status_code, authorisation) == (
        201,
        {
            "id": str(UUID(authorisation["id"])),
            "accountId": GUIDE_ACCOUNT,
            "cardId": card_id,
            "status": "pending",
            "amount": "20",
            "currency": "EUR",
            "merchantAmount": "20",
            "merchantCurrency": "EUR",
            "exchangeRate": "1",
            "merchant": authorisation["merchant"],
            "createdAt": "2023-11-14T22:13:21.000000000Z",
            "updatedAt": "2023-11-14T22:13:21.000000000Z",
        },
    )
    assert (authorisation["merchant"]["id"], authorisation["merchant"]["mcc"]) == ("TEST", 9999)
    client.clock.time += DAY / 100
    assert await status_of(client, authorisation["id"]) == "pending"
    assert await client.read(f"cards/{card_id}/transactions") == []


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("20.0", "EUR", "20"),
        ("10.50", "GBP", "10.5"),
        ("0.01", "USD", "0.01"),
        ("100", "JPY", "100"),
        ("100.00", "JPY", "100"),
        ("1.234", "KWD", "1.234"),
        ("1.2300", "EUR", "1.23"),
        ("999999999999999", "EUR", "999999999999999"),
    ],
)
async def test_amounts_are_normalised(amount: str, currency: str, shown: str) -> None:
    """Zeros at the end go, and nothing else of an amount."""
    client = await connect()
    answer = await client.authorise(await client.active_card(), amount=amount, currency=currency)
    body = answer.json()
    assert (body["amount"], body["merchantAmount"]) == (shown, shown)
    assert (body["currency"], body["merchantCurrency"]) == (currency, currency)


NO_AMOUNT = "amount is not a decimal number such as 10.5"
NO_CURRENCY = "currency is not a currency of ISO 4217"
TOO_FINE = "amount has more decimal places than its currency"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"amount": "0"}, "amount must be above 0"),
        ({"amount": "0.00"}, "amount must be above 0"),
        ({"amount": "1.234", "currency": "GBP"}, TOO_FINE),
        ({"amount": "1.5", "currency": "JPY"}, TOO_FINE),
        ({"amount": "1.2345", "currency": "KWD"}, TOO_FINE),
        *(
            ({"amount": amount}, NO_AMOUNT)
            for amount in (
                *("", "-1", "+1", "1e3", "NaN", "Infinity", "1,5", ".5", "1.", "007", " 1", "1\n"),
                *("1_000", "0x10", "\u0661", "1" * 16, "1." + "0" * 16),
            )
        ),
        *(
            ({"currency": currency}, NO_CURRENCY)
            for currency in ("", "eur", "EURO", "ABC", "XXX", "XAU", "HRK", "978")
        ),
        ({"amount": 20}, "the body is not as specified: amount must be a string"),
        ({"capture": "true"}, "the body is not as specified: capture must be true or false"),
        ({"currency": None}, "the body is not as specified: currency must be a string"),
        (
            {"merchant": "x"},
            "the body is not as specified: it has a field that is not in the specification",
        ),
    ],
)
async def test_a_wrong_body_is_refused_and_explained(changes: dict[str, Any], text: str) -> None:
    """An amount that is no decimal above 0 of its currency gets 400, and authorises nothing."""
    client = await connect()
    refused(await client.authorise(await client.active_card(), **changes), 400, text)
    assert client.emulator.authorisations == {}


@pytest.mark.parametrize("name", ["amount", "currency", "capture"])
async def test_every_field_is_required(name: str) -> None:
    """``capture`` too, although it has a default."""
    client = await connect()
    body = {"amount": "20", "currency": "EUR", "capture": True}
    del body[name]
    path = f"/v1/simulator/cards/{await client.active_card()}/authorisation"
    text = f"the body is not as specified: {name} is missing"
    refused(await client.send("POST", path, body), 400, text)


@pytest.mark.parametrize(
    "status", ["issuing", "issue_failed", "inactive", "suspended", "blocked", "terminated"]
)
async def test_only_active_cards_are_authorised(status: str) -> None:
    """A card in any other status refuses with 400."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    await client.put("cards", card_id, status)
    text = f"the card is {status}, and only active cards are authorised"
    refused(await client.authorise(card_id), 400, text)
    assert client.emulator.authorisations == {}


async def test_an_authorisation_under_its_key_is_made_once() -> None:
    """A repeat gets the same answer; the ledger counts one authorisation."""
    client, key = await connect(), uuid4()
    path = f"/v1/simulator/cards/{await client.active_card()}/authorisation"
    body = {"amount": "20", "currency": "EUR", "capture": True}
    answers = [await client.send("POST", path, body, key=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    told = (await client.http.get("/_emulator/ledger")).json()
    assert (told["authorisations"], told["keys"][-1]["presented"]) == (1, 2)


# --- captures and releases ---


@pytest.mark.parametrize(
    ("what", "first", "then"),
    [("capture", "capturing", "captured"), ("release", "releasing", "released")],
)
async def test_an_authorisation_is_settled_a_while_after_the_202(
    what: str, first: str, then: str
) -> None:
    """Accepted is not done: there is a status between, and ``updatedAt`` moves twice."""
    client = await connect(Clock(1_700_000_000.0), capture_delay=2)
    authorisation_id = await authorised(client)
    client.clock.time += 10
    answer = await client.settle(authorisation_id, what)
    assert (answer.status_code, answer.content) == (202, b"")
    shown = [await client.read(f"authorisations/{authorisation_id}")]
    client.clock.time += 2
    shown.append(await client.read(f"authorisations/{authorisation_id}"))
    assert [one["status"] for one in shown] == [first, then]
    assert [one["updatedAt"][17:] for one in shown] == ["31.000000Z", "33.000000Z"]
    assert {one["createdAt"][17:] for one in shown} == {"21.000000Z"}


async def test_capture_true_is_captured_by_itself() -> None:
    """It is answered as pending, captured a while later, and then there is a transaction."""
    client = await connect(capture_delay=2)
    card_id = await client.active_card()
    authorisation = (await client.authorise(card_id, capture=True)).json()
    seen = [authorisation["status"]]
    for _ in range(2):
        assert await client.read(f"cards/{card_id}/transactions") == []
        client.clock.time += 1
        seen.append(await status_of(client, authorisation["id"]))
    assert seen == ["pending", "capturing", "captured"]
    [transaction] = await client.read(f"cards/{card_id}/transactions")
    assert transaction["authorisationId"] == authorisation["id"]


async def test_without_a_delay_the_answer_is_still_pending() -> None:
    """An authorisation is never answered as captured, however soon it will be."""
    client = await connect(capture_delay=0)
    authorisation = (await client.authorise(await client.active_card(), capture=True)).json()
    assert authorisation["status"] == "pending"
    assert await status_of(client, authorisation["id"]) == "captured"


@pytest.mark.parametrize("second", ["capture", "release"])
@pytest.mark.parametrize("later", [0, 5])
@pytest.mark.parametrize(
    ("first", "statuses"),
    [("capture", ("capturing", "captured")), ("release", ("releasing", "released"))],
)
async def test_an_authorisation_is_settled_once(
    first: str, statuses: tuple[str, str], later: int, second: str
) -> None:
    """One that is captured or released, or about to be, refuses both with 400."""
    client = await connect()
    authorisation_id = await authorised(client)
    await client.settle(authorisation_id, first)
    client.clock.time += later
    text = f"the authorisation is {statuses[later > 0]}, and not pending"
    refused(await client.settle(authorisation_id, second), 400, text)
    assert len(client.emulator.transactions) == (first == "capture")


@pytest.mark.parametrize("what", ["capture", "release"])
async def test_what_is_captured_by_itself_is_not_settled_beside(what: str) -> None:
    """The two calls are for authorisations without ``capture``."""
    client = await connect()
    authorisation_id = await authorised(client, capture=True)
    text = "the authorisation is about to be captured"
    refused(await client.settle(authorisation_id, what), 400, text)
    assert len(client.emulator.transactions) == 1


async def test_a_release_makes_no_transaction() -> None:
    """Nothing was paid."""
    client = await connect()
    await client.settle(await authorised(client), "release")
    client.clock.time += 10
    assert await client.read(f"accounts/{GUIDE_ACCOUNT}/transactions") == []


@pytest.mark.parametrize(("days", "status"), [(0, 202), (30, 202), (30.001, 400)])
async def test_captures_are_honoured_after_the_termination(days: float, status: int) -> None:
    """For 30 days a pending authorisation of a terminated card can be captured."""
    client = await connect(token_lifetime=100 * DAY)
    card_id = await client.active_card()
    authorisation_id = (await client.authorise(card_id)).json()["id"]
    await client.move(card_id, "terminate")
    client.clock.time += days * DAY
    assert (await client.settle(authorisation_id, "capture")).status_code == status
    client.clock.time += 1
    made = await client.read(f"cards/{card_id}/transactions")
    assert len(made) == (status == 202)


async def test_a_pending_authorisation_does_not_expire() -> None:
    """The 30 days count from the termination, and not from the card's last change."""
    client = await connect(token_lifetime=100 * DAY)
    authorisation_id = await authorised(client)
    client.clock.time += 31 * DAY
    assert (await client.settle(authorisation_id, "capture")).status_code == 202


@pytest.mark.parametrize("what", ["capture", "release"])
async def test_an_unknown_authorisation_gets_404(what: str) -> None:
    """By the simulator and by reads."""
    client, unknown = await connect(), str(uuid4())
    refused(await client.settle(unknown, what), 404, "authorisation not found")
    refused(
        await client.send("GET", f"/v1/authorisations/{unknown}"), 404, "authorisation not found"
    )


# --- transactions ---


async def test_a_transaction_has_what_the_authorisation_had() -> None:
    """It is a debit, first processing and then processed, with a fee, and then on the chain."""
    client = await connect(Clock(1_700_000_000.0), capture_delay=1)
    authorisation_id = await authorised(client, amount="12.30", currency="GBP")
    await client.settle(authorisation_id, "capture")
    client.clock.time += 1
    [first] = await client.read(f"accounts/{GUIDE_ACCOUNT}/transactions")
    client.clock.time += 1
    then = await client.read(f"transactions/{first['id']}")
    authorisation = await client.read(f"authorisations/{authorisation_id}")
    own = dict.fromkeys(("id", "status", "createdAt", "updatedAt"))
    assert then | own == then | authorisation | own
    assert (first["status"], first["chainTransactions"]) == ("processing", [])
    assert (then["status"], then["updatedAt"][17:]) == ("processed", "23.000000Z")
    assert (then["direction"], then["authorisationId"]) == ("debit", authorisation_id)
    assert (len(then["fees"]), len(then["chainTransactions"])) == (1, 1)


async def test_transactions_are_listed_by_card_and_account() -> None:
    """Each list has its own transactions alone, the oldest first."""
    other = str(uuid4())
    client = await connect(accounts=(GUIDE_ACCOUNT, other))
    cards = [await client.active_card(account) for account in (GUIDE_ACCOUNT, other)]
    for amount in ("1", "2", "3", "4"):
        await client.authorise(cards[int(amount) % 2], amount=amount, capture=True)
        client.clock.time += 1
    lists = [f"cards/{cards[0]}", f"cards/{cards[1]}", f"accounts/{other}"]
    shown = [[one["amount"] for one in await client.read(f"{each}/transactions")] for each in lists]
    assert shown == [["2", "4"], ["1", "3"], ["1", "3"]]


async def test_transactions_are_in_the_order_in_which_they_were_made() -> None:
    """A capture that takes longer comes later, although it was asked for first."""
    client = await connect(capture_delay=10)
    card_id = await client.active_card()
    await client.authorise(card_id, amount="1", capture=True)
    client.change(capture_delay=1)
    await client.authorise(card_id, amount="2", capture=True)
    client.clock.time += 10
    made = await client.read(f"cards/{card_id}/transactions")
    assert [one["amount"] for one in made] == ["2", "1"]


async def test_a_transaction_that_is_not_made_yet_is_unknown() -> None:
    """Before the capture is done there is nothing to be read."""
    client = await connect()
    await authorised(client, capture=True)
    [transaction_id] = client.emulator.transactions
    path = f"/v1/transactions/{transaction_id}"
    refused(await client.send("GET", path), 404, "transaction not found")
    client.clock.time += 1
    assert (await client.send("GET", path)).status_code == 200
    refused(await client.send("GET", f"/v1/transactions/{uuid4()}"), 404, "transaction not found")
