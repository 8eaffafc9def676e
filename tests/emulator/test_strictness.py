"""The emulator refuses what the provider's own verifier, or any stricter one, may refuse.

The calls are signed by the holder of a registered key over exactly what is sent, so that nothing
but the spelling is wrong.
"""

import asyncio
import base64
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator
from gateway.emulator.app import OPERATIONS
from gateway.signing import content_digest
from tests.emulator_client import (
    API_KEY,
    API_SECRET,
    CARDS,
    HOST,
    KEYID,
    NEW_CARD,
    PRIVATE_KEY,
    Client,
    Clock,
    Signing,
    connect,
)
from tests.loopback import on_loopback

NOW = 1_700_000_000
COMPONENTS = '"@method" "@authority" "@path"'
PARAMETERS = f'keyid="{KEYID}";alg="ecdsa-p384-sha384";created={NOW};expires={NOW + 300}'
CANARY = "canary-4111111111111111"
BASE64 = "Signature is not one byte sequence in padded base64"
SYNTAX = "{} is not a structured field"
INTEGER = "the signature parameter {} is not an integer"
ONE_EACH = "{} must hold exactly one signature"
LABEL = "Signature does not hold the label of Signature-Input"
UNUSABLE = "the message has no usable component for a name that the signature covers"
FLAGS = "Signature-Input lists a component twice or with unknown flags"
DIGESTS = "Content-Digest must be one sha-512 digest and nothing else"


def signature_over(items: str, parameters: str) -> str:
    """Base64 of a signature over the lines of ``GET /v1/cards`` and these parameters."""
    values = {"@method": "GET", "@authority": HOST, "@path": "/v1/cards"}
    lines = [f'"{name}": {value}' for name, value in values.items()]
    base = "\n".join([*lines, f'"@signature-params": ({items});{parameters}'])
    return base64.b64encode(PRIVATE_KEY.sign(base.encode())).decode()


def signed(items: str, parameters: str) -> list[tuple[str, str]]:
    """The two fields of a signature over these components, with these parameters."""
    return [
        ("Signature-Input", f"sig=({items});{parameters}"),
        ("Signature", f"sig=:{signature_over(items, parameters)}:"),
    ]


async def read(client: Client, fields: Sequence[tuple[str, str]]) -> httpx.Response:
    """``GET /v1/cards`` with these fields, in this order."""
    headers = [("Authorization", f"Bearer {client.token}"), *fields]
    return await client.http.request("GET", "/v1/cards", headers=headers)


def refused(answer: httpx.Response, text: str) -> None:
    """It is refused with these words, and repeats nothing."""
    assert (answer.status_code, answer.json()) == (400, {"error": text})
    assert CANARY not in answer.text


def parameters(old: str, new: str) -> str:
    """The recipe's parameters with one exchanged."""
    assert old in PARAMETERS
    return PARAMETERS.replace(old, new)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (parameters(KEYID, KEYID.upper()), "the keyid is not known"),
        (parameters(f'"{KEYID}"', "k"), "the signature parameter keyid is not a string"),
        (parameters(f'"{KEYID}"', ":AAAA:"), "the signature parameter keyid is not a string"),
        (
            parameters('"ecdsa-p384-sha384"', "ecdsa-p384-sha384"),
            "the signature parameter alg is not a string",
        ),
        (parameters("ecdsa-p384-sha384", CANARY), "algorithm mismatch for the keyid"),
        *(
            (f"{PARAMETERS};{name}={value}", f"the signature parameter {name} is not a string")
            for name in ("nonce", "tag")
            for value in (CANARY, "1", "1.5", ":AAAA:", "?1", "@1")
        ),
        *(
            (
                parameters(f"{name}={time}", f"{name}={value}"),
                INTEGER.format(name),
            )
            for name, time in (("created", NOW), ("expires", NOW + 300))
            for value in (f"{time}.0", f'"{time}"', "?1", f"@{time}")
        ),
        (parameters("expires=", "created="), SYNTAX.format("Signature-Input")),
        (f'{PARAMETERS};keyid="{KEYID}"', SYNTAX.format("Signature-Input")),
        (
            f'{PARAMETERS};{CANARY}="{CANARY}"',
            "the signature has a parameter other than keyid, alg, created, expires, nonce, tag",
        ),
    ],
)
async def test_parameters_of_another_form(changed: str, text: str) -> None:
    """Each parameter has one type and occurs once; keyid is spelled as it was registered."""
    client = await connect(Clock(NOW))
    refused(await read(client, signed(COMPONENTS, changed)), text)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (f'{COMPONENTS} "@signature-params"', UNUSABLE),
        (f'{COMPONENTS} "{CANARY}"', UNUSABLE),
        (f"{COMPONENTS};sf", FLAGS),
        (f"{COMPONENTS};{CANARY}", FLAGS),
        (f'{COMPONENTS} "@path"', FLAGS),
    ],
)
async def test_components_of_another_form(items: str, text: str) -> None:
    """Exactly the recipe's components, without parameters of their own."""
    client = await connect(Clock(NOW))
    refused(await read(client, signed(items, PARAMETERS)), text)


