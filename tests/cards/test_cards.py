"""Reading, issuing and simulating, through GraphQL, against the strict emulator."""

import asyncio
import unicodedata
import uuid
from typing import Any

import httpx
import msgspec
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from tests.stack import ADDRESS, CARD, ISSUE, Clock, Stack, issue_input, options, running
from tests.waiting import waiting_for

CALLS = ("GET", "/v1/cards/{cardId}")


def provider_calls(stack: Stack) -> Any:
    """How often each of the provider's operations was called."""
    return stack.emulator.state.emulator.calls


async def test_the_three_steps_of_the_guide() -> None:
    """A card is issued, its issuing is simulated, and it reads back ACTIVE with a masked PAN."""
    clock = Clock()
    async with running(clock=clock) as stack:
        issued = await stack.issue()
        assert issued["card"]["status"] == "ISSUING"
        simulated = await stack.simulate(issued["card"]["id"])
        assert simulated["card"] == {"id": issued["card"]["id"], "status": "ISSUING"}
        clock.time += 5
        card = await stack.card(issued["card"]["id"])
    assert card["status"] == "ACTIVE"
    assert card["maskedPan"].startswith("530518******")


async def test_the_simulator_fails_to_issue_a_card() -> None:
    """A card whose issue is made to fail reads back ISSUE_FAILED, and stays so."""
    clock = Clock()
    async with running(clock=clock) as stack:
        card_id = (await stack.issue())["card"]["id"]
        failed = await stack.simulate_failure(card_id)
        assert failed["__typename"] == "SimulateCardIssueFailureSuccess"
        assert failed["card"] == {"id": card_id, "status": "ISSUING"}
        clock.time += 5
        assert (await stack.card(card_id))["status"] == "ISSUE_FAILED"
        assert (await stack.simulate(card_id))["code"] == "INVALID_STATE"
        [call] = stack.wire.sent("PATCH", f"/simulator/cards/{card_id}/fail")
    assert str(uuid.UUID(call.headers["Idempotency-Key"])) == call.headers["Idempotency-Key"]


async def test_a_repeated_failure_is_replayed_without_a_call(stack: Stack) -> None:
    """The same key with the same card fails it once, and another simulation has another key."""
    key, card_id = str(uuid.uuid4()), (await stack.issue())["card"]["id"]
    first = await stack.simulate_failure(card_id, idempotencyKey=key)
    again = await stack.simulate_failure(card_id, idempotencyKey=key)
    other = await stack.simulate(card_id, idempotencyKey=key)
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert other["code"] == "INVALID_STATE"
    assert len(stack.wire.sent("PATCH", "/fail")) == 1


async def test_the_new_card_is_told_whole(stack: Stack) -> None:
    """The answer of issuing holds the account, the address as sent, and no replay."""
    issued = await stack.issue()
    assert issued["__typename"] == "IssueVirtualCardSuccess"
    assert issued["replayed"] is False
    assert issued["card"]["accountId"] == GUIDE_ACCOUNT
    assert issued["card"]["type"] == "VIRTUAL"
    address = issued["card"]["billingAddress"]
    assert address == ADDRESS | {"secondLine": None, "state": None}


async def test_address_lines_are_trimmed_and_optional_ones_are_sent(stack: Stack) -> None:
    """White space around a line is not sent, and the optional lines are."""
    address = ADDRESS | {"firstLine": "  Flat G ", "secondLine": "West End", "state": "LDN"}
    await stack.issue(billingAddress=address)
    [request] = stack.wire.sent("POST", "/cards")
    sent = msgspec.json.decode(request.content)["billingAddress"]
    assert sent == address | {"firstLine": "Flat G"}


@pytest.mark.parametrize(
    ("count", "result"), [(100, "IssueVirtualCardSuccess"), (101, "InvalidInput")]
)
async def test_the_length_of_a_line_is_that_of_its_composed_form(
    stack: Stack, count: int, result: str
) -> None:
    """A letter that is written as four characters counts once, and no text is too long for that."""
    line = unicodedata.normalize("NFD", "\u1f82") * count
    issued = await stack.issue(billingAddress=ADDRESS | {"firstLine": f"  {line}  "})
    assert issued["__typename"] == result


async def test_the_callers_key_comes_back(stack: Stack) -> None:
    """The result names the key that the caller gave."""
    key = str(uuid.uuid4())
    assert (await stack.issue(idempotencyKey=key))["idempotencyKey"] == key
    assert (await stack.issue(idempotencyKey=None))["idempotencyKey"] != key


