"""The emulator: what it accepts, what it refuses and how, and what time does to its cards."""

import asyncio
import base64
import re
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator
from gateway.errors import SigningError
from gateway.signing import PrivateKey, content_digest
from tests.emulator_client import (
    ADDRESS,
    API_KEY,
    API_SECRET,
    CARDS,
    KEYID,
    NEW_CARD,
    Clock,
    Signing,
    connect,
    encoded_pem,
)
from tests.misspelt import MISSPELT
from tests.waiting import waiting_for

HOUR = 3600
READ = f"/v1/cards/{uuid4()}"


class Gate:
    """A sleep that lasts until it is opened, and tells when so many sleepers have come."""

    def __init__(self, sleepers: int = 1) -> None:
        self.sleepers = sleepers
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.sleepers:
            self.reached.set()
        await self.opened.wait()


def refused(answer: httpx.Response, status: int, text: str) -> None:
    """The answer is this refusal, with the JSON error body."""
    assert (answer.status_code, answer.json()) == (status, {"error": text})


# --- the token (section 2) ---


async def test_token_is_opaque_bearer_and_lives_for_an_hour() -> None:
    """The right credentials get a bearer token that expires in an hour, rounded up to a second."""
    client = await connect(Clock(1_700_000_000.5))
    answer = await client.auth("POST", "token", apiKey=API_KEY.upper(), apiSecret=API_SECRET)
    body = answer.json()
    assert answer.status_code == 200
    assert body == {"token": body["token"], "expiresAt": 1_700_003_601, "tokenType": "Bearer"}
    assert body["token"] != client.token
    assert client.emulator.token_fetches == 2


@pytest.mark.parametrize(
    "wrong", [{"apiKey": str(uuid4())}, {"apiSecret": "wrong"}, {"apiSecret": "\u00fc"}]
)
async def test_wrong_credentials_get_401(wrong: dict[str, str]) -> None:
    """Neither half of the credentials is enough, and the answer repeats neither."""
    client = await connect()
    right = {"apiKey": API_KEY, "apiSecret": API_SECRET}
    refused(await client.auth("POST", "token", **(right | wrong)), 401, "invalid credentials")
    assert client.emulator.token_fetches == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"apiKey": API_KEY}, {"apiKey": "1", "apiSecret": "x"}, {"apiKey": API_KEY, "a": 1}],
)
async def test_token_request_follows_the_schema(body: dict[str, Any]) -> None:
    """A token request with a missing, malformed or unknown field gets 400."""
    answer = await (await connect()).auth("POST", "token", **body)
    assert answer.status_code == 400


async def test_token_expires_to_the_second() -> None:
    """A token is good until just before its ``expiresAt`` and gets 401 from then on."""
    client = await connect(Clock(1_700_000_000.0), token_lifetime=2)
    client.clock.time += 1.999
    assert (await client.send("GET", "/v1/cards")).status_code == 200
    client.clock.time += 0.001
    answer = await client.send("GET", "/v1/cards")
    refused(answer, 401, "the access token is not known or has expired")


async def test_expired_tokens_are_forgotten() -> None:
    """Memory holds only tokens that still count."""
    client = await connect(token_lifetime=2)
    client.clock.time += 10
    await client.login()
    assert list(client.emulator._tokens) == [client.token]


@pytest.mark.parametrize("value", [None, "Bearer", "Bearer ", "Basic abc", "Bearer unknown"])
async def test_no_good_bearer_token_gets_401(value: str | None) -> None:
    """A missing, malformed or unknown bearer token gets 401."""
    client = await connect()
    answer = await client.send("GET", "/v1/cards", headers={"Authorization": value})
    assert answer.status_code == 401


async def test_token_counts_as_bearer_only() -> None:
    """A good token under another scheme gets 401; the scheme's case does not matter."""
    client = await connect()
    answer = await client.send(
        "GET", "/v1/cards", headers={"Authorization": f"Basic {client.token}"}
    )
    refused(answer, 401, "the request carries no bearer token")
    headers = {"Authorization": f"bearer {client.token}"}
    assert (await client.send("GET", "/v1/cards", headers=headers)).status_code == 200


async def test_token_is_checked_before_the_signature() -> None:
    """Who asks comes first: an unsigned call without a token gets 401, not 400."""
    client = await connect()
    assert (await client.http.get("/v1/cards")).status_code == 401


# --- the signature (section 4) ---


async def test_correctly_signed_calls_pass() -> None:
    """GET, POST with a body and PATCH without one pass when signed as section 4.1 has it."""
    client = await connect()
    created = await client.create()
    assert created.status_code == 201
    assert (await client.send("GET", f"/v1/cards/{created.json()['id']}")).status_code == 200
    assert (await client.simulate(created.json()["id"], "issue")).status_code == 202


@pytest.mark.parametrize(
    "wrong",
    [
        Signing(method="PUT"),
        Signing(authority="elsewhere.test"),
        Signing(path="/v1/cards"),
        Signing(digest=content_digest(b"other")),
        Signing(key=PrivateKey.generate()),
    ],
)
async def test_signature_of_another_message_is_refused(wrong: Signing) -> None:
    """A signature over another method, authority, path or digest, or by another key, fails."""
    client = await connect()
    answer = await client.send("POST", CARDS, NEW_CARD, signing=wrong)
    refused(answer, 400, "the signature does not fit the message")
    assert client.emulator.cards == {}


async def test_unknown_keyid_is_refused() -> None:
    """A keyid that is not registered never counts as verified."""
    client = await connect()
    answer = await client.send("GET", "/v1/cards", signing=Signing(keyid=str(uuid4())))
    refused(answer, 400, "the keyid is not known")