INPUT = ("Signature-Input", f"sig=({COMPONENTS});{PARAMETERS}")
GOOD = signature_over(COMPONENTS, PARAMETERS)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ([INPUT, ("Signature", f"sig=:{GOOD}:, {CANARY}=:{GOOD}:")], ONE_EACH.format("Signature")),
        (
            [INPUT, ("Signature", f"sig=:{GOOD}:"), ("Signature", f"b=:{GOOD}:")],
            ONE_EACH.format("Signature"),
        ),
        (
            [INPUT, ("Signature", f"sig=:{GOOD}:"), ("Signature", f"sig=:{GOOD}:")],
            SYNTAX.format("Signature"),
        ),
        (
            [INPUT, ("Signature", f"b=:{GOOD}:")],
            LABEL,
        ),
        (
            [INPUT, ("Signature-Input", f"{CANARY}=();created=1"), ("Signature", f"sig=:{GOOD}:")],
            ONE_EACH.format("Signature-Input"),
        ),
        ([INPUT, INPUT, ("Signature", f"sig=:{GOOD}:")], SYNTAX.format("Signature-Input")),
        ([INPUT, ("Signature", f"sig=:{GOOD}==:")], BASE64),
        ([INPUT, ("Signature", f"sig=:{GOOD[:-2]}:")], BASE64),
        ([INPUT, ("Signature", "sig=:AB==:")], BASE64),
        ([INPUT, ("Signature", f"sig=:{GOOD[:4]} {GOOD[4:]}:")], SYNTAX.format("Signature")),
        ([INPUT, ("Signature", f"sig=:{GOOD[:-1]}_:")], SYNTAX.format("Signature")),
        ([INPUT, ("Signature", f"sig=:{GOOD[:-4]}:")], "the signature is not 96 bytes of r and s"),
        ([INPUT, ("Signature", f"sig=:{GOOD}AAAA:")], "the signature is not 96 bytes of r and s"),
    ],
)
async def test_signatures_of_another_form(fields: list[tuple[str, str]], text: str) -> None:
    """One signature under one label in both fields, which are lists that combine (RFC 9651)."""
    client = await connect(Clock(NOW))
    assert (await read(client, [INPUT, ("Signature", f"sig=:{GOOD}:")])).status_code == 200
    refused(await read(client, fields), text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda digest: f"{digest}, sha-256=:AAAA:", DIGESTS),
        (lambda digest: f"{digest};a=1", DIGESTS),
        (lambda digest: digest.replace("==:", ":"), DIGESTS),
        (lambda digest: f"{digest}, {digest}", SYNTAX.format("Content-Digest")),
        (lambda _digest: "sha-256=:AAAA:", "Content-Digest carries no sha-512"),
    ],
    ids=["two algorithms", "parameter", "no padding", "twice", "another algorithm"],
)
async def test_digests_of_another_form(change: Any, text: str) -> None:
    """One sha-512 in padded base64 and nothing else, however well it is signed."""
    client, body = await connect(), httpx.Request("POST", "http://x", json=NEW_CARD).content
    sent = change(content_digest(body))
    headers = {"Content-Digest": sent}
    answer = await client.send("POST", CARDS, body, signing=Signing(digest=sent), headers=headers)
    refused(answer, text)
    assert client.emulator.cards == {}


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type"])
async def test_a_field_that_is_no_list_comes_once(name: str) -> None:
    """Two fields where one is meant are refused, and not one of them taken."""
    client = await connect()
    headers: Any = await _sent(client)
    twice = [*headers, *((field, value) for field, value in headers if field == name)]
    body = httpx.Request("POST", "http://x", json=NEW_CARD).content
    answer = await client.http.request("POST", CARDS, content=body, headers=twice)
    assert answer.status_code == (401 if name == "Authorization" else 400)
    assert client.emulator.cards == {}
    again = await client.http.request("POST", CARDS, content=body, headers=headers)
    assert again.status_code == 201


