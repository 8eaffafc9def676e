"""The emulator's faults, as clients see them: over real sockets wherever a connection matters."""

import asyncio
import json
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator, read_faults
from gateway.emulator.faults import Fate
from tests.emulator_client import (
    API_KEY,
    API_SECRET,
    CARDS,
    HOST,
    KEYID,
    PRIVATE_KEY,
    Client,
    Clock,
    connect,
    encoded_pem,
)
from tests.processes import Process, run, started
from tests.waiting import PATIENCE, waiting_for

pytestmark = pytest.mark.process

OPTIONS = EmulatorOptions(api_key=API_KEY, api_secret=API_SECRET)
FAULTS = "/_emulator/faults"
LEDGER = "/_emulator/ledger"
CREDENTIALS = ("--port", "0", "--api-key", API_KEY, "--api-secret", API_SECRET)
COMMAND = ("emulator", *CREDENTIALS, "--allowed-host", HOST)
NOTHING_WRONG: dict[str, Any] = {
    "latency": 0,
    "latency_spread": 0,
    "drop_before_chance": 0,
    "status_chance": 0,
    "status": 503,
    "retry_after": None,
    "drop_after_chance": 0,
    "half_answer_chance": 0,
    "only_call": None,
    "auth": False,
    "seed": None,
    "token_lifetime": None,
    "clock_shift": 0,
}


def url_of(process: Process) -> str:
    """Where the emulator's provider is, without the version path."""
    return process.wait_for(r"PROVIDER_URL=(http://[\d.:]+)/v1")[1]


def client_of(url: httpx.URL | str, **options: Any) -> httpx.AsyncClient:
    """An HTTP client of a server of ours, as patient as every wait."""
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE, **options)


async def client_at(url: str) -> Client:
    """A caller of the emulator behind a URL, logged in and with its key registered.

    Each call has its own connection: the end of one must not meet the next.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    http = client_of(url, headers={"Host": HOST}, limits=limits)
    client = Client(Starlette(), Clock(time.time()), http)
    await client.login()
    pem = encoded_pem(PRIVATE_KEY.public_key().to_pem())
    await client.auth("PUT", "signing", signingKeyId=KEYID, signingKey=pem)
    return client


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One emulator process for all tests that need real connections."""
    with started(*COMMAND) as process:
        yield url_of(process)


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    """A client of that process, in which nothing goes wrong yet."""
    async with client_of(url) as http:
        (await http.put(FAULTS, json={})).raise_for_status()
    client = await client_at(url)
    async with aclosing(client.http):
        yield client


async def set_faults(client: Client, **faults: Any) -> None:
    """Let these things go wrong from now on."""
    (await client.http.put(FAULTS, json=faults)).raise_for_status()


async def ledger(client: Client) -> Any:
    """What the emulator says that it did."""
    return (await client.http.get(LEDGER)).json()


async def ledger_entry(client: Client, key: UUID) -> Any:
    """What the emulator knows of one idempotency key, or None."""
    keys = (await ledger(client))["keys"]
    return next((entry for entry in keys if entry["key"] == str(key)), None)


# --- one fault at a time, from a client's end of the connection ---


async def test_a_connection_dropped_before_handling_made_nothing(client: Client) -> None:
    """The client gets no byte of an answer, and its key was never seen."""
    await set_faults(client, drop_before_chance=1)
    cards, key = (await ledger(client))["cards"], uuid4()
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await client.create(key)
    told = await ledger(client)
    assert (told["cards"], told["faults"]) == (cards, {"drop_before": 1})
    assert await ledger_entry(client, key) is None


async def test_a_connection_dropped_after_committing_made_the_card(client: Client) -> None:
    """The client gets no byte of an answer, yet the card exists, and its key brings it."""
    await set_faults(client, drop_after_chance=1)
    cards, key = (await ledger(client))["cards"], uuid4()
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await client.create(key)
    made = await ledger_entry(client, key)
    assert made == {
        "key": str(key),
        "method": "POST",
        "path": CARDS,
        "presented": 1,
        "card": made["card"],
    }

    await set_faults(client)
    assert (await client.create(key)).json()["id"] == made["card"]
    assert await ledger_entry(client, key) == made | {"presented": 2}
    assert (await ledger(client))["cards"] == cards + 1