@pytest.mark.parametrize("header", ["Signature", "Signature-Input"])
async def test_unsigned_call_is_refused(header: str) -> None:
    """Both signature headers are needed."""
    answer = await (await connect()).send("GET", "/v1/cards", headers={header: None})
    refused(answer, 400, f"the message has no usable component {header.lower()}")


async def _signature_headers(client: Any) -> dict[str, str]:
    headers: dict[str, str] = client._sign("GET", "/v1/cards", {}, Signing())
    return headers


async def test_one_changed_bit_is_refused() -> None:
    """One bit of the signature decides."""
    client = await connect()
    headers = await _signature_headers(client)
    raw = bytearray(base64.b64decode(headers["Signature"][5:-1]))
    assert (await client.send("GET", "/v1/cards", headers=headers)).status_code == 200
    raw[60] ^= 1
    headers["Signature"] = f"sig=:{base64.b64encode(raw).decode()}:"
    answer = await client.send("GET", "/v1/cards", headers=headers)
    refused(answer, 400, "the signature does not fit the message")


async def test_changed_created_is_refused() -> None:
    """The signature parameters are signed too."""
    client = await connect()
    headers = await _signature_headers(client)
    headers["Signature-Input"] = headers["Signature-Input"].replace("1700000000;", "1699999999;")
    answer = await client.send("GET", "/v1/cards", headers=headers)
    refused(answer, 400, "the signature does not fit the message")


async def test_der_signature_is_refused() -> None:
    """The DER form of a right signature is refused: only raw r and s, 96 bytes, count."""
    client = await connect()
    headers = await _signature_headers(client)
    raw = base64.b64decode(headers["Signature"][5:-1])
    halves = (int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
    der = utils.encode_dss_signature(*halves)
    headers["Signature"] = f"sig=:{base64.b64encode(der).decode()}:"
    answer = await client.send("GET", "/v1/cards", headers=headers)
    refused(answer, 400, "the signature is not 96 bytes of r and s")


@pytest.mark.parametrize(("offset", "status"), [(-300, 200), (-301, 400), (0, 200), (1, 400)])
async def test_signature_counts_from_created_to_expires(offset: int, status: int) -> None:
    """With no tolerance a signature counts from ``created`` to ``expires``, both included."""
    client = await connect(Clock(1_700_000_000.0))
    signing = Signing(created=1_700_000_000 + offset)
    answer = await client.send("GET", "/v1/cards", signing=signing)
    assert answer.status_code == status


@pytest.mark.parametrize(("ahead", "status"), [(2, 200), (3, 400)])
async def test_clock_tolerance_admits_a_clock_that_runs_ahead(ahead: int, status: int) -> None:
    """The tolerance of the options is how far ``created`` may lie in the future."""
    client = await connect(Clock(1_700_000_000.0), clock_tolerance=2)
    signing = Signing(created=1_700_000_000 + ahead)
    assert (await client.send("GET", "/v1/cards", signing=signing)).status_code == status


@pytest.mark.parametrize(("lifetime", "status"), [(305, 200), (306, 400)])
async def test_signature_may_not_live_long(lifetime: int, status: int) -> None:
    """A signature is valid for 300 seconds, and hardly more."""
    answer = await (await connect()).send("GET", "/v1/cards", signing=Signing(lifetime=lifetime))
    assert answer.status_code == status


async def test_signature_without_expires_is_refused() -> None:
    """The recipe has ``expires``."""
    client = await connect()
    params = f'sig=("@method" "@authority" "@path");keyid="{KEYID}";created=1700000000'
    lines = ['"@method": GET', '"@authority": provider.test', '"@path": /v1/cards']
    base = "\n".join([*lines, f'"@signature-params": {params[4:]}'])
    raw = base64.b64encode(Signing().key.sign(base.encode())).decode()
    headers = {"Signature-Input": params, "Signature": f"sig=:{raw}:"}
    answer = await client.send("GET", "/v1/cards", headers=headers)
    refused(answer, 400, "the signature does not say when it expires")


@pytest.mark.parametrize("missing", ["@method", "@authority", "@path", "content-digest"])
async def test_every_component_must_be_covered(missing: str) -> None:
    """A signature that leaves out one of the four components is refused, and says which."""
    client = await connect()
    every = ("@method", "@authority", "@path", "content-digest")
    signing = Signing(covered=[name for name in every if name != missing])
    answer = await client.send("POST", CARDS, NEW_CARD, signing=signing)
    refused(answer, 400, f"the signature does not cover {missing}")


async def test_further_components_are_refused() -> None:
    """Exactly the recipe: the provider's own client covers nothing else."""
    client = await connect()
    covered = ("@method", "@authority", "@path", "idempotency-key")
    card = (await client.create()).json()
    path = f"/v1/simulator/cards/{card['id']}/issue"
    answer = await client.send("PATCH", path, signing=Signing(covered=covered))
    refused(answer, 400, "the signature must cover @authority, @method, @path alone")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://Provider.Test:80", "provider.test"),
        ("http://provider.test:8080", "provider.test:8080"),
        ("https://provider.test:443", "provider.test"),
        ("https://provider.test:80", "provider.test:80"),
    ],
)
async def test_authority_is_lower_case_and_without_a_default_port(url: str, authority: str) -> None:
    """``@authority`` is the Host as RFC 9421 section 2.2.3 normalises it."""
    client = await connect()
    client.http.base_url = httpx.URL(url)
    host = {"Host": url.partition("//")[2]}
    signing = Signing(authority=authority)
    answer = await client.send("GET", "/v1/cards", signing=signing, headers=host)
    assert answer.status_code == 200


