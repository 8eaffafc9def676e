"""What goes over the wire, judged by others: another RFC 9421 library, hashlib, the table."""

import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from cryptography import exceptions
from http_message_signatures import (
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
    VerifyResult,
    algorithms,
)

from gateway.emulator import GUIDE_ACCOUNT, create_emulator
from gateway.errors import ProviderUnavailable
from gateway.events import to_nobody
from gateway.provider import ProviderClient
from gateway.provider.access_tokens import FetchedToken, TokenSource
from gateway.runtime import Runtime
from tests.provider_client import client_of
from tests.stack import (
    API_KEY,
    API_SECRET,
    KEY_ID,
    SIGNING_KEY,
    Clock,
    Recorder,
    Stack,
    options,
    running,
    settings,
)

ALWAYS = ["@method", "@authority", "@path"]
COVERED = {"GET": ALWAYS, "POST": [*ALWAYS, "content-digest"], "PATCH": ALWAYS}
# The same key under a second id: only the signature itself can tell that the id was exchanged.
OTHER_KEY_ID = str(UUID(int=UUID(KEY_ID).int ^ 1))

Captured = dict[str, httpx.Request]
Change = Callable[[httpx.Request], httpx.Request]


async def three_calls(stack: Stack) -> Captured:
    """The requests of a create, a simulator call and a read, by method."""
    card_id = (await stack.issue())["card"]["id"]
    await stack.simulate(card_id)
    await stack.card(card_id)
    parts = {"GET": f"/cards/{card_id}", "POST": "/cards", "PATCH": "/simulator/"}
    return {method: stack.wire.sent(method, part)[-1] for method, part in parts.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def captured() -> Captured:
    """A signed request of each kind, as it was sent."""
    async with running() as stack:
        return await three_calls(stack)


def verify(request: httpx.Request, *, required: list[str] | None = None) -> VerifyResult:
    """Let the other library verify signature, coverage and body digest; raises InvalidSignature."""
    pem = SIGNING_KEY.public_key().to_pem()
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ECDSA_P384_SHA384,
        key_resolver=MappingKeyResolver(
            public_keys={KEY_ID: pem, OTHER_KEY_ID: pem}, private_keys={}
        ),
    )
    [result] = verifier.verify(
        request,
        require_components=COVERED[request.method] if required is None else required,
        body=request.content,
    )
    return result


def copy(request: httpx.Request, **changes: Any) -> httpx.Request:
    """The request with another method, URL, content or headers, and nothing signed anew."""
    headers = request.headers.copy()
    headers.update(changes.pop("headers", {}))
    parts: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "content": request.content,
        "headers": headers,
    }
    return httpx.Request(**(parts | changes))


# --- signatures (section 4.1), verified by http-message-signatures ---


@pytest.mark.parametrize("kind", COVERED)
def test_another_library_verifies(captured: Captured, kind: str) -> None:
    """The signature of each kind of call holds for others too, and covers what it has to."""
    result = verify(captured[kind])
    names = [name.strip('"') for name in result.covered_components]
    assert names == [*COVERED[kind], "@signature-params"]
    assert result.body == (captured[kind].content or None)


def other_path(request: httpx.Request) -> httpx.Request:
    """Another id in the path."""
    path = re.sub(r"[0-9a-f-]{36}", str(uuid4()), request.url.path)
    assert path != request.url.path
    return copy(request, url=request.url.copy_with(path=path))


def exchange(pattern: str, new: str | Callable[[re.Match[str]], str]) -> Change:
    """Exchange a part of Signature-Input."""

    def change(request: httpx.Request) -> httpx.Request:
        header = request.headers["Signature-Input"]
        changed, count = re.subn(pattern, new, header)
        assert (count, changed == header) == (1, False)
        return copy(request, headers={"Signature-Input": changed})

    return change


def shift(name: str, seconds: int) -> Change:
    """Move one of the signature's times, so little that it would do if it were signed."""
    return exchange(rf"(?<={name}=)\d+", lambda found: str(int(found[0]) + seconds))


