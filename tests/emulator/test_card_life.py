"""The emulator's cards from their issue to their end: which moves there are, and what refuses."""

from uuid import uuid4

import httpx
import pytest

from tests.emulator_client import HOST, Client, Clock, connect

STATUSES = ["issuing", "issue_failed", "active", "inactive", "suspended", "blocked", "terminated"]
MOVES = {
    ("active", "deactivate"): "inactive",
    ("inactive", "activate"): "active",
    ("active", "terminate"): "terminated",
}


def refused(answer: httpx.Response, status: int, text: str) -> None:
    """The answer is this refusal."""
    assert (answer.status_code, answer.json()) == (status, {"error": text})


async def card_with(client: Client, status: str) -> str:
    """The id of a card that a control call put into a status."""
    card_id: str = (await client.create()).json()["id"]
    assert (await client.put("cards", card_id, status)).status_code == 200
    return card_id


@pytest.mark.parametrize("what", ["activate", "deactivate", "terminate"])
@pytest.mark.parametrize("status", STATUSES)
async def test_a_card_moves_as_documented_and_not_otherwise(status: str, what: str) -> None:
    """Section 6.4 lists three moves for callers; each other one gets 409 and changes nothing."""
    client = await connect()
    card_id = await card_with(client, status)
    client.clock.time += 10
    answer = await client.move(card_id, what)
    if (status, what) not in MOVES:
        refused(answer, 409, f"invalid state transition: the card is {status}")
    assert (await client.card(card_id))["status"] == MOVES.get((status, what), status)


async def test_a_moved_card_is_the_answer() -> None:
    """Deactivation and activation answer 200 with the card as a read shows it."""
    client = await connect()
    card_id = await client.active_card()
    for what, status in (("deactivate", "inactive"), ("activate", "active")):
        answer = await client.move(card_id, what)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        assert answer.json() == await client.card(card_id)


async def test_a_termination_has_no_body() -> None:
    """DELETE answers 204 with nothing, and the card is still there to be read."""
    client = await connect()
    card_id = await client.active_card()
    answer = await client.move(card_id, "terminate")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.card(card_id))["status"] == "terminated"


async def test_updated_at_moves_with_each_change() -> None:
    """``updatedAt`` is the time of the last change, ``createdAt`` stays."""
    client = await connect(Clock(1_700_000_000.0))
    card_id = await client.active_card()
    dates = []
    for what in ("deactivate", "activate", "terminate"):
        client.clock.time += 10
        await client.move(card_id, what)
        card = await client.card(card_id)
        assert card["createdAt"] == "2023-11-14T22:13:20.000000Z"
        dates.append(card["updatedAt"][17:])
    assert dates == ["31.000000Z", "41.000000Z", "51.000000Z"]


@pytest.mark.parametrize("what", ["activate", "deactivate", "terminate"])
async def test_a_move_under_its_key_is_a_replay(what: str) -> None:
    """The same key gives the same answer, although the card would refuse the move by now."""
    client, key = await connect(), uuid4()
    card_id = await client.active_card()
    if what == "activate":
        await client.move(card_id, "deactivate")
    method, end = ("DELETE", "") if what == "terminate" else ("PATCH", f"/{what}")
    first = await client.send(method, f"/v1/cards/{card_id}{end}", key=key)
    again = await client.send(method, f"/v1/cards/{card_id}{end}", key=key)
    assert first.status_code < 300
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(client.emulator.cards[card_id].history.changes) == (4 if what == "activate" else 3)


@pytest.mark.parametrize("what", ["activate", "deactivate", "terminate"])
async def test_an_unknown_card_is_not_moved(what: str) -> None:
    """404, as for reads."""
    refused(await (await connect()).move(str(uuid4()), what), 404, "card not found")


@pytest.mark.parametrize("status", STATUSES)
async def test_the_simulator_decides_on_issuing_cards_alone(status: str) -> None:
    """A card that is not issuing refuses ``issue`` and ``fail`` with 409."""
    client = await connect()
    card_id = await card_with(client, status)
    text = "invalid state transition: the card is not issuing any more"
    if status == "issuing":
        assert (await client.simulate(card_id, "issue")).status_code == 202
    else:
        refused(await client.simulate(card_id, "issue"), 409, text)
        refused(await client.simulate(card_id, "fail"), 409, text)