async def test_a_request_without_host_is_refused() -> None:
    """Without a Host there is no authority to be signed."""
    client = await connect()
    signing = Signing()
    headers = client._sign("GET", "/v1/cards", {}, signing)
    request = client.http.build_request(
        "GET", "/v1/cards", headers=headers | {"Authorization": f"Bearer {client.token}"}
    )
    del request.headers["host"]
    refused(await client.http.send(request), 400, "the request must have exactly one Host")


async def test_bad_signature_status_can_be_401() -> None:
    """Section 11: nobody knows the status of a bad signature; an option chooses 401."""
    client = await connect(bad_signature_status=401)
    answer = await client.send("GET", "/v1/cards", signing=Signing(path="/v1/other"))
    refused(answer, 401, "the signature does not fit the message")


# --- the digest (section 4.1) ---


async def test_body_must_fit_its_digest() -> None:
    """A signed digest of other bytes is refused after the signature has passed."""
    client = await connect()
    other = content_digest(b"other")
    answer = await client.send(
        "POST", CARDS, NEW_CARD, signing=Signing(digest=other), headers={"Content-Digest": other}
    )
    refused(answer, 400, "Content-Digest does not fit the body")


async def test_digest_must_be_sha_512() -> None:
    """Another algorithm would leave the body unchecked."""
    client = await connect()
    other = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    answer = await client.send(
        "POST", CARDS, NEW_CARD, signing=Signing(digest=other), headers={"Content-Digest": other}
    )
    refused(answer, 400, "Content-Digest carries no sha-512")


async def test_digest_without_a_body_is_refused() -> None:
    """No body, no digest, covered or not."""
    client = await connect()
    empty = {"Content-Digest": content_digest(b"")}
    answer = await client.send("GET", "/v1/cards", headers=empty)
    refused(answer, 400, "Content-Digest was sent without a body")
    signing = Signing(digest=empty["Content-Digest"])
    answer = await client.send("GET", "/v1/cards", signing=signing, headers=empty)
    refused(answer, 400, "the signature must cover @authority, @method, @path alone")


# --- the idempotency key (section 5) ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "Idempotency-Key is missing"),
        ("", "Idempotency-Key is not a UUID"),
        ("7", "Idempotency-Key is not a UUID"),
        ("123e4567-e89b-12d3-a456-4266141740001", "Idempotency-Key is not a UUID"),
        ("{123e4567-e89b-12d3-a456-426614174000}", "Idempotency-Key is not a UUID"),
        ("123e4567e89b12d3a456426614174000", "Idempotency-Key is not a UUID"),
        (MISSPELT["an underscore for a digit"], "Idempotency-Key is not a UUID"),
        (MISSPELT["a hyphen too early"], "Idempotency-Key is not a UUID"),
        (MISSPELT["quoted"], "Idempotency-Key is not a UUID"),
    ],
)
async def test_modifying_calls_need_a_uuid_as_key(value: str | None, text: str) -> None:
    """A modifying call without a key, or with one that is no UUID, gets 400 and does nothing."""
    client = await connect()
    answer = await client.send("POST", CARDS, NEW_CARD, headers={"Idempotency-Key": value})
    refused(answer, 400, text)
    assert client.emulator.cards == {}


async def test_key_is_checked_after_the_signature() -> None:
    """A call that is neither signed nor keyed hears of the signature first."""
    client = await connect()
    headers = {"Idempotency-Key": None}
    answer = await client.send("POST", CARDS, NEW_CARD, signing=Signing(path="/"), headers=headers)
    refused(answer, 400, "the signature does not fit the message")


async def test_replay_is_identical_and_makes_nothing() -> None:
    """Same key, same payload: status, body and headers again, and one card, even when it moved."""
    client, key = await connect(), uuid4()
    first = await client.create(key)
    await client.simulate(first.json()["id"], "issue")
    client.clock.time += HOUR - 1
    await client.login()
    second = await client.send("POST", CARDS, NEW_CARD, key=str(key).upper())
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert second.headers["date"] != first.headers["date"]
    assert len(client.emulator.cards) == 1


