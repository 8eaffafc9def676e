"""The emulator's accounts: which there are, what they show, and what inactive ones refuse."""

from uuid import UUID, uuid4

import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.emulator_client import Clock, connect


async def test_an_account_is_active_and_has_a_customer() -> None:
    """An account shows what the specification requires, and its currency."""
    client = await connect(Clock(1_700_000_000.0))
    account = await client.read(f"accounts/{GUIDE_ACCOUNT.upper()}")
    assert account == {
        "id": GUIDE_ACCOUNT,
        "customerId": str(UUID(account["customerId"])),
        "status": "active",
        "type": "card_account",
        "currencies": ["EUR"],
        "createdAt": "2023-11-14T22:13:20.000000Z",
        "updatedAt": "2023-11-14T22:13:20.000000Z",
    }


async def test_each_account_has_a_customer_of_its_own() -> None:
    """The customer stays the same from read to read, and differs between accounts."""
    client = await connect(accounts=(GUIDE_ACCOUNT, str(uuid4())))
    first, second = await client.read("accounts")
    assert first["customerId"] != second["customerId"]
    assert await client.read("accounts") == [first, second]


async def test_accounts_of_the_options_are_listed_once() -> None:
    """The list has each account of the options, in their order, in lower case."""
    other = str(uuid4())
    client = await connect(accounts=(other.upper(), GUIDE_ACCOUNT, other))
    assert [account["id"] for account in await client.read("accounts")] == [other, GUIDE_ACCOUNT]


async def test_any_account_is_listed_once_it_was_used() -> None:
    """Where any UUID is an account, those that were used are listed beside those of the options."""
    client, used, changed = await connect(any_account=True), str(uuid4()), str(uuid4())
    assert (await client.read(f"accounts/{used}"))["id"] == used
    await client.create(account=used)
    await client.put("accounts", changed, "closed")
    listed = [account["id"] for account in await client.read("accounts")]
    assert listed == [GUIDE_ACCOUNT, used, changed]


@pytest.mark.parametrize("end", ["", "/cards", "/transactions"])
async def test_an_unknown_account_gets_404(end: str) -> None:
    """It has neither cards nor transactions."""
    answer = await (await connect()).send("GET", f"/v1/accounts/{uuid4()}{end}")
    assert (answer.status_code, answer.json()) == (404, {"error": "account not found"})


async def test_control_changes_the_status_of_an_account() -> None:
    """The account shows it from now on, and its cards stay as they are."""
    client = await connect(Clock(1_700_000_000.0))
    card_id = await client.active_card()
    answer = await client.put("accounts", GUIDE_ACCOUNT, "inactive")
    assert [change["status"] for change in answer.json()["changes"]] == ["active", "inactive"]
    account = await client.read(f"accounts/{GUIDE_ACCOUNT}")
    assert (account["status"], account["updatedAt"]) == ("inactive", "2023-11-14T22:13:21.000000Z")
    assert account["createdAt"] == "2023-11-14T22:13:20.000000Z"
    assert (await client.card(card_id))["status"] == "active"


@pytest.mark.parametrize("status", ["initiating", "pending", "inactive", "closed", "failed"])
async def test_a_card_of_an_account_that_is_not_active_fails(status: str) -> None:
    """The account is checked after the 201: the card is ``issuing`` and then ``issue_failed``."""
    client = await connect()
    await client.put("accounts", GUIDE_ACCOUNT, status)
    answer = await client.create()
    assert (answer.status_code, answer.json()["status"]) == (201, "issuing")
    client.clock.time += 1
    assert (await client.card(answer.json()["id"]))["status"] == "issue_failed"


@pytest.mark.parametrize(
    ("chosen", "text"), [("404", "account not found"), ("409", "the account is not active")]
)
async def test_an_account_that_is_not_active_refuses_by_option(chosen: str, text: str) -> None:
    """By option the create is refused, until the account is active again."""
    client = await connect(inactive_account=chosen)
    await client.put("accounts", GUIDE_ACCOUNT, "inactive")
    answer = await client.create()
    assert (answer.status_code, answer.json()) == (int(chosen), {"error": text})
    assert not client.emulator.cards
    await client.put("accounts", GUIDE_ACCOUNT, "active")
    assert (await client.create()).status_code == 201