async def test_without_a_key_each_click_has_its_own(stack: Stack) -> None:
    """Two requests without a key are two cards under two fresh keys."""
    first, second = await stack.issue(), await stack.issue()
    assert first["idempotencyKey"] != second["idempotencyKey"]
    assert first["card"]["id"] != second["card"]["id"]


async def test_the_same_key_is_the_same_card() -> None:
    """The same key and input bring the same card, and say so once that can be known."""
    clock, key = Clock(), str(uuid.uuid4())
    async with running(clock=clock) as stack:
        first = await stack.issue(idempotencyKey=key)
        clock.time += 60
        again = await stack.issue(idempotencyKey=key)
    assert again["card"]["id"] == first["card"]["id"]
    assert (first["replayed"], again["replayed"]) == (False, True)


async def test_the_same_key_with_another_input_is_a_conflict(stack: Stack) -> None:
    """A key that was used for another address is an IdempotencyConflict, not a card."""
    key = str(uuid.uuid4())
    await stack.issue(idempotencyKey=key)
    address = ADDRESS | {"city": "Leeds"}
    result = await stack.issue(idempotencyKey=key, billingAddress=address)
    assert (result["__typename"], result["retryable"]) == ("IdempotencyConflict", False)


async def test_an_unknown_card_reads_as_null(stack: Stack) -> None:
    """The provider's 404 is null, not an error."""
    assert await stack.card(str(uuid.uuid4())) is None


async def test_an_unknown_account_is_not_found(stack: Stack) -> None:
    """Issuing on an account that does not exist is NotFound."""
    result = await stack.issue(accountId=str(uuid.uuid4()))
    assert (result["__typename"], result["code"]) == ("NotFound", "NOT_FOUND")
    assert "account" in result["message"]


async def test_an_unknown_card_cannot_be_simulated(stack: Stack) -> None:
    """Simulating a card that does not exist is NotFound."""
    assert (await stack.simulate(str(uuid.uuid4())))["__typename"] == "NotFound"


async def test_an_active_card_cannot_be_issued_again() -> None:
    """The simulator's refusal of a card that is not ISSUING is InvalidState."""
    async with running(options(activation_delay=0)) as stack:
        card_id = (await stack.issue())["card"]["id"]
        await stack.simulate(card_id)
        result = await stack.simulate(card_id)
    assert (result["__typename"], result["code"]) == ("InvalidState", "INVALID_STATE")


@pytest.mark.parametrize("status", ["409", "400"])
async def test_a_refused_second_card_is_refused(status: Any) -> None:
    """Where an account may hold one card, the second one is Refused, whatever the status."""
    chosen = options(one_card_per_account=True, second_card=status)
    async with running(chosen, Clock()) as stack:
        await stack.issue()
        assert (await stack.issue())["__typename"] == "Refused"


async def test_the_simulator_can_be_switched_off() -> None:
    """Without a simulator the mutation says so, and no call is made."""
    async with running(simulator=False) as stack:
        result = await stack.simulate(str(uuid.uuid4()))
        assert result["__typename"] == "SimulatorDisabled"
        assert not stack.wire.exchanges


BAD_IDS = ["../../auth/signing", "", "1", "x" * 36, "{ae61c362-4136-49af-8e01-544457fe265b}", "é"]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_malformed_card_id_makes_no_call(stack: Stack, bad: str) -> None:
    """An id that is not a UUID is BAD_USER_INPUT naming the field, and no call is made."""
    error = await stack.error(CARD, {"id": bad})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "id"
    assert error["path"] == ["card"]
    assert not stack.wire.exchanges


LONG = "canary" * 20
BAD_INPUTS = [
    ({"accountId": "canary"}, "input.accountId"),
    ({"idempotencyKey": "canary"}, "input.idempotencyKey"),
    ({"billingAddress": ADDRESS | {"firstLine": "  "}}, "input.billingAddress.firstLine"),
    ({"billingAddress": ADDRESS | {"city": LONG}}, "input.billingAddress.city"),
    ({"billingAddress": ADDRESS | {"state": "canary\n"}}, None),
    ({"billingAddress": ADDRESS | {"state": "can\nary"}}, "input.billingAddress.state"),
    ({"billingAddress": ADDRESS | {"country": "UK"}}, "input.billingAddress.country"),
    ({"billingAddress": ADDRESS | {"country": "XK"}}, "input.billingAddress.country"),
    ({"billingAddress": ADDRESS | {"country": "gb"}}, "input.billingAddress.country"),
    ({"billingAddress": ADDRESS | {"postCode": "c" * 21}}, "input.billingAddress.postCode"),
]