async def test_replay_of_an_empty_answer() -> None:
    """A 202 is replayed too, where a fresh call would be an invalid transition."""
    client, key = await connect(), uuid4()
    path = f"/v1/simulator/cards/{(await client.create()).json()['id']}/issue"
    answers = [await client.send("PATCH", path, key=key) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    assert "content-type" not in answers[0].headers


async def test_key_is_forgotten_after_an_hour() -> None:
    """From the hour on, the same key makes another card, and memory is given back."""
    client, key = await connect(), uuid4()
    first, _ = await client.create(key), await client.create()
    client.clock.time += HOUR
    await client.login()
    second = await client.create(key)
    assert second.json()["id"] != first.json()["id"]
    assert list(client.emulator.ledger.entries) == [str(key)]


async def test_freed_key_has_its_hour_from_its_next_use() -> None:
    """A key that was let go counts from its next use, and keeps no older key in memory."""
    client, first, second = await connect(replay_errors=False), uuid4(), uuid4()
    await client.create(first, str(uuid4()))
    client.clock.time += 10
    await client.create(second)
    client.clock.time += 10
    await client.create(first)
    client.clock.time += HOUR - 10
    await client.login()
    assert (await client.create(first)).status_code == 201
    assert list(client.emulator.ledger.entries) == [str(first)]
    assert len(client.emulator.cards) == 2


@pytest.mark.parametrize("status", [422, 409])
async def test_key_with_another_payload_is_refused(status: int) -> None:
    """Another body, path or method under a used key gets 422, or 409 by option."""
    client, key = await connect(reused_key_status=status), uuid4()
    card = (await client.create(key)).json()
    text = "the idempotency key was used with another payload"
    other = {"type": "virtual", "billingAddress": ADDRESS | {"city": "Leeds"}}
    refused(await client.send("POST", CARDS, other, key=key), status, text)
    path = f"/v1/simulator/cards/{card['id']}/issue"
    refused(await client.send("PATCH", path, key=key), status, text)
    fresh = uuid4()
    assert (await client.send("PATCH", path, key=fresh)).status_code == 202
    refused(await client.send("PATCH", path.replace("issue", "fail"), key=fresh), status, text)
    assert len(client.emulator.cards) == 1


@pytest.mark.parametrize(("hint", "header"), [(None, None), (0.2, "1")])
async def test_key_in_flight_gets_409(hint: float | None, header: str | None) -> None:
    """While a call works, its key gets 409; afterwards the identical answer."""
    gate, key = Gate(), uuid4()
    client = await connect(sleep=gate, retry_after=hint)
    client.change(latency=0.5)
    first = asyncio.create_task(client.create(key))
    await gate.reached.wait()
    async with waiting_for("the refusal of a key in flight"):
        conflict = await client.create(key)
    refused(conflict, 409, "a request with this idempotency key is in flight")
    assert conflict.headers.get("retry-after") == header
    gate.opened.set()
    made = await first
    assert (await client.create(key)).content == made.content
    assert gate.slept == [0.5]


async def test_concurrent_presentations_make_one_card() -> None:
    """Of many calls at once with one key, one works and the others hear 409."""
    gate, key = Gate(), uuid4()
    client = await connect(sleep=gate)
    client.change(latency=1)
    calls = [asyncio.create_task(client.create(key)) for _ in range(10)]
    await gate.reached.wait()
    gate.opened.set()
    statuses = sorted([(await call).status_code for call in calls])
    assert set(statuses) <= {201, 409}
    assert statuses[0] == 201
    assert len(client.emulator.cards) == 1
    assert client.emulator.ledger.entries[str(key)].presented == 10


async def test_cancelled_call_frees_its_key() -> None:
    """A call that is cancelled before it commits does nothing, and its key works again."""
    gate, key = Gate(), uuid4()
    client = await connect(sleep=gate)
    client.change(latency=1)
    call = asyncio.create_task(client.create(key))
    await gate.reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert client.emulator.cards == {}
    gate.opened.set()
    assert (await client.create(key)).status_code == 201


async def test_failure_of_our_own_is_500_and_frees_the_key() -> None:
    """A 5xx is never kept: it has the error body and a Date, and the same key works afterwards."""

    async def broken(seconds: float) -> None:
        raise RuntimeError("the secret cause")

    client, key = await connect(sleep=broken), uuid4()
    client.change(latency=1)
    answer = await client.create(key)
    refused(answer, 500, "internal error")
    assert "date" in answer.headers
    client.change(latency=0)
    other = {"type": "virtual", "billingAddress": ADDRESS | {"city": "Leeds"}}
    assert (await client.send("POST", CARDS, other, key=key)).status_code == 201
    assert client.emulator.ledger.entries[str(key)].presented == 2


@pytest.mark.parametrize(("replay", "then"), [(True, 404), (False, 201)])
async def test_errors_are_replayed_by_option(replay: bool, then: int) -> None:
    """Section 11: a 4xx is kept under its key, or by option forgotten."""
    client, key, account = await connect(replay_errors=replay), uuid4(), str(uuid4())
    refused(await client.create(key, account), 404, "account not found")
    client.change(any_account=True)
    assert (await client.create(key, account)).status_code == then


@pytest.mark.parametrize(("replay", "then"), [(True, 422), (False, 201)])
async def test_a_call_that_failed_lets_go_of_its_key_by_option(replay: bool, then: int) -> None:
    """After a 400 the key takes the corrected body where errors are not kept; where they are, the
    400 is replayed and the corrected body is another payload."""
    client, key = await connect(replay_errors=replay), uuid4()
    wrong = await client.send("POST", CARDS, {"type": "virtual"}, key=key)
    again = await client.send("POST", CARDS, {"type": "virtual"}, key=key)
    assert [wrong.status_code, again.status_code] == [400, 400]
    assert wrong.content == again.content
    assert (await client.create(key)).status_code == then
    assert len(client.emulator.cards) == (then == 201)


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (401, {"headers": {"Authorization": None}}),
        (401, {"headers": {"Authorization": "Bearer unknown"}}),
        (400, {"headers": {"Signature": None}}),
        (400, {"signing": Signing(path="/")}),
        (400, {"headers": {"Content-Digest": content_digest(b"other")}}),
        (400, {"headers": {"Content-Type": None}}),
    ],
    ids=["no token", "unknown token", "no signature", "signature", "digest", "media type"],
)
async def test_guards_keep_nothing_under_a_key(status: int, wrong: dict[str, Any]) -> None:
    """A call refused before its key was looked at leaves it unused, by default too."""
    client, key = await connect(), uuid4()
    answer = await client.send("POST", CARDS, NEW_CARD, key=key, **wrong)
    assert answer.status_code == status
    assert client.emulator.ledger.entries == {}
    assert (await client.create(key)).status_code == 201


async def test_a_body_where_none_belongs_keeps_nothing_under_a_key() -> None:
    """A simulator call that was refused for its body works under the same key without it."""
    client, key = await connect(), uuid4()
    path = f"/v1/simulator/cards/{(await client.create()).json()['id']}/issue"
    assert (await client.send("PATCH", path, {"a": 1}, key=key)).status_code == 400
    assert (await client.send("PATCH", path, key=key)).status_code == 202