def flip_bit(position: int) -> Change:
    """Flip one of the signature's 768 bits."""

    def change(request: httpx.Request) -> httpx.Request:
        raw = bytearray(base64.b64decode(request.headers["Signature"][5:-1]))
        raw[position // 8] ^= 1 << position % 8
        header = f"sig=:{base64.b64encode(raw).decode()}:"
        return copy(request, headers={"Signature": header})

    return change


def other_digest(request: httpx.Request) -> httpx.Request:
    """Another digest, which fits another body."""
    digest = base64.b64encode(hashlib.sha512(b"{}").digest()).decode()
    return copy(request, headers={"Content-Digest": f"sha-512=:{digest}:"})


def without_digest(request: httpx.Request) -> httpx.Request:
    """No Content-Digest at all."""
    changed = copy(request)
    del changed.headers["Content-Digest"]
    return changed


TAMPERINGS: dict[str, Change] = {
    "method": lambda request: copy(request, method="PUT"),
    "authority": lambda request: copy(request, url=request.url.copy_with(host="other.localhost")),
    "port": lambda request: copy(request, url=request.url.copy_with(port=8443)),
    "path": other_path,
    "keyid": exchange(KEY_ID, OTHER_KEY_ID),
    "created": shift("created", -1),
    "expires": shift("expires", 1),
    "no expires": exchange(r";expires=\d+", ""),
    "no alg": exchange(r';alg="[^"]+"', ""),
    "component": exchange('"@path"', '"@request-target"'),
    "first bit": flip_bit(7),
    "a bit of s": flip_bit(48 * 8),
    "last bit": flip_bit(95 * 8),
}
TAMPERINGS_OF_DIGEST: dict[str, Change] = {
    "digest": other_digest,
    "body and digest": lambda request: copy(other_digest(request), content=b"{}"),
    "digest not covered": exchange(' "content-digest"', ""),
}
MATRIX = [
    *((kind, name) for kind in COVERED for name in TAMPERINGS),
    *(("POST", name) for name in TAMPERINGS_OF_DIGEST),
]


@pytest.mark.parametrize(("kind", "tampering"), MATRIX)
def test_another_library_refuses_what_was_changed(
    captured: Captured, kind: str, tampering: str
) -> None:
    """A captured request verifies, and its signature no longer fits once one thing is changed."""
    verify(captured[kind])
    changed = (TAMPERINGS | TAMPERINGS_OF_DIGEST)[tampering](captured[kind])
    with pytest.raises(InvalidSignature) as refused:
        verify(changed, required=[])
    assert isinstance(refused.value.__cause__, exceptions.InvalidSignature)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            lambda request: copy(request, content=request.content + b" "),
            "does not match the message body",
            id="body",
        ),
        pytest.param(without_digest, "not found in the message", id="no digest"),
    ],
)
def test_another_library_refuses_another_body(
    captured: Captured, change: Change, reason: str
) -> None:
    """The signed digest binds the body: exchanging it, or dropping the digest, is noticed."""
    with pytest.raises(InvalidSignature, match=reason):
        verify(change(captured["POST"]))


@pytest.mark.parametrize(
    ("base", "authority"),
    [
        ("https://api.sandbox.offblocks.xyz/v1", "api.sandbox.offblocks.xyz"),
        ("https://API.Sandbox.Offblocks.XYZ:443/v1", "api.sandbox.offblocks.xyz"),
        ("http://emulator.localhost:80/v1/", "emulator.localhost"),
        ("http://127.0.0.1:8001/v1", "127.0.0.1:8001"),
    ],
)
async def test_authority_is_the_host_that_is_asked(base: str, authority: str) -> None:
    """``@authority`` is lower-case, has no default port, and equals the Host header."""
    async with running(provider_url=base) as stack:
        captured = await three_calls(stack)
    for request in captured.values():
        covered = verify(request).covered_components
        assert covered['"@authority"'] == authority == request.headers["Host"]
        assert covered['"@path"'] == request.url.path
        assert request.url.path.startswith("/v1/")


@pytest.mark.parametrize("backdate", [0, 1, 30])
async def test_signature_input_is_spelled_as_the_provider_spells_it(backdate: int) -> None:
    """Label, components, parameters and their order are those of section 4.1; ``created`` is set
    back by the setting, and ``expires`` comes 300 seconds after it."""
    clock = Clock(1_700_000_000.9)
    async with running(clock=clock, created_backdate=backdate) as stack:
        captured = await three_calls(stack)
    created = 1_700_000_000 - backdate
    rest = f'keyid="{KEY_ID}";alg="ecdsa-p384-sha384";created={created};expires={created + 300}'
    for kind, request in captured.items():
        names = " ".join(f'"{name}"' for name in COVERED[kind])
        assert request.headers["Signature-Input"] == f"sig=({names});{rest}"
        assert re.fullmatch(r"sig=:[A-Za-z0-9+/]{128}:", request.headers["Signature"])


