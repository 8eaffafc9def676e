"""What the emulator tells of each request: its end and the reason, and nothing that was sent."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.emulator import create_emulator
from gateway.emulator.observed import ObservedCall
from gateway.emulator.output import request_line
from tests.emulator_client import API_KEY, CARDS, NEW_CARD, Client, Clock, Signing, connect
from tests.stack import options

CANARY = "4111111111111111"
TIME = "2023-11-14T22:13:20.123Z"


async def observed(**changes: Any) -> tuple[Client, list[ObservedCall]]:
    """A logged-in client, and the records of what it does from now on."""
    records: list[ObservedCall] = []
    client = await connect(observe=records.append, **changes)
    records.clear()
    return client, records


async def set_faults(client: Client, **faults: Any) -> None:
    """Let these things go wrong from now on."""
    (await client.http.put("/_emulator/faults", json=faults)).raise_for_status()


async def test_each_request_is_one_line() -> None:
    """Time, method, path and status; for a refusal its reason, which is that of the answer."""
    client, records = await observed()
    card_id = (await client.create()).json()["id"]
    await client.card(card_id)
    await client.card(str(uuid4()))
    answer = await client.send("GET", f"/v1/cards/{card_id}", signing=Signing(path="/"))
    lines = [request_line(record) for record in records]
    assert lines[:2] == [f"{TIME} POST {CARDS} 201", f"{TIME} GET /v1/cards/{card_id} 200"]
    assert lines[2].endswith(" 404 card not found")
    assert lines[3] == f"{TIME} GET /v1/cards/{card_id} 400 {answer.json()['error']}"
    assert len(lines) == 4


async def test_control_and_unknown_paths_are_lines_too() -> None:
    """Whatever was asked: the control of faults, a path that is not there, a method, a host."""
    client, records = await observed()
    await client.http.get("/_emulator/ledger")
    await client.http.get("/v1/crads")
    await client.http.request("PROPFIND", "/v1/cards")
    lines = [request_line(record).removeprefix(TIME) for record in records]
    assert lines == [
        " GET /_emulator/ledger 200",
        " GET /v1/crads 404 there is no such path",
        " PROPFIND /v1/cards 405 this path does not take this method",
    ]


async def test_a_refused_host_is_a_line() -> None:
    """A request for another host is told of, and the host is not."""
    records: list[ObservedCall] = []
    app = create_emulator(options(), hosts=(), observe=records.append)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        await http.get("http://evil.example/v1/cards")
    [line] = map(request_line, records)
    assert line.endswith(
        " GET /v1/cards 421 the emulator does not answer to this Host: --allowed-host adds a name"
    )


async def test_a_replayed_refusal_has_its_reason() -> None:
    """A refusal that is kept under its key is explained each time."""
    client, records = await observed()
    key, account = uuid4(), str(uuid4())
    for _ in range(2):
        await client.create(key, account)
    assert [record.reason for record in records] == ["account not found"] * 2


@pytest.mark.parametrize(
    ("faults", "line"),
    [
        (
            {"drop_before_chance": 1},
            "- the connection was closed before the call was looked at [fault: drop_before]",
        ),
        ({"status_chance": 1}, "503 a fault that was asked for [fault: status]"),
        (
            {"drop_after_chance": 1},
            "- carried out with 201, and the connection was closed instead of the answer "
            "[fault: drop_after]",
        ),
        (
            {"half_answer_chance": 1, "latency": 1.25},
            "201 carried out, and the connection was closed after half the body "
            "[fault: half_answer, latency 1.250 s]",
        ),
        ({"latency": 2}, "201 [fault: latency 2.000 s]"),
        ({"status_chance": 1, "only_call": 2}, "201"),
    ],
)
async def test_a_fault_that_struck_is_named(faults: dict[str, Any], line: str) -> None:
    """Each fault, with what became of the call; a call that none befell does not mention any."""

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    client, records = await observed(sleep=sleep)
    await set_faults(client, **faults)
    records.clear()
    try:
        await client.create()
    except ConnectionResetError:
        assert "chance" in str(faults)
    assert [request_line(record) for record in records] == [f"{TIME} POST {CARDS} {line}"]


async def test_the_time_is_not_the_shifted_one() -> None:
    """Lines are dated by the clock that the reader has, whatever a fault does to the emulator's."""
    client, records = await observed()
    await set_faults(client, clock_shift=3600)
    assert request_line(records[-1]).startswith(TIME)


async def test_an_unforeseen_failure_is_told_and_contained() -> None:
    """Its class and place are told, its text is not, and the server has nothing left to log."""

    async def broken(_seconds: float) -> None:
        raise RuntimeError(CANARY)

    client, records = await observed(sleep=broken, clock=Clock())
    client.change(latency=1)
    transport = httpx.ASGITransport(app=client.app, raise_app_exceptions=True)
    client.http = httpx.AsyncClient(transport=transport, base_url=client.http.base_url)
    assert (await client.create()).status_code == 500
    [line] = map(request_line, records)
    assert re.search(
        r" 500 internal error: RuntimeError in tests\.emulator\.test_observed:\d+$", line
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/v1/cards?pan={CANARY}", "/v1/cards"),
        (f"/v1/cards/{CANARY}", "/v1/cards/..."),
        ("/v1/cards/4111-1111-1111-1111", "/v1/cards/..."),
        (f"/v1/cards/{CANARY}/issue", "/v1/cards/.../issue"),
        ("/v1/cards/%0A%1B%5B31m", "/v1/cards/..."),
        ("/v1/cards/a%20b", "/v1/cards/..."),
        ("/v1/cards/" + "x" * 41, "/v1/cards/..."),
        ("/v1/cards/", "/v1/cards/"),
        (f"/v1/cards/{API_KEY.upper()}", f"/v1/cards/{API_KEY.upper()}"),
    ],
)
async def test_a_path_is_shown_without_what_it_should_not_hold(path: str, shown: str) -> None:
    """Words and UUIDs of a path are shown, its query and whatever else it holds are not."""
    client, records = await observed()
    await client.http.get(path)
    assert records[-1].path == shown


async def test_nothing_that_was_sent_is_told() -> None:
    """Marked values in a body, in field names and in headers: none is in any line."""
    client, records = await observed()
    for body in (
        NEW_CARD | {CANARY: 1},
        NEW_CARD | {"type": CANARY},
        {"billingAddress": {CANARY: CANARY}},
        [CANARY],
        CANARY.encode(),
    ):
        await client.send("POST", CARDS, body)
    await client.auth("POST", "token", apiKey=API_KEY, apiSecret=CANARY)
    await client.auth("POST", "token", apiKey=CANARY, apiSecret=CANARY)
    for name in ("Authorization", "Signature", "Signature-Input", "Content-Digest", "Host"):
        await client.send("POST", CARDS, NEW_CARD, headers={name: CANARY})
    await client.send("POST", CARDS, NEW_CARD, headers={"Idempotency-Key": CANARY})
    lines = [request_line(record) for record in records]
    assert len(lines) == 13
    assert all(len(line.split(" ", 4)) == 5 for line in lines), "each says why it was refused"
    assert CANARY not in "\n".join(lines)
