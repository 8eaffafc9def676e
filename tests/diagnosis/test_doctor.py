"""`gateway doctor`: each fault is told apart, with the advice that fits."""

import contextlib
import json
import os
import pty
import socket
import ssl
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.diagnosis import Finding
from gateway.diagnosis.examination import delete_key, examine, register_key
from gateway.emulator import Faults, create_emulator
from gateway.runtime import Runtime
from gateway.signing import PrivateKey
from tests.certificates import CANARY, DAY, Authority
from tests.processes import ROOT, run
from tests.sockets import Way, serving
from tests.stack import API_KEY, API_SECRET, KEY_ID, SIGNING_KEY, Clock, options, settings
from tests.tls import Talk, closes, resets, says, served, server_context, silent, talking

BANNER = "canary-banner"
REGISTER, ID_SETTING, URL_SETTING = "gateway register-key", "GATEWAY_SIGNING_KEY_ID", "PROVIDER_URL"


async def examined(runtime: Runtime | None = None, /, **changes: Any) -> list[Finding]:
    """What is found with these settings; nothing of a server's own text may be in it."""
    found: list[Finding] = []
    good = await examine(settings(**changes), found.append, runtime)
    assert good is all(finding.good is not False for finding in found)
    for finding in found:
        assert bool(finding.advice) is (finding.good is False)
    text = str(found)
    assert "gateway doctor" not in text
    assert [word for word in (CANARY, BANNER, API_KEY, API_SECRET) if word in text] == []
    return found


def told(finding: Finding) -> str:
    """A finding as text."""
    return f"{finding.what} | {finding.advice}"


# What is wrong with the connection.

Serve = Callable[[Authority], contextlib.AbstractContextManager[str]]


@contextlib.contextmanager
def at(url: str) -> Iterator[str]:
    """A URL where nothing is served by us."""
    yield url


@contextlib.contextmanager
def refused() -> Iterator[str]:
    """A port that nobody listens on, and nobody else may take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


@contextlib.contextmanager
def tls(certificate: Path, host: str = "localhost") -> Iterator[str]:
    """An emulator behind TLS."""
    with served(create_emulator(options()), certificate) as port:
        yield f"https://{host}:{port}/v1"


@contextlib.contextmanager
def tls_spoken_to_in_the_clear(certificate: Path) -> Iterator[str]:
    """The same, with a URL that says http."""
    with tls(certificate) as url:
        yield url.replace("https:", "http:")


@contextlib.contextmanager
def talks(
    talk: Talk, scheme: str = "https", context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that does this to each connection."""
    with talking(talk, context) as port:
        yield f"{scheme}://localhost:{port}/v1"