async def test_every_attempt_is_signed_afresh() -> None:
    """A repeat has a later ``created`` and another signature, over the same key and body."""
    clock = Clock()
    async with running(clock=clock) as stack:
        busy = iter([httpx.Response(503, headers={"Retry-After": "7"})])
        stack.wire.answer = lambda r: next(busy, None) if r.url.path.endswith("/cards") else None
        await stack.issue()
        first, second = stack.wire.sent("POST", "/cards")
    same = ["Idempotency-Key", "Content-Digest", "Authorization"]
    assert [first.headers[name] for name in same] == [second.headers[name] for name in same]
    assert first.content == second.content
    created = [created_of(request) for request in (first, second)]
    assert created[1] - created[0] == 7
    assert first.headers["Signature"] != second.headers["Signature"]


def created_of(request: httpx.Request) -> int:
    """The ``created`` that a request says."""
    found = re.search(r";created=(\d+);", request.headers["Signature-Input"])
    assert found
    return int(found[1])


# --- headers (section 1) ---


def test_digest_fits_the_bytes_that_were_sent(captured: Captured) -> None:
    """Content-Digest is the sha-512 of exactly the body."""
    request = captured["POST"]
    digest = base64.b64encode(hashlib.sha512(request.content).digest()).decode()
    assert request.headers["Content-Digest"] == f"sha-512=:{digest}:"
    assert request.headers["Content-Length"] == str(len(request.content))


COMMON = {"host", "accept", "accept-encoding", "user-agent"}
JSON = {"content-type", "content-length"}
SIGNED = {"authorization", "signature", "signature-input"}
ASKED = {"x-request-id"}  # names the request of ours that a call is made for


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("GET", COMMON | ASKED | SIGNED),
        ("POST", COMMON | ASKED | JSON | SIGNED | {"idempotency-key", "content-digest"}),
        ("PATCH", COMMON | ASKED | SIGNED | {"idempotency-key", "content-length"}),
    ],
)
def test_headers_of_signed_calls(captured: Captured, kind: str, expected: set[str]) -> None:
    """A signed call carries the headers of its row in the table of section 1, and the id."""
    assert sorted(captured[kind].headers.keys()) == sorted(expected)


async def test_token_call_shows_nothing_of_us(stack: Stack) -> None:
    """``POST /auth/token`` is neither signed nor authorised nor keyed; it sends the credentials."""
    await stack.card(str(uuid4()))
    [request] = stack.wire.sent("POST", "/auth/token")
    assert set(request.headers.keys()) == COMMON | ASKED | JSON
    assert json.loads(request.content) == {"apiKey": API_KEY, "apiSecret": API_SECRET}


async def test_key_registration_is_authorised_and_not_signed() -> None:
    """``PUT /auth/signing`` carries the bearer token and the key, base64 of the whole PEM."""
    async with registering() as (provider, wire):
        await provider.register_signing_key(SIGNING_KEY.public_key())
    [request] = wire.sent("PUT", "/auth/signing")
    assert set(request.headers.keys()) == COMMON | JSON | {"authorization"}
    assert request.headers["Authorization"] == f"Bearer {token_of(wire)}"
    pem = base64.b64encode(SIGNING_KEY.public_key().to_pem()).decode()
    assert json.loads(request.content) == {"signingKeyId": KEY_ID, "signingKey": pem}


async def test_key_deletion_is_authorised_and_not_signed() -> None:
    """``DELETE /auth/signing`` carries the bearer token and the id alone."""
    async with registering() as (provider, wire):
        await provider.delete_signing_key(KEY_ID)
    [request] = wire.sent("DELETE", "/auth/signing")
    assert set(request.headers.keys()) == COMMON | JSON | {"authorization"}
    assert json.loads(request.content) == {"signingKeyId": KEY_ID}


async def test_the_spelling_of_the_key_id_is_kept() -> None:
    """An id in capitals is registered, signed with and deleted in capitals."""
    upper = KEY_ID.upper()
    wire = Recorder(httpx.ASGITransport(app=create_emulator(options(signing_keys={}))))
    provider = client_of(settings(signing_key_id=upper), wire)
    await provider.register_signing_key(SIGNING_KEY.public_key())
    await provider.cards_of(UUID(GUIDE_ACCOUNT))
    await provider.delete_signing_key(upper)
    await provider.aclose()
    put, read, delete = wire.sent("PUT") + wire.sent("GET") + wire.sent("DELETE")
    assert f';keyid="{upper}";' in read.headers["Signature-Input"]
    assert json.loads(put.content)["signingKeyId"] == upper
    assert json.loads(delete.content) == {"signingKeyId": upper}