async def test_ledger_tells_what_each_key_made() -> None:
    """The ledger counts the presentations of a key and knows its card, if it made one."""
    client, key, other = await connect(), uuid4(), uuid4()
    card = (await client.create(key)).json()
    await client.create(key)
    await client.send("PATCH", f"/v1/simulator/cards/{card['id']}/fail", key=other)
    entries = client.emulator.ledger.entries
    shown = {key: (entry.presented, entry.card_id) for key, entry in entries.items()}
    assert shown == {str(key): (2, card["id"]), str(other): (1, None)}


async def test_entry_in_flight_has_made_no_card() -> None:
    """Until its answer is kept, a key has made nothing."""
    gate, key = Gate(), uuid4()
    client = await connect(sleep=gate)
    client.change(latency=1)
    call = asyncio.create_task(client.create(key))
    await gate.reached.wait()
    entry = client.emulator.ledger.entries[str(key)]
    assert (entry.in_flight, entry.card_id) == (True, None)
    gate.opened.set()
    card_id = (await call).json()["id"]
    assert (entry.in_flight, entry.card_id) == (False, card_id)


# --- bodies ---


@pytest.mark.parametrize("value", [None, "text/plain", "application/json-patch"])
async def test_body_must_be_called_json(value: str | None) -> None:
    """A body needs ``Content-Type: application/json``."""
    client = await connect()
    answer = await client.send("POST", CARDS, NEW_CARD, headers={"Content-Type": value})
    refused(answer, 400, "Content-Type must be application/json")


JSON = {"Content-Type": "application/json"}


async def test_content_type_may_have_parameters() -> None:
    """A charset does not matter."""
    client = await connect()
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await client.send("POST", CARDS, NEW_CARD, headers=headers)).status_code == 201


@pytest.mark.parametrize(("method", "name"), [("GET", "cards"), ("PATCH", "issue")])
async def test_calls_without_a_body_take_none(method: str, name: str) -> None:
    """A body where the specification has none is refused."""
    path = "/v1/cards" if name == "cards" else f"/v1/simulator/cards/{uuid4()}/issue"
    answer = await (await connect()).send(method, path, {"a": 1})
    refused(answer, 400, "this call takes no body")


def _address(**changes: Any) -> dict[str, Any]:
    merged = ADDRESS | changes
    return {
        "type": "virtual",
        "billingAddress": {name: value for name, value in merged.items() if value is not ...},
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        [NEW_CARD],
        {"type": "virtual"},
        {"billingAddress": ADDRESS},
        NEW_CARD | {"name": "John Carter"},
        NEW_CARD | {"shippingAddress": None},
        NEW_CARD | {"shippingAddress": {}},
        NEW_CARD | {"shippingAddress": ADDRESS | {"company": "Acme"}},
        _address(firstLine=...),
        _address(city=...),
        _address(country=...),
        _address(postCode=...),
        _address(city=7),
        _address(state=None),
        _address(company="Acme"),
    ],
)
async def test_new_card_follows_the_schema(body: Any) -> None:
    """A create with a missing, mistyped or unknown field gets 400 and makes no card."""
    client = await connect()
    answer = await client.send("POST", CARDS, body, headers=JSON)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert client.emulator.cards == {}


async def test_the_guides_first_create_body_makes_a_card() -> None:
    """A virtual card may be asked for with a shipping address, which the card does not show."""
    client = await connect()
    body = {"type": "virtual", "shippingAddress": ADDRESS | {"city": "Leeds"}}
    answer = await client.send("POST", CARDS, body | {"billingAddress": ADDRESS})
    assert answer.status_code == 201
    assert (answer.json()["type"], answer.json()["billingAddress"]) == ("virtual", ADDRESS)
    assert "shippingAddress" not in answer.json()


PHYSICAL = "physical cards are not supported at present"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"type": "physical"}, PHYSICAL),
        ({"type": "physical", "shippingAddress": ADDRESS}, PHYSICAL),
        ({"type": "gold"}, "type must be virtual or physical"),
        ({"type": "Virtual"}, "type must be virtual or physical"),
    ],
)
async def test_only_virtual_cards_are_made(body: dict[str, Any], text: str) -> None:
    """A physical card is refused because there are none now, an unknown type because it is none."""
    client = await connect()
    refused(await client.send("POST", CARDS, {"billingAddress": ADDRESS} | body), 400, text)
    assert client.emulator.cards == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", None),
        (b'{"type": "\xff"}', None),
        ([], "it must be an object"),
        ({"type": "virtual"}, "billingAddress is missing"),
        (NEW_CARD | {"hunter2": 1}, "it has a field that is not in the specification"),
        (NEW_CARD | {"type": ["hunter2"]}, "type must be a string"),
        (_address(city=...), "billingAddress.city is missing"),
        (_address(city=7), "billingAddress.city must be a string"),
        (_address(hunter2=1), "billingAddress has a field that is not in the specification"),
        (NEW_CARD | {"shippingAddress": 1}, "shippingAddress must be an object"),
    ],
)
async def test_a_refused_body_is_explained_without_its_words(body: Any, reason: str | None) -> None:
    """The refusal says which field is wrong and how, and quotes nothing that was sent."""
    answer = await (await connect()).send(
        "POST", CARDS, body if body != [] else b"[]", headers=JSON
    )
    text = f"the body is not as specified: {reason}" if reason else "the body is not JSON"
    refused(answer, 400, text)


@pytest.mark.parametrize(
    "value",
    [
        API_KEY.replace("-", ""),
        f"{{{API_KEY}}}",
        f"urn:uuid:{API_KEY}",
        API_KEY + "\n",
        API_KEY.replace("0", "\u0660"),
    ],
)
async def test_ids_in_bodies_have_one_spelling(value: str) -> None:
    """``format: uuid`` has dashes, and nothing around it: for credentials and for signing keys."""
    client = await connect()
    answer = await client.auth("POST", "token", apiKey=value, apiSecret=API_SECRET)
    refused(answer, 400, "the body is not as specified: apiKey must be a UUID")
    for method, body in (("PUT", {"signingKey": encoded_pem(P384)}), ("DELETE", {})):
        answer = await client.auth(method, "signing", signingKeyId=value, **body)
        refused(answer, 400, "the body is not as specified: signingKeyId must be a UUID")