async def test_half_an_answer_ends_within_the_body(client: Client) -> None:
    """Status, headers and half of the promised body arrive; the card was made."""
    await set_faults(client, half_answer_chance=1)
    key = uuid4()
    sent: list[httpx.Request] = []
    client.http.event_hooks["request"] = [partial(_keep, sent)]
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await client.create(key)
    made = await ledger_entry(client, key)

    head, _, body = (await bytes_answered(sent[0])).partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert head.startswith(b"HTTP/1.1 201 Created\r\n")
    assert length is not None
    assert len(body) == int(length[1]) // 2
    assert made["card"].encode() in body


async def _keep(sent: list[httpx.Request], request: httpx.Request) -> None:
    sent.append(request)


async def bytes_answered(request: httpx.Request) -> bytes:
    """All that comes back for a request, over a plain socket, until it is closed."""
    url = request.url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [f"{request.method} {url.raw_path.decode()} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in request.headers.raw]
    writer.write(b"\r\n".join([*lines, b"", request.content]))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("faults", "status", "wait"),
    [
        ({}, 503, None),
        ({"status": 500}, 500, None),
        ({"status": 429, "retry_after": 1.2}, 429, "2"),
    ],
)
async def test_a_status_can_be_answered_before_handling(
    client: Client, faults: Any, status: int, wait: str | None
) -> None:
    """The chosen status and ``Retry-After`` come in place of any work."""
    await set_faults(client, status_chance=1, **faults)
    key = uuid4()
    answer = await client.create(key)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
    assert answer.json() == {"error": "a fault that was asked for"}
    assert await ledger_entry(client, key) is None