@pytest.mark.parametrize(("changes", "field"), BAD_INPUTS)
async def test_bad_input_is_named_and_makes_no_call(
    stack: Stack, changes: dict[str, Any], field: str | None
) -> None:
    """Bad input is InvalidInput with the field's path, never its value, and no call is made."""
    result = await stack.issue(**changes)
    if field is None:
        assert result["__typename"] == "IssueVirtualCardSuccess"
        return
    assert (result["__typename"], result["field"]) == ("InvalidInput", field)
    assert field in result["message"]
    assert "canary" not in result["message"]
    assert not stack.wire.exchanges


async def test_a_bad_card_id_of_the_simulator_is_named(stack: Stack) -> None:
    """The simulator's bad card id is InvalidInput too."""
    result = await stack.simulate("canary")
    assert (result["__typename"], result["field"]) == ("InvalidInput", "input.cardId")


async def test_fifty_aliases_over_ten_ids_are_ten_concurrent_reads() -> None:
    """50 aliases of card over 10 ids make exactly 10 GETs, all in flight at once."""
    together, most, gate = 0, 0, asyncio.Event()
    async with running() as stack:
        ids = [(await stack.issue())["card"]["id"] for _ in range(10)]
        passing = stack.wire.handle_async_request

        async def held(request: httpx.Request) -> httpx.Response:
            nonlocal together, most
            together, most = together + 1, max(most, together + 1)
            if together == len(ids):
                gate.set()
            await gate.wait()
            together -= 1
            return await passing(request)

        stack.wire.handle_async_request = held  # type: ignore[method-assign]
        aliases = " ".join(f'c{n}: card(id: "{ids[n % 10]}") {{ id }}' for n in range(50))
        async with waiting_for("ten reads in flight at once"):
            data = await stack.data("{" + aliases + "}")
    assert [data[f"c{n}"]["id"] for n in range(50)] == [ids[n % 10] for n in range(50)]
    assert provider_calls(stack)[CALLS] == 10
    assert most == 10


async def test_reads_at_once_are_bounded() -> None:
    """No more card reads are in flight than the setting permits."""
    together, most, three = 0, 0, asyncio.Event()
    async with running(max_card_reads=3) as stack:
        await stack.card(str(uuid.uuid4()))  # the token is there
        passing = stack.wire.handle_async_request

        async def counted(request: httpx.Request) -> httpx.Response:
            nonlocal together, most
            together, most = together + 1, max(most, together + 1)
            if together == 3:
                three.set()
            await three.wait()
            await asyncio.sleep(0)
            response = await passing(request)
            together -= 1
            return response

        stack.wire.handle_async_request = counted  # type: ignore[method-assign]
        aliases = " ".join(f'c{n}: card(id: "{uuid.uuid4()}") {{ id }}' for n in range(20))
        async with waiting_for("three reads in flight at once"):
            await stack.data("{" + aliases + "}")
    assert most == 3


async def test_one_failing_card_fails_alone() -> None:
    """Of two cards in one document, the one that fails is null with an error; the other is told."""
    async with running(clock=Clock()) as stack:
        good = (await stack.issue())["card"]["id"]
        bad = str(uuid.uuid4())
        stack.wire.answer = lambda request: httpx.Response(400) if bad in str(request.url) else None
        query = f'{{ good: card(id: "{good}") {{ id }} bad: card(id: "{bad}") {{ id }} }}'
        body = (await stack.post(query)).json()
    assert body["data"] == {"good": {"id": good}, "bad": None}
    [error] = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["bad"], "REFUSED")


async def test_the_created_card_is_not_read_again(stack: Stack) -> None:
    """A create primes the loader, and a simulation clears it: the card is then read afresh."""
    issued = await stack.issue()
    assert provider_calls(stack)[CALLS] == 0
    await stack.simulate(issued["card"]["id"])
    assert provider_calls(stack)[CALLS] == 1


async def test_a_simulation_between_two_reads_is_seen() -> None:
    """Mutations of one document run in turn, and each simulation's card is read after it."""
    async with running(options(activation_delay=0)) as stack:
        ids = [(await stack.issue())["card"]["id"] for _ in range(2)]
        fields = "... on SimulateCardIssueSuccess { card { id status } }"
        document = " ".join(
            f'm{n}: simulateCardIssue(input: {{cardId: "{card_id}"}}) {{ {fields} }}'
            for n, card_id in enumerate(ids)
        )
        data = await stack.data("mutation { " + document + " }")
    assert [data[f"m{n}"]["card"] for n in range(2)] == [
        {"id": card_id, "status": "ACTIVE"} for card_id in ids
    ]