@pytest.mark.parametrize("host", ["[", "[::1", "a:b:c", "[x]:80", "\xe4"])
async def test_a_host_that_is_no_url_is_no_fault_of_ours(host: str) -> None:
    """Whatever stands in ``Host`` is what the signature has to fit, and never a 500."""
    client = await connect()
    headers: Any = {"Host": host.encode("latin-1")}
    answer = await client.send("GET", "/v1/cards", headers=headers)
    assert answer.status_code == 400


async def test_errors_can_be_plain_text() -> None:
    """Section 11: the error body is JSON, or by option plain text."""
    client = await connect(error_body="text")
    answer = await client.send("GET", READ)
    assert (answer.status_code, answer.text) == (404, "card not found")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


# --- cards (section 6) ---


async def test_created_card_looks_like_the_real_sample() -> None:
    """The answer to create has the seven fields of the real sample, and nine-digit dates."""
    client = await connect()
    answer = await client.send("POST", CARDS, _address(secondLine="Flat G", state="x"))
    card = answer.json()
    stamp = "2023-11-14T22:13:20.123456716Z"  # what a float keeps of .123456789
    assert card == {
        "id": card["id"],
        "accountId": GUIDE_ACCOUNT,
        "type": "virtual",
        "status": "issuing",
        "billingAddress": ADDRESS | {"secondLine": "Flat G", "state": "x"},
        "createdAt": stamp,
        "updatedAt": stamp,
    }


async def test_later_reads_truncate_the_dates() -> None:
    """A read of the same card has six digits, cut off and not rounded."""
    client = await connect(Clock(1_700_000_000.987654999))
    created = (await client.create()).json()
    assert re.fullmatch(r"2023-11-14T22:13:20\.9876549\d\dZ", created["createdAt"])
    card = await client.card(created["id"])
    assert card["createdAt"] == card["updatedAt"] == "2023-11-14T22:13:20.987654Z"
    assert card | {"createdAt": 0, "updatedAt": 0} == created | {"createdAt": 0, "updatedAt": 0}


@pytest.mark.parametrize(("what", "then"), [("issue", "active"), ("fail", "issue_failed")])
async def test_card_moves_a_while_after_the_202(what: str, then: str) -> None:
    """Accepted is not done: the status and ``updatedAt`` move after the delay, by themselves."""
    client = await connect(Clock(1_700_000_000.0), activation_delay=1.5)
    card_id = (await client.create()).json()["id"]
    client.clock.time += 10
    assert (await client.simulate(card_id, what)).status_code == 202
    client.clock.time += 1.25
    card = await client.card(card_id)
    assert (card["status"], card["updatedAt"]) == ("issuing", card["createdAt"])
    client.clock.time += 0.25
    card = await client.card(card_id)
    assert (card["status"], card["updatedAt"]) == (then, "2023-11-14T22:13:31.500000Z")
    assert card["createdAt"] == "2023-11-14T22:13:20.000000Z"


async def test_card_stays_issuing_by_itself() -> None:
    """Nothing moves a card but the simulator."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    client.clock.time += 3000
    assert (await client.card(card_id))["status"] == "issuing"


@pytest.mark.parametrize("later", [0, 2])
@pytest.mark.parametrize("second", ["issue", "fail"])
@pytest.mark.parametrize("first", ["issue", "fail"])
async def test_decided_card_refuses_another_decision(first: str, second: str, later: int) -> None:
    """Once issued or failed, accepted or done, a card takes no further simulator call: 409."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    await client.simulate(card_id, first)
    client.clock.time += later
    text = "invalid state transition: the card is not issuing any more"
    refused(await client.simulate(card_id, second), 409, text)


async def test_active_card_is_rich_when_read() -> None:
    """By default a read of an active card has name, network, masked PAN and expiry."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    assert "maskedPan" not in await client.card(card_id)
    await client.simulate(card_id, "issue")
    client.clock.time += 1
    card = await client.card(card_id)
    assert re.fullmatch(r"530518\*{6}\d{4}", card["maskedPan"])
    rest = (card["name"], card["network"], card["expirationDate"])
    assert rest == ("John Carter", "mastercard", "11/2026")


async def test_active_card_can_be_as_sparse_as_the_real_sample() -> None:
    """With the option off, an active card has the same seven fields as before."""
    client = await connect(rich_cards=False)
    created = (await client.create()).json()
    await client.simulate(created["id"], "issue")
    client.clock.time += 1
    card = await client.card(created["id"])
    assert (card["status"], card.keys()) == ("active", created.keys())


async def test_unknown_card_gets_404() -> None:
    """A card that does not exist is not found, by read and by simulator."""
    client = await connect()
    refused(await client.send("GET", READ), 404, "card not found")
    refused(await client.simulate(str(uuid4()), "fail"), 404, "card not found")


@pytest.mark.parametrize("name", ["7", "123e4567e89b12d3a456426614174000", "%7B%7D", "caf%C3%A9"])
async def test_path_id_must_be_a_uuid(name: str) -> None:
    """A path id that is not a UUID gets 400."""
    client = await connect()
    refused(
        await client.send("GET", f"/v1/cards/{name}"), 400, "the cardId in the path is not a UUID"
    )
    path = f"/v1/accounts/{name}/cards"
    refused(await client.send("GET", path), 400, "the accountId in the path is not a UUID")


async def test_path_id_in_another_form_is_refused() -> None:
    """Nothing that is nearly a UUID is taken for one."""
    client = await connect()
    for text in filter(None, MISSPELT.values()):
        answer = await client.send("GET", f"/v1/cards/{quote(text)}")
        refused(answer, 400, "the cardId in the path is not a UUID")


async def test_path_id_in_capitals_is_the_same_card() -> None:
    """UUIDs compare as numbers."""
    client = await connect()
    card_id = (await client.create(account=GUIDE_ACCOUNT.upper())).json()["id"]
    card = await client.card(card_id.upper())
    assert (card["id"], card["accountId"]) == (card_id, GUIDE_ACCOUNT)


async def test_lists_are_bare_arrays_by_age() -> None:
    """Both lists are arrays, the oldest first; the account's has only its own."""
    other = str(uuid4())
    client = await connect(accounts=(GUIDE_ACCOUNT, other.upper()))
    made = [(await client.create(account=name)).json()["id"] for name in [GUIDE_ACCOUNT, other] * 2]
    every = (await client.send("GET", "/v1/cards")).json()
    mine = (await client.send("GET", f"/v1/accounts/{other}/cards")).json()
    assert [card["id"] for card in every] == made
    assert [card["id"] for card in mine] == made[1::2]
    assert (await client.send("GET", CARDS)).json() == every[::2]