@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "half_answer"])
async def test_closed_connections_leave_no_trace_in_the_log(
    http: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Under either of uvicorn's protocols a call ends with its connection, quietly."""
    faults = read_faults(json.dumps({f"{kind}_chance": 1, "only_call": 1}))
    async with (
        served(create_emulator(OPTIONS, faults=faults), http=http) as url,
        client_of(url) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/v1/nothing", content=b"that is not read")
        assert (await client.get("/v1/cards")).status_code == 401
    assert caplog.messages == []


@asynccontextmanager
async def served(emulator: Starlette, *, http: Any) -> AsyncIterator[httpx.URL]:
    """Serve an emulator within the test, with one of uvicorn's two protocols."""
    config = uvicorn.Config(emulator, http=http, log_config=None, log_level="warning")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        yield httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server.should_exit = True
        await serving


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_a_client_that_leaves_early_leaves_no_trace(
    http: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller that is killed while it sends is not an error of the emulator."""
    async with served(create_emulator(OPTIONS), http=http) as url:
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        writer.close()
        await writer.wait_closed()
        async with client_of(url) as client:
            assert (await client.get("/v1/cards")).status_code == 401
    assert caplog.messages == []


async def test_an_answer_without_a_body_is_whole_before_the_connection_ends(client: Client) -> None:
    """Half of nothing is nothing: a 202 without a body arrives like any other."""
    card_id = (await client.create()).json()["id"]
    await set_faults(client, half_answer_chance=1, only_call=1)
    assert (await client.simulate(card_id, "issue")).status_code == 202
    assert (await ledger(client))["faults"] == {"half_answer": 1}
    assert (await client.card(card_id))["id"] == card_id


async def test_without_a_connection_a_drop_is_a_reset() -> None:
    """In process the application raises ConnectionResetError, after committing where it says so."""
    client = await connect()
    transport = httpx.ASGITransport(app=client.app)
    client.http = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")
    for faults, cards in [
        ({"drop_before_chance": 1}, 0),
        ({"drop_after_chance": 1}, 1),
        ({"half_answer_chance": 1}, 2),
    ]:
        await set_faults(client, **faults)
        with pytest.raises(ConnectionResetError):
            await client.create()
        assert len(client.emulator.cards) == cards


# --- latency ---


class Sleeps:
    """A sleep that takes no time and remembers how long it should have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_latency_is_added_and_spread() -> None:
    """Calls take the option's time, the fault's, and a part of the spread that varies."""
    sleeps = Sleeps()
    client = await connect(sleep=sleeps)
    client.change(latency=10)
    await set_faults(client, latency=2, latency_spread=1)
    for _ in range(20):
        await client.create()
    assert len(set(sleeps.slept)) == 20
    assert 12 <= min(sleeps.slept) < 12.4
    assert 12.6 < max(sleeps.slept) <= 13


async def test_a_slow_call_holds_its_key() -> None:
    """While a create is slow, its key presented again gets 409; afterwards it brings the card."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        begun.set()
        await finish.wait()

    client, key = await connect(sleep=sleep), uuid4()
    await set_faults(client, latency=30, only_call=1)
    slow = asyncio.create_task(client.create(key))
    async with waiting_for("the slow call to begin"):
        await begun.wait()
    assert (await client.create(key)).status_code == 409
    finish.set()
    assert (await slow).content == (await client.create(key)).content


# --- chance ---

MIXED = {
    "drop_before_chance": 0.25,
    "status_chance": 0.25,
    "drop_after_chance": 0.25,
    "half_answer_chance": 0.1,
}


async def fates(client: Client, calls: int) -> list[str]:
    """What becomes of so many calls in a row."""
    ends = []
    for _ in range(calls):
        try:
            ends.append(str((await client.send("GET", "/v1/cards")).status_code))
        except httpx.RemoteProtocolError as error:
            ends.append("half" if "complete message" in str(error) else "none")
    return ends


async def test_a_seed_repeats_a_run(client: Client) -> None:
    """The same seed and faults give the same fates; another seed gives others."""
    runs = []
    for seed in (1, 1, 2):
        await set_faults(client, seed=seed, **MIXED)
        runs.append(await fates(client, 40))
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {"200", "503", "none", "half"}


def test_chances_are_shares_of_all_calls() -> None:
    """Of many calls each mishap befalls its share, and the rest of them nothing."""
    fate = Fate(read_faults(json.dumps(MIXED | {"seed": 1})))
    kinds = Counter(fate.draw().kind for _ in range(10_000))
    shares = {f"{kind}_chance": count / 10_000 for kind, count in kinds.items() if kind}
    assert shares == pytest.approx(MIXED, rel=0.1)


async def test_only_one_given_call_can_be_concerned(client: Client) -> None:
    """The count begins with the setting, and calls that faults do not concern are not counted."""
    await set_faults(client, status_chance=1, only_call=3)
    await client.login()
    assert await fates(client, 5) == ["200", "200", "503", "200", "200"]
    await set_faults(client, status_chance=1, only_call=1)
    assert await fates(client, 2) == ["503", "200"]


@pytest.mark.parametrize(("auth", "status"), [(False, 200), (True, 503)])
async def test_auth_calls_are_concerned_by_option(client: Client, auth: bool, status: int) -> None:
    """Tokens can be had whatever goes wrong, unless the faults include them."""
    await set_faults(client, status_chance=1, auth=auth)
    answer = await client.auth("POST", "token", apiKey=API_KEY, apiSecret=API_SECRET)
    assert answer.status_code == status
    assert (await client.send("GET", "/v1/cards")).status_code == 503


# --- time ---


async def test_tokens_can_be_made_short_lived() -> None:
    """From the setting on, tokens live as long as it says; those issued before stay good."""
    client = await connect(Clock(1_700_000_000.0))
    earlier = client.token
    await set_faults(client, token_lifetime=2)
    await client.login()
    client.clock.time += 2
    assert (await client.send("GET", "/v1/cards")).status_code == 401
    client.token = earlier
    assert (await client.send("GET", "/v1/cards")).status_code == 200


@pytest.mark.parametrize("shift", [-60, 60])
async def test_the_clock_can_be_shifted(shift: int) -> None:
    """Answers are dated, cards and tokens stamped by the shifted clock."""
    client = await connect(Clock(1_700_000_000.0))
    await set_faults(client, clock_shift=shift)
    token = await client.auth("POST", "token", apiKey=API_KEY, apiSecret=API_SECRET)
    date = parsedate_to_datetime(token.headers["date"]).timestamp()
    assert (date, token.json()["expiresAt"]) == (1_700_000_000 + shift, 1_700_003_600 + shift)


@pytest.mark.parametrize(
    ("shift", "status", "reason"),
    [
        (-1, 400, "future"),
        (299, 200, ""),
        (301, 400, "expired"),
        (3600, 401, "the access token is not known or has expired"),
    ],
)
async def test_signatures_and_tokens_are_checked_by_the_shifted_clock(
    shift: int, status: int, reason: str
) -> None:
    """A signature is early or late and a token expired by the clock that the answers show."""
    client = await connect(Clock(1_700_000_000.0))
    await set_faults(client, clock_shift=shift)
    answer = await client.send("GET", "/v1/cards")
    assert (answer.status_code, reason in answer.text) == (status, True), answer.text


# --- the control of faults ---


async def test_a_put_sets_all_faults_and_tells_them(client: Client) -> None:
    """What a PUT leaves out goes back to harmless, and PUT and GET tell what is in force."""
    await set_faults(client, status_chance=1, seed=3)
    answer = await client.http.put(FAULTS, json={"latency": 0.001, "only_call": 7})
    in_force = NOTHING_WRONG | {"latency": 0.001, "only_call": 7}
    assert answer.json() == (await client.http.get(FAULTS)).json() == in_force


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"drop_chance": 1}',
        b'{"status_chance": 1.1}',
        b'{"status_chance": -0.1}',
        b'{"status_chance": 0.6, "drop_after_chance": 0.6}',
        b'{"status": 200}',
        b'{"status": 600}',
        b'{"only_call": 0}',
        b'{"latency": 1e999}',
        b'{"latency": -1}',
        b'{"token_lifetime": 0}',
        b'{"clock_shift": 1e12}',
        b'{"seed": "x"}',
        b'{"latency": null}',
    ],
)
async def test_faults_that_make_no_sense_are_refused(body: bytes) -> None:
    """Unknown fields, values out of range and chances beyond 1 get 400 and change nothing."""
    client = await connect()
    await set_faults(client, only_call=7)
    answer = await client.http.put(FAULTS, content=body)
    assert (answer.status_code, "not as specified" in answer.text) == (400, True)
    assert (await client.http.get(FAULTS)).json() == NOTHING_WRONG | {"only_call": 7}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.1.2.3", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 403),
        ("::ffff:192.0.2.7", 403),
        ("2001:db8::1", 403),
        ("localhost.example", 403),
        (None, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PUT", FAULTS), ("GET", FAULTS), ("GET", LEDGER)])
async def test_control_is_for_the_same_machine(
    host: str | None, status: int, method: str, path: str
) -> None:
    """Only a loopback peer may set faults or read what happened; another one changes nothing."""
    client = await connect()
    peer = (host, 1) if host else None
    transport = httpx.ASGITransport(app=client.app, client=peer)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://provider.test") as other:
        answer = await other.request(method, path, content=b'{"only_call": 7}')
    assert answer.status_code == status
    changed = client.emulator.fate.faults.only_call == 7
    assert changed == (method == "PUT" and status == 200)


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", "blocked"), ("192.0.2.7", "issuing")])
async def test_statuses_are_set_from_the_same_machine(host: str, status: str) -> None:
    """Only a loopback peer may put cards and accounts into a status."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    transport = httpx.ASGITransport(app=client.app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://provider.test") as other:
        changes = [(f"cards/{card_id}", "blocked"), (f"accounts/{GUIDE_ACCOUNT}", "closed")]
        for path, changed in changes:
            await other.put(f"/_emulator/{path}", json={"status": changed})
    account = await client.read(f"accounts/{GUIDE_ACCOUNT}")
    assert (await client.card(card_id))["status"] == status
    assert account["status"] == ("closed" if status == "blocked" else "active")


async def test_control_knows_its_methods_only() -> None:
    """Another method gets 405, and there is no other path."""
    client = await connect()
    assert (await client.http.delete(FAULTS)).status_code == 405
    assert (await client.http.post(LEDGER)).status_code == 405
    assert (await client.http.get("/_emulator")).status_code == 404


async def test_the_ledger_tells_keys_without_a_card() -> None:
    """A refused key made no card, also one that came again for something else."""
    client, refused, good = await connect(), uuid4(), uuid4()
    await client.create(refused, account=str(uuid4()))
    card_id = (await client.create(good)).json()["id"]
    await client.send("PATCH", f"/v1/simulator/cards/{card_id}/issue", key=good)
    told = await ledger(client)
    assert (told["cards"], told["tokens"], told["faults"]) == (1, 1, {})
    shown = [(entry["key"], entry["presented"], entry["card"]) for entry in told["keys"]]
    assert shown == [(str(refused), 1, None), (str(good), 2, card_id)]
    assert (await ledger_entry(client, good))["path"] == CARDS


# --- the command line ---


async def test_faults_can_be_there_from_the_start() -> None:
    """`gateway emulator --faults` sets them, and what goes wrong is a line, not a traceback."""
    faults = '{"drop_after_chance": 1}'
    with started(*COMMAND, "--faults", faults) as process:
        client = await client_at(url_of(process))
        async with aclosing(client.http):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.create()
            assert (await ledger(client))["cards"] == 1
        assert process.stop() == 0
    struck = rf"POST {CARDS} - carried out with 201, .* \[fault: drop_after\]\n"
    assert re.search(struck, process.output), process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ('{"drop": 1}', "drop: there is no such fault; did you mean drop_before_chance?"),
        ('{"latencey": 1}', "latencey: there is no such fault; did you mean latency?"),
        (
            '{"Status-Chance": 1}',
            "Status-Chance: there is no such fault; did you mean status_chance?",
        ),
        ('{"\\n4111": 1}', "a name: there is no such fault; the faults are latency, "),
        ('{"status_chance": 1.1}', "status_chance must be a number from 0 to 1"),
        ('{"status_chance": "4111"}', "status_chance must be a number from 0 to 1"),
        ('{"latency": nan}', "latency must be a number of seconds from 0 to 3600"),
        ('{"latency": NaN}', "latency must be a number of seconds from 0 to 3600"),
        ('{"clock_shift": NaN}', "clock_shift must be a number of seconds from -315360000 "),
        ('{"latency": -Infinity}', "latency must be a number of seconds from 0 to 3600"),
        ('{"auth": 1}', "auth must be true or false"),
        ('{"only_call": 0}', "only_call must be a whole number from 1 on or null"),
        ('{"seed": 1e30}', "seed must be a whole number or null"),
        ('{"seed": 9223372036854775808}', "seed must be a whole number or null"),
        (
            '{"status": 200, "auth": "no"}',
            "status must be a whole number from 400 to 599; auth must",
        ),
        ('{"status_chance": 0.6, "drop_after_chance": 0.6}', "must not add up to more than 1"),
        (
            "{status_chance: 1}",
            'they are not JSON from character 2 on; write {"status_chance": 0.1}',
        ),
        ("[4111]", 'they must be a JSON object such as {"status_chance": 0.1}'),
        ("[" * 100_000, "they are not JSON; write"),
    ],
)
async def test_a_mistake_in_the_faults_is_said_in_words(faults: str, problem: str) -> None:
    """The refusal names the fault and what it must be, suggests a name, and quotes no value."""
    client = await connect()
    answer = await client.http.put(FAULTS, content=faults)
    assert answer.status_code == 400
    assert problem in answer.json()["error"]
    assert not re.search("4111|Expected|\\$|`", answer.text)


def test_faults_that_make_no_sense_stop_the_start() -> None:
    """A mistake in --faults is one sentence and exit code 2."""
    code, printed = run("emulator", "--port", "0", "--faults", '{"drop": 1}')
    assert (code, printed.count("\n")) == (2, 1), printed
    assert "--faults: the faults are not as specified: drop: there is no such fault" in printed