@contextlib.asynccontextmanager
async def registering() -> AsyncIterator[tuple[ProviderClient, Recorder]]:
    """A provider client as ``gateway register-key`` has it."""
    wire = Recorder(httpx.ASGITransport(app=create_emulator(options())))
    provider = client_of(settings(), wire)
    try:
        yield provider, wire
    finally:
        await provider.aclose()


def token_of(wire: Recorder) -> str:
    """The one token that the provider gave out."""
    [answer] = [answer for request, answer in wire.exchanges if "token" in request.url.path]
    token: str = answer.json()["token"]
    return token


async def test_values_of_the_common_headers(stack: Stack) -> None:
    """JSON is asked for uncompressed, sent as JSON, under the one token and by name."""
    captured = await three_calls(stack)
    for request in captured.values():
        assert request.headers["Authorization"] == f"Bearer {token_of(stack.wire)}"
        assert request.headers["Accept"] == "application/json"
    for request, _ in stack.wire.exchanges:
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.headers["User-Agent"].startswith("card-gateway/")
    assert captured["POST"].headers["Content-Type"] == "application/json"
    assert captured["PATCH"].headers["Content-Length"] == "0"


@pytest.mark.parametrize("kind", ["POST", "PATCH"])
async def test_idempotency_key_is_a_fresh_uuid(stack: Stack, kind: str) -> None:
    """Without a key of the caller's, each modifying call has a UUID of its own."""
    keys = [(await three_calls(stack))[kind].headers["Idempotency-Key"] for _ in range(2)]
    assert keys[0] != keys[1]
    assert all(str(UUID(key)) == key for key in keys)


async def test_idempotency_key_follows_from_the_callers() -> None:
    """The caller's key alone decides the key on the wire, after a restart of the gateway too."""
    given, sent = [str(UUID(int=number)) for number in (1, 1, 2)], []
    for key in given:
        async with running() as stack:
            await stack.issue(idempotencyKey=key)
            [create] = stack.wire.sent("POST", "/cards")
            sent.append(UUID(create.headers["Idempotency-Key"]))
    assert sent[0] == sent[1] != sent[2]


async def test_no_cookie_is_ever_sent(stack: Stack) -> None:
    """A cookie that the provider sets does not come back, with whatever call."""

    def set_cookie(request: httpx.Request) -> httpx.Response | None:
        headers = {"Set-Cookie": "session=1; Path=/"}
        return httpx.Response(404, headers=headers) if request.method == "GET" else None

    stack.wire.answer = set_cookie
    assert await stack.card(str(uuid4())) is None
    await three_calls(stack)
    assert len(stack.wire.exchanges) >= 5
    assert not any("Cookie" in request.headers for request, _ in stack.wire.exchanges)


async def test_a_token_that_nobody_waits_for_fails_quietly() -> None:
    """When its callers have gone, a failed fetch is told to nobody, and not to the log either."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    gone = asyncio.Event()

    async def fetch() -> FetchedToken:
        await gone.wait()
        raise ProviderUnavailable("gone")

    source = TokenSource(fetch, runtime=Runtime(), margin=1, emit=to_nobody)
    caller = asyncio.create_task(source.get())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    gone.set()
    await asyncio.wait([task for task in asyncio.all_tasks() if task is not asyncio.current_task()])
    del source, caller
    gc.collect()
    assert told == []


@pytest.mark.parametrize(
    "answer",
    [
        b'{"token": "\xff", "expiresAt": 1, "tokenType": "Bearer"}',
        b'{"token": "a", "expiresAt": ' + b"9" * 400 + b', "tokenType": "Bearer"}',
        b"[" * 50_000,
    ],
    ids=["no UTF-8", "a huge number", "deep"],
)
async def test_an_access_token_that_cannot_be_read_is_no_fault_of_ours(answer: bytes) -> None:
    """Whatever the token's answer holds, nothing was sent, and the provider is the reason."""
    async with running(clock=Clock(), max_attempts=1) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(200, content=answer) if "/auth/" in request.url.path else None
        )
        result = await stack.issue()
        assert result["__typename"] == "ProviderUnavailable"
        assert not stack.wire.sent("POST", "/accounts/")