async def _sent(client: Client) -> list[tuple[str, str]]:
    body = httpx.Request("POST", "http://x", json=NEW_CARD).content
    fields = {
        "Authorization": f"Bearer {client.token}",
        "Content-Type": "application/json",
        "Content-Digest": content_digest(body),
        "Idempotency-Key": KEYID,
    }
    return [*fields.items(), *client._sign("POST", CARDS, fields, Signing()).items()]


ONE_HOST = "the request must have exactly one Host"
NO_HOST = "Host is not a name or address with an optional port"


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([], ONE_HOST),
        ([HOST, HOST], ONE_HOST),
        ([HOST, CANARY], ONE_HOST),
        ([""], NO_HOST),
        ([f"{CANARY}@{HOST}"], NO_HOST),
        ([f"{HOST}, {HOST}"], NO_HOST),
        ([f"{HOST}:x"], NO_HOST),
        ([f"{HOST}:65536"], NO_HOST),
        ([f"{HOST}/{CANARY}"], NO_HOST),
        (["::1"], NO_HOST),
    ],
)
async def test_requests_without_one_good_host(hosts: list[str], text: str) -> None:
    """No Host, two, or a malformed one is refused over a socket, whoever asks, before the token."""
    app = create_emulator(EmulatorOptions(api_key=API_KEY, api_secret=API_SECRET))
    async with on_loopback(app) as port:
        answer = await exchange(port, [f"Host: {host}" for host in hosts])
    # A server in front of the application may refuse the request first.
    assert answer.startswith("HTTP/1.1 400")
    assert CANARY not in answer
    assert text in answer


async def exchange(port: int, fields: list[str]) -> str:
    """The answer to a GET with exactly these fields, as text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = ["GET /v1/cards HTTP/1.1", "Connection: close", *fields, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    answer = (await reader.read()).decode("latin-1")
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 200),
        (HOST.title(), 200),
        (f"{HOST}:80", 200),
        (f"{HOST}:", 200),
        (f"{HOST}:443", 400),
        (f"{HOST}:080", 400),
        (f"{HOST}.", 400),
    ],
)
async def test_authority_follows_case_and_port(host: str, status: int) -> None:
    """Lower case, and no port where it is empty or the default (RFC 9110 section 4.2.3)."""
    client = await connect()
    answer = await client.send("GET", "/v1/cards", headers={"Host": host})
    assert answer.status_code == status


@pytest.mark.parametrize(("age", "status"), [(0, 200), (60, 200), (61, 400)])
async def test_a_stricter_service_may_limit_the_age(age: int, status: int) -> None:
    """With the option a signature that has not expired is refused once it is so old."""
    client = await connect(Clock(NOW), max_signature_age=60)
    answer = await client.send("GET", "/v1/cards", signing=Signing(created=NOW - age))
    assert answer.status_code == status
    if status == 400:
        refused(answer, "the signature is too old for --max-signature-age")


KEYED = [
    (method, path)
    for path, methods in OPERATIONS.items()
    for method in methods
    if method != "GET" and not path.startswith("/v1/auth/")
]


@pytest.mark.parametrize(("method", "path"), KEYED, ids=" ".join)
async def test_every_modifying_call_needs_token_signature_and_key(method: str, path: str) -> None:
    """Without one of them nothing is looked for, whatever the call is for."""
    client = await connect()
    path = re.sub(r"{\w+}", GUIDE_ACCOUNT, path)
    body = NEW_CARD if method == "POST" else None
    lacking = [
        ("Authorization", 401, "the request carries no bearer token"),
        ("Signature", 400, "the message has no usable component signature"),
        ("Idempotency-Key", 400, "Idempotency-Key is missing"),
    ]
    for name, status, text in lacking:
        answer = await client.send(method, path, body, headers={name: None})
        assert (answer.status_code, answer.json()) == (status, {"error": text})


@pytest.mark.parametrize(
    "path", [path for path, methods in OPERATIONS.items() if "GET" in methods], ids=str
)
async def test_every_read_needs_token_and_signature(path: str) -> None:
    """Reads take no idempotency key, and are signed like any other call."""
    client = await connect()
    path = re.sub(r"{\w+}", GUIDE_ACCOUNT, path)
    unsigned = await client.send("GET", path, headers={"Signature": None})
    refused(unsigned, "the message has no usable component signature")
    assert (await client.send("GET", path, headers={"Authorization": None})).status_code == 401