@pytest.mark.parametrize(("any_account", "status"), [(False, 404), (True, 200)])
async def test_accounts_are_those_of_the_options(any_account: bool, status: int) -> None:
    """An account that is not in the options is not found, unless any will do."""
    client = await connect(any_account=any_account)
    answer = await client.send("GET", f"/v1/accounts/{uuid4()}/cards")
    assert answer.status_code == status


# --- the limit of one card (section 6.5) ---


async def test_any_number_of_cards_by_default() -> None:
    """Without the limit an account holds any number of cards."""
    client = await connect()
    assert {(await client.create()).status_code for _ in range(3)} == {201}


@pytest.mark.parametrize("status", ["409", "400"])
async def test_second_card_can_be_refused(status: Any) -> None:
    """With the limit a second card gets the chosen status, and a repeat of the first its card."""
    client, key = await connect(one_card_per_account=True, second_card=status), uuid4()
    first = await client.create(key)
    refused(await client.create(), int(status), "the account has a virtual card already")
    assert (await client.create(key)).content == first.content
    assert len(client.emulator.cards) == 1


async def test_second_card_can_fail_after_its_201() -> None:
    """By option the second card is created, and fails a while later."""
    client = await connect(one_card_per_account=True, second_card="issue_failed")
    await client.create()
    second = (await client.create()).json()
    assert second["status"] == (await client.card(second["id"]))["status"] == "issuing"
    client.clock.time += 1
    assert (await client.card(second["id"]))["status"] == "issue_failed"


@pytest.mark.parametrize(("frees", "status"), [(True, 201), (False, 409)])
async def test_failed_card_frees_the_slot_by_option(frees: bool, status: int) -> None:
    """A card that failed makes room for another one, or by option does not."""
    client = await connect(one_card_per_account=True, ended_card_frees_slot=frees)
    await client.simulate((await client.create()).json()["id"], "fail")
    assert (await client.create()).status_code == 409
    client.clock.time += 1
    assert (await client.create()).status_code == status


# --- signing keys (section 3) ---


async def test_registered_key_signs_until_it_is_deleted() -> None:
    """A key registered under the caller's id signs; deleted, it does not, and others still do."""
    client, key, keyid = await connect(signing_keys={}), PrivateKey.generate(), str(uuid4())
    pem = encoded_pem(key.public_key().to_pem())
    signing = Signing(key=key, keyid=keyid)
    assert (await client.send("GET", "/v1/cards", signing=signing)).status_code == 400
    answer = await client.auth("PUT", "signing", signingKeyId=keyid, signingKey=pem)
    assert (answer.status_code, answer.content) == (204, b"")
    await client.auth("PUT", "signing", signingKeyId=KEYID, signingKey=pem)
    assert (await client.send("GET", "/v1/cards", signing=signing)).status_code == 200
    assert (await client.auth("DELETE", "signing", signingKeyId=keyid)).status_code == 204
    answer = await client.send("GET", "/v1/cards", signing=signing)
    refused(answer, 400, "the keyid is not known")
    again = await client.auth("DELETE", "signing", signingKeyId=keyid)
    refused(again, 400, "no signing key is registered under this id")
    assert (await client.send("GET", "/v1/cards", signing=Signing(key=key))).status_code == 200


@pytest.mark.parametrize("spelling", [KEYID, KEYID.upper(), KEYID.title()])
async def test_keyid_is_spelled_as_it_was_registered(spelling: str) -> None:
    """A keyid is a string: the registered spelling counts, preset or put, and no other does."""
    preset = {spelling: Signing().key.public_key().to_pem()}
    client = await connect(signing_keys=preset)
    for keyid in (KEYID, KEYID.upper(), KEYID.title()):
        answer = await client.send("GET", "/v1/cards", signing=Signing(keyid=keyid))
        assert answer.status_code == (200 if keyid == spelling else 400)


async def test_registering_in_another_case_replaces_the_key() -> None:
    """The id is a UUID: another case of it is the same key, and it has to be signed as put last."""
    client, pem = await connect(), encoded_pem(Signing().key.public_key().to_pem())
    await client.auth("PUT", "signing", signingKeyId=KEYID.upper(), signingKey=pem)
    answer = await client.send("GET", "/v1/cards")
    refused(answer, 400, "the keyid is not known")
    upper = Signing(keyid=KEYID.upper())
    assert (await client.send("GET", "/v1/cards", signing=upper)).status_code == 200
    assert (await client.auth("DELETE", "signing", signingKeyId=KEYID)).status_code == 204
    assert (await client.send("GET", "/v1/cards", signing=upper)).status_code == 400