def old_tls(certificate: Path) -> ssl.SSLContext:
    """A server that stopped at TLS 1.1."""
    context = server_context(certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def asks_for_a_certificate(certificate: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that wants to know who its client is."""
    context = server_context(certificate)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    return context


PLAIN_BANNER = f"SSH-2.0-{BANNER}\r\n\r\n".encode()


def https_port(certificate: Path) -> Talk:
    """A server that speaks TLS, and to a request in the clear says that it does."""
    context = server_context(certificate)

    def talk(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) != b"\x16":  # the first byte of a handshake
            text = f"{BANNER}: this is an HTTPS port"
            head = f"HTTP/1.0 400 Bad Request\r\nContent-Length: {len(text)}\r\n\r\n"
            says((head + text).encode())(sock)
        else:
            context.wrap_socket(sock, server_side=True).close()

    return talk


def drips(sock: socket.socket) -> None:
    """Answer a byte at a time and never come to an end."""
    with contextlib.suppress(TimeoutError):
        sock.recv(65536)
        sock.settimeout(0.02)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            sock.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                sock.recv(1)


@dataclass(frozen=True)
class Broken:
    """A server, and words of what is found: first of what is wrong, then of what to do."""

    serve: Serve
    what: str
    advice: str = URL_SETTING
    changes: dict[str, Any] = field(default_factory=dict)


BROKEN: dict[str, Broken] = {
    "name not found": Broken(
        lambda _: at("https://nonexistent.invalid/v1"),
        "the name of nonexistent.invalid is not found",
    ),
    "a name that is none": Broken(lambda _: at(f"http://{'a' * 64}.localhost/v1"), "is not found"),
    "refused": Broken(lambda _: refused(), "refuses the connection"),
    "self-signed": Broken(
        lambda ca: tls(ca.issue(signed=False)), "is not trusted", "GATEWAY_PROVIDER_CA_FILE"
    ),
    "private CA": Broken(lambda ca: tls(ca.issue()), "is not trusted", "GATEWAY_PROVIDER_CA_FILE"),
    "another private CA": Broken(
        lambda ca: tls(Authority(ca.folder, "other").issue()),
        "is not trusted",
        "nor in GATEWAY_PROVIDER_CA_FILE",
        {"provider_ca_file": True},
    ),
    "another name": Broken(
        lambda ca: tls(ca.issue("canary-subject.example")),
        "the certificate of localhost:",
        "a name that the certificate holds",
        {"provider_ca_file": True},
    ),
    "an address for the name": Broken(
        lambda ca: tls(ca.issue("localhost"), "127.0.0.1"),
        "is for another name",
        URL_SETTING,
        {"provider_ca_file": True},
    ),
    "expired": Broken(
        lambda ca: tls(ca.issue(begins=-2 * DAY, ends=-timedelta(hours=1))),
        "has expired",
        "clock",
        {"provider_ca_file": True},
    ),
    "not yet valid": Broken(
        lambda ca: tls(ca.issue(begins=DAY, ends=2 * DAY)),
        "is not valid yet",
        "clock",
        {"provider_ca_file": True},
    ),
    "old TLS": Broken(
        lambda ca: talks(silent, context=old_tls(ca.issue())), "no version of TLS", "TLS 1.2"
    ),
    "client certificate, TLS 1.2": Broken(
        lambda ca: talks(
            silent, context=asks_for_a_certificate(ca.issue(), ssl.TLSVersion.TLSv1_2)
        ),
        "TLS handshake",
        "client certificate",
        {"provider_ca_file": True},
    ),
    "client certificate, TLS 1.3": Broken(
        lambda ca: talks(
            silent, context=asks_for_a_certificate(ca.issue(), ssl.TLSVersion.TLSv1_3)
        ),
        # Our side of the handshake is over before the server refuses, which then breaks it off.
        "connection",
        "client certificate",
        {"provider_ca_file": True},
    ),
    "plain HTTP for https": Broken(
        lambda _: talks(says(b"HTTP/1.1 400 Bad Request\r\n\r\n" + BANNER.encode())),
        "answers, but not with TLS",
    ),
    "silence for https": Broken(
        lambda _: talks(silent), "does not complete a TLS handshake", changes={"connect_timeout": 1}
    ),
    "TLS for http": Broken(
        lambda ca: tls_spoken_to_in_the_clear(ca.issue()), "speaks TLS", "https://"
    ),
    "TLS for http, and a 400": Broken(
        lambda ca: talks(https_port(ca.issue()), "http"), "speaks TLS", "https://"
    ),
    "refused amid the handshake": Broken(lambda _: talks(closes), "resets the connection"),
    "reset": Broken(lambda _: talks(resets, "http"), "resets the connection"),
    "closed": Broken(lambda _: talks(closes, "http"), "closes the connection"),
    "no HTTP": Broken(lambda _: talks(says(PLAIN_BANNER), "http"), "is not HTTP"),
    "no answer": Broken(
        lambda _: talks(silent, "http"),
        "does not answer within 0.3 s",
        "try again",
        {"read_timeout": 0.3},
    ),
    "an answer without end": Broken(
        lambda _: talks(drips, "http"),
        "no whole answer within 0.5 s",
        "try again",
        {"call_deadline": 0.5},
    ),
    "an answer in a coding of its own": Broken(
        lambda _: talks(
            says(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}"), "http"
        ),
        "content coding",
        "proxy",
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
async def test_a_broken_connection_is_explained(case: Broken, tmp_path: Path) -> None:
    """What keeps the provider from answering is named with its host, and what to do about it."""
    ca = Authority(tmp_path)
    changes = case.changes | (
        {"provider_ca_file": ca.file} if case.changes.get("provider_ca_file") else {}
    )
    with case.serve(ca) as url:
        first, *others = await examined(provider_url=url, **changes)
    assert first.what.startswith("connection: ")
    assert case.what in first.what
    assert url.split("/")[2] in first.what
    assert case.advice in first.advice
    assert [finding.good for finding in others] == [None] * len(others)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels answer when the queue is full")
async def test_a_silent_address_is_explained() -> None:
    """Where no connection comes about in time, doctor says so, and not that TLS failed."""
    async with serving(way=Way.CLOSED) as server:
        await server.stop_answering()
        first, *_ = await examined(provider_url=server.url, connect_timeout=0.2)
    assert "connection: no connection to 127.0.0.1" in first.what
    assert "firewall" in first.advice


# What is wrong with the answers.


async def answering(status: str, body: str, *headers: str, path: str = "/v1") -> list[Finding]:
    """What is found where every request is answered like this."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    answer = "\r\n".join([*head, "", body])
    with talking(says(answer.encode())) as port:
        return await examined(provider_url=f"http://localhost:{port}{path}")


async def test_everything_is_asked_for_once() -> None:
    """A provider that is overloaded is not asked again by doctor."""
    refusing = Refuses(503, b"")
    with served(refusing) as port:
        await examined(provider_url=f"http://127.0.0.1:{port}/v1")
    assert refusing.calls == 2  # for a token, and for a card


HTML = "Content-Type: text/html"
PAGE = f"<!doctype html><title>{BANNER}</title>"
TOKEN_ANSWERS: dict[str, tuple[str, str, str, str]] = {
    "401 Unauthorized": (BANNER, "", "the API key or the API secret (status 401)", "API_SECRET"),
    "400 Bad Request": (BANNER, "", "refuses the request for one (status 400)", "API_KEY"),
    "404 Not Found": (BANNER, "", "has nothing at /v1/auth/token (status 404)", "/v1"),
    "405 Method Not Allowed": (PAGE, HTML, "has nothing at /v1/auth/token (status 405)", "/v1"),
    "501 Unsupported": (PAGE, HTML, "has nothing at /v1/auth/token (status 501)", "/v1"),
    "200 OK": (PAGE, HTML, "a web page (status 200)", URL_SETTING),
    "200 Fine": (f'{{"a": "{BANNER}"}}', "", "not documented (status 200)", URL_SETTING),
    "201 Created": (BANNER, "", "not documented (status 201)", URL_SETTING),
    "302 Found": ("", f"Location: http://{BANNER}/", "a redirect (status 302)", URL_SETTING),
    "403 Forbidden": (PAGE, HTML, "forbids the request (status 403)", "address"),
    "418 Teapot": (BANNER, "", "with status 418", URL_SETTING),
    "429 Slow Down": (BANNER, "Retry-After: 1", "asks to slow down (status 429)", "later"),
    "500 Broken": (BANNER, "", "has a fault or is overloaded (status 500)", "later"),
    "503 Busy": (PAGE, HTML, "has a fault or is overloaded (status 503)", "later"),
}


@pytest.mark.parametrize("status", TOKEN_ANSWERS)
async def test_an_answer_without_a_token_is_explained(status: str) -> None:
    """Whatever the token endpoint answers in place of a token is told apart by its status."""
    body, header, what, advice = TOKEN_ANSWERS[status]
    token, signature, _clock = await answering(status, body, *filter(None, [header]))
    assert token.what.startswith("access token: ")
    assert what in token.what
    assert advice in token.advice
    assert (signature.good, "no access token" in signature.what) == (None, True)


@pytest.fixture
def emulated(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Start an emulator with options and faults; its URL."""
    with contextlib.ExitStack() as stack:

        def start(
            faults: Faults | None = None, now: Callable[[], float] = time.time, **changes: Any
        ) -> str:
            app = create_emulator(options(**changes), faults=faults, now=now)
            return f"http://127.0.0.1:{stack.enter_context(served(app))}/v1"

        yield start


Start = Callable[..., str]


async def test_all_is_well(emulated: Start) -> None:
    """With the right settings there are three good findings."""
    found = await examined(provider_url=emulated())
    assert [finding.good for finding in found] == [True, True, True]


async def test_a_wrong_base_path_is_not_a_missing_card(emulated: Start) -> None:
    """A URL with another path is said to have the wrong path, and nothing is said of cards."""
    for path in ("", "/v2", "/v1/v1"):
        url = emulated().removesuffix("/v1") + path
        first, *_ = await examined(provider_url=url)
        assert f"has nothing at {path}/auth/token" in first.what
        assert "GATEWAY_PROVIDER_URL" in first.advice
        assert "card" not in told(first)


async def test_wrong_credentials_are_explained(emulated: Start) -> None:
    """A wrong secret and a wrong API key each name the two settings to check."""
    url = emulated()
    for wrong in ({"provider_api_secret": "x"}, {"provider_api_key": str(uuid.uuid4())}):
        first, *_ = await examined(provider_url=url, **wrong)
        assert "refuses the API key or the API secret" in first.what
        assert "GATEWAY_PROVIDER_API_SECRET" in first.advice


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refused_signature_is_explained(status: int, emulated: Start) -> None:
    """A wrong key id, and a key that does not fit its id, are refused signatures with advice."""
    url = emulated(bad_signature_status=status)
    other_key = PrivateKey.generate().to_pem().decode()
    for wrong in ({"signing_key_id": str(uuid.uuid4())}, {"signing_key": other_key}):
        token, signature, clock = await examined(provider_url=url, **wrong)
        assert (token.good, signature.good, clock.good) == (True, False, True)
        assert f"refuses the signature (status {status})" in signature.what
        assert REGISTER in signature.advice
        assert ID_SETTING in signature.advice


@pytest.mark.parametrize("shift", [4000, -4000])
async def test_clocks_that_differ_are_blamed_first(shift: int, emulated: Start) -> None:
    """A signature that is refused while the clocks differ is explained by the clocks first."""
    now = Clock(1_800_000_000.5)  # the middle of a second, which is what a Date stands for
    url = emulated(Faults(clock_shift=shift), now)
    _, signature, clock = await examined(Runtime(now=now), provider_url=url)
    side = "ahead of" if shift > 0 else "behind"
    assert f"its clock is 4000 s {side} this machine's" in signature.what
    assert signature.advice.startswith("Set this machine's clock (NTP) first")
    assert f"4000 s {side}" in clock.what


class Refuses:
    """An application that gives a token and refuses every other request with a text."""

    def __init__(self, status: int, body: bytes, kind: bytes = b"text/plain") -> None:
        self._answer = (status, kind, body)
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        self.calls += 1
        token = {"token": "t", "expiresAt": 2_000_000_000, "tokenType": "Bearer"}
        answer = (200, b"application/json", json.dumps(token).encode())
        status, kind, body = answer if scope["path"].endswith("/token") else self._answer
        start = {"type": "http.response.start", "status": status}
        await send(start | {"headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})


HINTS: dict[str, tuple[int, str, str]] = {
    "the library's text": (400, "invalid required signature", "The likeliest first"),
    "no text": (401, "", "The likeliest first"),
    "key id": (400, "unknown key id", "speaks of the key id"),
    "no key": (401, "No signing key is registered", "speaks of the key id"),
    "time": (400, "signature expired", "speaks of the time"),
    "token": (401, "token expired", "GATEWAY_PROVIDER_API_KEY"),
}


@pytest.mark.parametrize("hint", HINTS)
async def test_the_text_of_a_refusal_is_a_hint(hint: str) -> None:
    """What a refusal says decides which reason is named, and is never shown."""
    status, text, advice = HINTS[hint]
    with served(Refuses(status, f"{text} {BANNER}".encode())) as port:
        _, signature, _ = await examined(provider_url=f"http://127.0.0.1:{port}/v1")
    assert f"refuses the signature (status {status})" in signature.what
    assert advice in signature.advice


@pytest.mark.parametrize(
    ("status", "kind", "what"),
    [
        (200, "text/html", "a web page"),
        (200, "application/json", "not documented"),
        (403, "text/plain", "forbids"),
        (409, "text/plain", "with status 409"),
        (503, "text/plain", "overloaded"),
    ],
)
async def test_another_answer_to_a_signed_read_is_explained(
    status: int, kind: str, what: str
) -> None:
    """An answer that says nothing of the signature is not taken for its refusal."""
    with served(Refuses(status, BANNER.encode(), kind.encode())) as port:
        _, signature, _ = await examined(provider_url=f"http://127.0.0.1:{port}/v1")
    assert signature.what.startswith("signature: ")
    assert what in signature.what
    assert REGISTER not in signature.advice


# Trust.


async def test_a_private_ca_is_trusted(tmp_path: Path) -> None:
    """GATEWAY_PROVIDER_CA_FILE makes root, intermediate or the certificate itself trusted."""
    root = Authority(tmp_path)
    middle = Authority(tmp_path, "middle", root)
    self_signed = root.issue(signed=False)
    own = tmp_path / "own.pem"
    own.write_text("-----BEGIN CERT" + self_signed.read_text().partition("-----BEGIN CERT")[2])
    for certificate, file in [
        (root.issue(), root.file),
        (middle.issue(), middle.file),
        (self_signed, own),
    ]:
        with tls(certificate) as url:
            found = await examined(provider_url=url, provider_ca_file=file)
        assert [finding.good for finding in found] == [True, True, True]


async def test_the_private_ca_is_an_addition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system trusts stays trusted beside GATEWAY_PROVIDER_CA_FILE."""
    system, own = Authority(tmp_path, "system"), Authority(tmp_path, "own")
    monkeypatch.setenv("SSL_CERT_FILE", str(system.file))
    with tls(system.issue()) as url:
        found = await examined(provider_url=url, provider_ca_file=own.file)
    assert [finding.good for finding in found] == [True, True, True]


# register-key gives the same findings.


async def test_register_key_explains_itself(tmp_path: Path, emulated: Start) -> None:
    """A key is registered, or the finding is the one that doctor would have."""
    done = await register_key(settings(provider_url=emulated(signing_keys={})))
    assert (done.good, KEY_ID in done.what) == (True, True)
    with tls(Authority(tmp_path).issue()) as url:
        untrusted = await register_key(settings(provider_url=url))
        assert [untrusted] == [(await examined(provider_url=url))[0]]
    url = emulated()
    wrong = await register_key(settings(provider_url=url, provider_api_secret="x"))
    assert "refuses the API key or the API secret" in wrong.what


@pytest.mark.parametrize(
    ("status", "advice"), [(400, "keygen"), (401, "may register"), (418, "URL")]
)
async def test_a_key_that_is_not_taken_is_explained(status: int, advice: str) -> None:
    """What the provider answers to a registration decides the advice, and is never shown."""
    with served(Refuses(status, BANNER.encode())) as port:
        finding = await register_key(settings(provider_url=f"http://127.0.0.1:{port}/v1"))
    assert f"does not register it (status {status})" in finding.what
    assert advice in finding.advice
    assert BANNER not in str(finding)


# delete-key gives findings of the same kind.


async def test_delete_key_explains_itself(emulated: Start) -> None:
    """A deleted key signs no more; deleting it again says that there may be none."""
    here = settings(provider_url=emulated())
    assert [finding.good for finding in await examined(provider_url=here.provider_url)] == [
        True
    ] * 3
    done = await delete_key(here, KEY_ID.upper())
    assert (done.good, KEY_ID.upper() in done.what) == (True, True)
    _, signature, _ = await examined(provider_url=here.provider_url)
    assert "refuses the signature" in signature.what
    again = await delete_key(here, KEY_ID)
    assert again.what == "signing key: the provider does not delete it (status 400)"
    assert "deleted before or never registered" in again.advice
    wrong = await delete_key(
        settings(provider_url=here.provider_url, provider_api_secret="x"), KEY_ID
    )
    assert "refuses the API key or the API secret" in wrong.what


@pytest.mark.parametrize(
    ("status", "advice"),
    [(400, "never registered"), (404, "never registered"), (401, "may delete"), (418, "URL")],
)
async def test_a_key_that_is_not_deleted_is_explained(status: int, advice: str) -> None:
    """What the provider answers to a deletion decides the advice, and is never shown."""
    with served(Refuses(status, BANNER.encode())) as port:
        finding = await delete_key(settings(provider_url=f"http://127.0.0.1:{port}/v1"), KEY_ID)
    assert f"does not delete it (status {status})" in finding.what
    assert advice in finding.advice
    assert BANNER not in str(finding)


# As processes.


def environment(folder: Path, url: str, **more: str) -> dict[str, str]:
    """The settings of a command, with the key that the emulator of these tests knows."""
    (folder / "key.pem").write_bytes(SIGNING_KEY.to_pem())
    return {
        "cwd": str(folder),
        "GATEWAY_PROVIDER_URL": url,
        "GATEWAY_PROVIDER_API_KEY": API_KEY,
        "GATEWAY_PROVIDER_API_SECRET": API_SECRET,
        "GATEWAY_SIGNING_KEY_ID": KEY_ID,
        "GATEWAY_SIGNING_KEY_FILE": str(folder / "key.pem"),
        **more,
    }


PROCESSES = ["name not found", "refused", "private CA", "plain HTTP for https", "TLS for http"]


@pytest.mark.process
@pytest.mark.parametrize("name", PROCESSES)
def test_the_command_tells_it(name: str, tmp_path: Path) -> None:
    """`gateway doctor` prints a line and an advice for what is wrong, and ends with 1."""
    case = BROKEN[name]
    with case.serve(Authority(tmp_path)) as url:
        code, printed = run("doctor", **environment(tmp_path, url))
    assert code == 1
    bad, advice = printed.splitlines()[:2]
    assert bad.startswith("bad  connection: ")
    assert case.what in bad
    assert case.advice in advice
    assert "Traceback" not in printed
    assert "gateway doctor" not in printed
    assert [word for word in (CANARY, BANNER, API_SECRET, "\x1b") if word in printed] == []


@pytest.mark.process
def test_the_command_trusts_the_ca_file(tmp_path: Path) -> None:
    """With GATEWAY_PROVIDER_CA_FILE both doctor and register-key reach a provider behind TLS."""
    ca = Authority(tmp_path)
    with tls(ca.issue()) as url:
        given = environment(tmp_path, url, GATEWAY_PROVIDER_CA_FILE=str(ca.file))
        code, printed = run("register-key", **given)
        assert (code, "Registered" in printed) == (0, True), printed
        code, printed = run("doctor", **given)
        assert (code, printed.count("ok  ")) == (0, 4), printed


@pytest.mark.process
def test_the_commands_own_store_of_certificates_counts(tmp_path: Path) -> None:
    """SSL_CERT_FILE is heeded, and a machine without CA certificates is told so."""
    ca = Authority(tmp_path)
    with tls(ca.issue()) as url:
        given = environment(tmp_path, url, SSL_CERT_FILE=str(ca.file))
        assert run("doctor", **given)[0] == 0
        nowhere = str(tmp_path / "nowhere")
        given |= {"SSL_CERT_FILE": nowhere, "SSL_CERT_DIR": nowhere}
        code, printed = run("doctor", **given)
    assert code == 1
    assert "this machine has no CA certificates" in printed
    assert "ca-certificates" in printed


@pytest.mark.process
def test_register_key_fails_in_words(tmp_path: Path) -> None:
    """`gateway register-key` prints the same line and advice as doctor, and ends with 1."""
    with tls(Authority(tmp_path).issue()) as url:
        given = environment(tmp_path, url)
        code, printed = run("register-key", **given)
        _, by_doctor = run("doctor", **given)
    assert code == 1
    assert printed.splitlines() == by_doctor.splitlines()[:2]


@pytest.mark.process
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals(no_color: str, coloured: bool, tmp_path: Path) -> None:
    """On a terminal the marks have colours, unless NO_COLOR is set."""
    with refused() as url:
        given = environment(tmp_path, url, NO_COLOR=no_color, TERM="xterm")
        ours, theirs = pty.openpty()
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "doctor"],
            stdout=theirs,
            cwd=given.pop("cwd"),
            env={**os.environ, "PYTHONPATH": str(ROOT), **given},
            check=False,
        )
        printed = os.read(ours, 65536).decode()
        os.close(ours)
        os.close(theirs)
    assert (ended.returncode, "refuses the connection" in printed) == (1, True)
    assert ("\x1b[" in printed) is coloured