async def test_a_failed_read_after_a_simulation_keeps_the_success() -> None:
    """When the card cannot be read after the 202, the success stands and the card is null."""
    async with running(clock=Clock()) as stack:
        card_id = (await stack.issue())["card"]["id"]
        stack.wire.answer = lambda request: httpx.Response(500) if request.method == "GET" else None
        query = (
            "mutation($id: ID!) { simulateCardIssue(input: {cardId: $id}) "
            "{ ... on SimulateCardIssueSuccess { idempotencyKey card { id } } } }"
        )
        body = (await stack.post(query, {"id": card_id})).json()
    assert body["data"]["simulateCardIssue"]["card"] is None
    assert body["data"]["simulateCardIssue"]["idempotencyKey"]
    assert body["errors"][0]["extensions"]["code"] == "PROVIDER_UNAVAILABLE"


async def test_a_failing_sibling_cancels_nobody() -> None:
    """A null in a non-null sibling does not break another branch that waits for the same card."""
    async with running() as stack:
        card_id = (await stack.issue())["card"]["id"]
        query = f'{{ a: card(id: "x") {{ id }} b: card(id: "{card_id}") {{ id }} '
        query += f'c: card(id: "{card_id}") {{ id }} }}'
        data = (await stack.post(query)).json()["data"]
    assert data == {"a": None, "b": {"id": card_id}, "c": {"id": card_id}}


CARD_ID = "123e4567-e89b-12d3-a456-426614174000"
WIRE_CARD = {
    "id": CARD_ID,
    "accountId": CARD_ID,
    "type": "virtual",
    "status": "active",
    "createdAt": "2024-01-12T15:12:26.923705379Z",
    "updatedAt": "2024-01-12T15:16:03.983949Z",
}


async def read_wire_card(**changes: Any) -> Any:
    """The GraphQL body for a card that the provider sends with these changes."""
    card = {name: value for name, value in (WIRE_CARD | changes).items() if value is not ...}
    async with running(clock=Clock()) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(200, json=card) if request.method == "GET" else None
        )
        query = (
            "query($id: ID!) { card(id: $id) "
            "{ type status network maskedPan createdAt updatedAt } }"
        )
        return (await stack.post(query, {"id": CARD_ID})).json()


async def test_timestamps_of_any_precision_are_read() -> None:
    """Nine and six fractional digits both parse, and are told in microseconds, UTC."""
    card = (await read_wire_card())["data"]["card"]
    assert card["createdAt"] == "2024-01-12T15:12:26.923705Z"
    assert card["updatedAt"] == "2024-01-12T15:16:03.983949Z"


async def test_what_the_provider_adds_breaks_nothing() -> None:
    """Unknown fields are ignored and unknown enum values read as UNKNOWN."""
    body = await read_wire_card(
        surprise=[1], status="on_fire", type="metal", network="amex", maskedPan="530518******9871"
    )
    card = body["data"]["card"]
    assert (card["status"], card["type"], card["network"]) == ("UNKNOWN",) * 3
    assert card["maskedPan"] == "530518******9871"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ...},
        {"status": ...},
        {"createdAt": "yesterday"},
        {"createdAt": "2024-01-12T15:12:26"},
        {"accountId": "canary"},
    ],
)
async def test_a_card_that_is_not_as_documented_is_said_to_be(changes: dict[str, Any]) -> None:
    """A missing or malformed required field is a PROVIDER_PROTOCOL_ERROR without its value."""
    [error] = (await read_wire_card(**changes))["errors"]
    assert error["extensions"]["code"] == "PROVIDER_PROTOCOL_ERROR"
    assert "canary" not in error["message"]


@pytest.mark.parametrize(
    ("pan", "shown"),
    [
        ("4111111111111111", "************1111"),
        ("4111 1111 1111 1111", "************1111"),
        ("41111111", "********"),
        ("411111******111111", "********1111"),
        ("411111xxxxxx1111", "411111******1111"),
    ],
)
async def test_a_card_number_never_gets_out(pan: str, shown: str) -> None:
    """Should the provider ever break its mask, the gateway masks the number itself."""
    assert (await read_wire_card(maskedPan=pan))["data"]["card"]["maskedPan"] == shown


async def test_issue_is_one_document_with_two_fields(stack: Stack) -> None:
    """Two aliases of the mutation in one document make two cards."""
    query = ISSUE.replace(
        "issueVirtualCard(input: $input) {", "a: issueVirtualCard(input: $input) {"
    )
    query = query.rstrip().removesuffix("}")
    query += (
        "b: issueVirtualCard(input: $input) { ... on IssueVirtualCardSuccess { card { id } } }}"
    )
    data = await stack.data(query, issue_input())
    assert data["a"]["card"]["id"] != data["b"]["card"]["id"]