async def test_registering_again_replaces_the_key() -> None:
    """The same PUT updates an earlier key: the old one no longer signs."""
    client, key = await connect(), PrivateKey.generate()
    pem = encoded_pem(key.public_key().to_pem())
    await client.auth("PUT", "signing", signingKeyId=KEYID, signingKey=pem)
    assert (await client.send("GET", "/v1/cards")).status_code == 400
    assert (await client.send("GET", "/v1/cards", signing=Signing(key=key))).status_code == 200


def _pem(curve: ec.EllipticCurve) -> bytes:
    return (
        ec.generate_private_key(curve)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


NOT_P384 = "the public key is not an ECDSA P-384 (secp384r1) key"
NOT_BASE64 = "signingKey is not base64 of a PEM text"
P384 = PrivateKey.generate().public_key().to_pem()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (encoded_pem(_pem(ec.SECP256K1())), NOT_P384),
        (encoded_pem(_pem(ec.SECP256R1())), NOT_P384),
        (encoded_pem(b"not a PEM"), "the public key is not a readable PEM"),
        ("".join(P384.decode().splitlines()[1:-1]), "the public key is not a readable PEM"),
        (P384.decode(), NOT_BASE64),
        (encoded_pem(P384) + "\n", NOT_BASE64),
        ("\u00fc", NOT_BASE64),
    ],
    ids=["secp256k1", "P-256", "no PEM", "DER alone", "unencoded", "line end", "not ASCII"],
)
async def test_only_an_encoded_p384_pem_is_registered(value: str, text: str) -> None:
    """Other curves, other encodings and the bare PEM are refused, and register nothing."""
    client, keyid = await connect(), str(uuid4())
    answer = await client.auth("PUT", "signing", signingKeyId=keyid, signingKey=value)
    refused(answer, 400, text)
    assert client.emulator.find_key(keyid) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_registering_needs_a_token(method: str) -> None:
    """The signing calls are unsigned and need a bearer token."""
    client = await connect()
    client.token = ""
    answer = await client.auth(method, "signing", signingKeyId=KEYID)
    refused(answer, 401, "the request carries no bearer token")
    assert client.emulator.find_key(KEYID)


def test_preset_key_must_be_p384() -> None:
    """A preset key that cannot be used stops the start."""
    options = EmulatorOptions(
        api_key=API_KEY, api_secret="x", signing_keys={KEYID: _pem(ec.SECP256K1())}
    )
    with pytest.raises(SigningError):
        create_emulator(options)


# --- the surface ---


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 404, "there is no such path"),
        ("GET", "/v1/cards/", 404, "there is no such path"),
        ("POST", "/v1/auth/signing/", 404, "there is no such path"),
        ("POST", "/v1/cards", 405, "this path does not take this method"),
        ("HEAD", "/v1/cards", 405, None),
    ],
)
async def test_only_the_providers_paths_and_methods(
    method: str, path: str, status: int, text: str | None
) -> None:
    """Another path gets 404, also with a slash at its end, another method 405."""
    client = await connect()
    answer = await client.http.request(method, path)
    assert answer.status_code == status
    if text:
        assert answer.json() == {"error": text}
    assert "date" in answer.headers


async def test_405_names_every_method_of_the_path() -> None:
    """``Allow`` is complete."""
    answer = await (await connect()).http.put(CARDS)
    assert answer.headers["allow"] == "GET, POST"


async def test_every_answer_is_dated_by_the_clock() -> None:
    """``Date`` is the emulator's time, on success and on refusal, exactly once."""
    client = await connect(Clock(1_700_000_000.9))
    for path in ("/v1/cards", READ):
        answer = await client.send("GET", path)
        dates = answer.headers.get_list("date")
        assert [parsedate_to_datetime(date).timestamp() for date in dates] == [1_700_000_000]


async def test_calls_are_counted_by_route() -> None:
    """Every call counts under its method and route template, refused ones too."""
    client = await connect()
    card_id = (await client.create()).json()["id"]
    for _ in range(2):
        await client.card(card_id)
    await client.send("GET", READ, signing=Signing(path="/"))
    assert client.emulator.calls == {
        ("POST", "/v1/auth/token"): 1,
        ("POST", "/v1/accounts/{accountId}/cards"): 1,
        ("GET", "/v1/cards/{cardId}"): 3,
    }


async def test_reads_are_worked_on_at_once() -> None:
    """Latency applies to reads as well, and they overlap."""
    gate = Gate(sleepers=5)
    client = await connect(sleep=gate)
    client.change(latency=2)
    reads = [asyncio.create_task(client.send("GET", "/v1/cards")) for _ in range(5)]
    async with waiting_for("five reads at once"):
        await gate.reached.wait()
    gate.opened.set()
    assert {(await read).status_code for read in reads} == {200}


def test_secret_is_not_in_the_repr() -> None:
    """Options can be logged."""
    assert "hunter2" not in repr(EmulatorOptions(api_key=API_KEY, api_secret="hunter2"))


async def test_no_refusal_repeats_a_secret() -> None:
    """Tokens and secrets that were refused do not come back."""
    client = await connect()
    answers = [
        await client.auth("POST", "token", apiKey=API_KEY, apiSecret="hunter2"),
        await client.send("GET", "/v1/cards", headers={"Authorization": "Bearer hunter2"}),
        await client.send("GET", "/v1/cards", headers={"Signature": "hunter2"}),
    ]
    assert all(answer.status_code >= 400 for answer in answers)
    assert not any("hunter2" in answer.text for answer in answers)