async def test_a_card_that_is_not_active_yet_is_not_moved() -> None:
    """Between the simulator's 202 and its end the card is still ``issuing``."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    await client.simulate(card_id, "issue")
    refused(
        await client.move(card_id, "deactivate"),
        409,
        "invalid state transition: the card is issuing",
    )


@pytest.mark.parametrize("status", STATUSES)
async def test_cards_that_were_issued_are_rich(status: str) -> None:
    """Name, network, masked PAN and expiry stay when a card is not active any more."""
    client = await connect()
    card = await client.card(await card_with(client, status))
    assert ("maskedPan" in card) == (status not in {"issuing", "issue_failed"})


async def test_a_move_whose_answer_is_lost_was_made() -> None:
    """Faults concern moves as they concern other calls: carried out, and the key brings it back."""
    client, key = await connect(), uuid4()
    transport = httpx.ASGITransport(app=client.app)
    client.http = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")
    card_id = await client.active_card()
    await client.http.put("/_emulator/faults", json={"drop_after_chance": 1, "only_call": 1})
    with pytest.raises(ConnectionResetError):
        await client.send("DELETE", f"/v1/cards/{card_id}", key=key)
    assert (await client.card(card_id))["status"] == "terminated"
    assert (await client.send("DELETE", f"/v1/cards/{card_id}", key=key)).status_code == 204


# --- the control call ---


async def test_control_overrules_what_was_to_come() -> None:
    """A card that was about to become active stays what it was put into."""
    client = await connect(Clock(1_700_000_000.0))
    card_id = (await client.create()).json()["id"]
    await client.simulate(card_id, "issue")
    await client.put("cards", card_id, "blocked")
    client.clock.time += 10
    card = await client.card(card_id)
    assert (card["status"], card["updatedAt"]) == ("blocked", "2023-11-14T22:13:20.000000Z")


async def test_a_card_that_is_put_back_can_be_decided_afresh() -> None:
    """Nothing of an earlier decision is left once control has overruled it."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    await client.simulate(card_id, "issue")
    answer = await client.put("cards", card_id, "issuing")
    assert [change["status"] for change in answer.json()["changes"]] == ["issuing", "issuing"]
    assert (await client.simulate(card_id, "fail")).status_code == 202
    client.clock.time += 1
    assert (await client.card(card_id))["status"] == "issue_failed"


async def test_control_tells_what_became_of_a_card() -> None:
    """Every change of its status with its time, those that are still to come included."""
    client = await connect(Clock(1_700_000_000.0), activation_delay=1)
    card_id = (await client.create()).json()["id"]
    await client.simulate(card_id, "issue")
    path = f"/_emulator/cards/{card_id}"
    changes = [
        {"status": "issuing", "at": 1_700_000_000.0},
        {"status": "active", "at": 1_700_000_001.0},
    ]
    assert (await client.http.get(path)).json() == {"changes": changes}
    client.clock.time += 2
    answer = await client.put("cards", card_id, "blocked")
    changes.append({"status": "blocked", "at": 1_700_000_002.0})
    assert answer.json() == (await client.http.get(path)).json() == {"changes": changes}


async def test_suspicion_can_be_cleared() -> None:
    """A suspended card that is put back is like any active one."""
    client = await connect()
    card_id = await card_with(client, "suspended")
    await client.put("cards", card_id, "active")
    assert (await client.move(card_id, "deactivate")).status_code == 200


@pytest.mark.parametrize("kind", ["cards", "accounts"])
async def test_control_refuses_what_is_no_status(kind: str) -> None:
    """A status that the provider does not document, another field and another body get 400."""
    client = await connect(any_account=True)
    an_id = (await client.create()).json()["id"]
    text = "the body is not as specified: status is not one of the documented values"
    refused(await client.put(kind, an_id, "frozen"), 400, text)
    for content in (b"", b"[]", b'{"status":"active","reason":"fraud"}'):
        answer = await client.http.put(f"/_emulator/{kind}/{an_id}", content=content)
        assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["card", "account"])
async def test_control_finds_by_id(kind: str) -> None:
    """An unknown id gets 404, a malformed one 400."""
    client = await connect()
    refused(await client.put(f"{kind}s", str(uuid4()), "active"), 404, f"{kind} not found")
    refused(
        await client.put(f"{kind}s", "7", "active"), 400, f"the {kind}Id in the path is not a UUID"
    )


# --- the limit of one card ---


@pytest.mark.parametrize("status", ["inactive", "suspended", "blocked"])
async def test_a_card_that_may_return_keeps_its_slot(status: str) -> None:
    """A card that cannot be used counts for the limit of one card, unless it has ended."""
    client = await connect(one_card_per_account=True)
    await card_with(client, status)
    assert (await client.create()).status_code == 409


@pytest.mark.parametrize(("frees", "status"), [(True, 201), (False, 409)])
async def test_a_terminated_card_frees_the_slot_by_option(frees: bool, status: int) -> None:
    """Nobody knows whether a terminated card makes room for another one: an option chooses."""
    client = await connect(one_card_per_account=True, ended_card_frees_slot=frees)
    await client.move(await client.active_card(), "terminate")
    assert (await client.create()).status_code == status
