"""`gateway explain-signature`: what a verifier makes of a captured request, and what it repeats."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import httpx
import pytest
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.signing import Message, PrivateKey, Signer, content_digest
from tests.commands import Command
from tests.examples import examples
from tests.stack import KEY_ID, SIGNING_KEY, environment, running

PAN = "4111111111111111"
NAME = "Canary Cardholder"
TOKEN = "canary-token-8f1c"
BODY = b'{"type":"virtual","billingAddress":{"firstLine":"CANARY-LINE"}}'
HOST = "api.sandbox.offblocks.xyz"
PATH = "/v1/accounts/ae61c362-4136-49af-8e01-544457fe265b/cards"
CREATED = 1_700_000_000
COVERED = ("@method", "@authority", "@path", "content-digest", "authorization", "x-trace")
FIELDS = {
    "Host": HOST,
    "Authorization": f"Bearer {TOKEN}",
    "X-Trace": "one two",
    "Content-Type": "application/json",
    "Cookie": f"session={TOKEN}",
    "Idempotency-Key": "123e4567-e89b-42d3-a456-426614174000",
}


def signed(
    covered: tuple[str, ...] = COVERED,
    *,
    method: str = "POST",
    path: str = PATH,
    body: bytes = BODY,
    created: int = CREATED,
    fields: Mapping[str, str] = {},
) -> str:
    """A request with these fields, signed with the key of the tests, as it stands on the wire."""
    sent = FIELDS | {"Content-Digest": content_digest(body)} | dict(fields)
    headers = {name.lower(): value for name, value in sent.items()}
    message = Message(method, sent["Host"].lower(), path, headers)
    made = Signer(SIGNING_KEY, keyid=KEY_ID).sign(
        message, covered, created=created, expires=created + 300
    )
    sent |= {"Signature-Input": made.signature_input, "Signature": made.signature}
    sent |= {"Content-Length": str(len(body))}
    lines = [f"{method} {path}?q=CANARY-QUERY HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items())]
    return "\r\n".join([*lines, "", body.decode("latin-1")])


@pytest.fixture(autouse=True)
def our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `gateway serve` needs is set, the key of these tests as well."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def explained(
    command: Command, sent: str, received: str | None = None, at: float = CREATED
) -> tuple[int, str]:
    """The exit code and the output for captures that arrived at this moment."""
    Path("sent.http").write_bytes(sent.encode("latin-1"))
    more = []
    if received is not None:
        Path("received.http").write_bytes(received.encode("latin-1"))
        more = ["--received", "received.http"]
    return command("explain-signature", "sent.http", "--at", str(int(at)), *more)


def bad(output: str) -> list[str]:
    """What was found to be bad."""
    return [line[5:] for line in output.splitlines() if line.startswith("bad ")]


def base_of(output: str) -> list[str]:
    """The lines of the first signature base."""
    lines = output.splitlines()
    begins = lines.index("Signature base") + 1
    length = next(n for n, line in enumerate(lines[begins:]) if not line.startswith("    "))
    return [line[4:] for line in lines[begins : begins + length]]


def captured(request: httpx.Request, end: str) -> str:
    """A request as it stands on the wire, with these line ends."""
    fields = [f"{name}: {value}" for name, value in request.headers.items()]
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1", *fields, "", ""]
    return end.join(lines) + request.content.decode("latin-1")


async def test_what_the_gateway_sends_is_fine(command: Command) -> None:
    """Each signed request of the gateway passes, whether its lines end with CRLF or with LF."""
    async with running() as stack:
        issued = await stack.issue()
        await stack.simulate(issued["card"]["id"])
        await stack.card(issued["card"]["id"])
        sent = [one for one, _ in stack.wire.exchanges if "Signature" in one.headers]
    assert {request.method for request in sent} == {"POST", "PATCH", "GET"}
    for request in sent:
        for end in ("\r\n", "\n"):
            code, output = explained(command, captured(request, end), at=time.time())
            assert (code, bad(output)) == (0, []), output
            assert "The signature fits the signature base and the public key." in output


segments = st.text("abcxyzXYZ-._~", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)


@settings(max_examples=examples(0.5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.text(ascii_uppercase, min_size=1, max_size=10),
    host=st.from_regex(r"[a-zA-Z]{1,8}(\.[a-z]{1,8}){0,2}(:8080)?", fullmatch=True),
    path=st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    body=st.binary(min_size=1, max_size=100),
    covered=st.permutations(["@method", "@authority", "@path", "content-digest"]),
)
def test_the_base_is_that_of_another_implementation(
    command: Command, method: str, host: str, path: str, body: bytes, covered: Any
) -> None:
    """The base that is shown is what http-message-signatures computes, byte for byte."""
    now = int(time.time())
    text = signed(
        tuple(covered), method=method, path=path, body=body, created=now, fields={"Host": host}
    )
    code, output = explained(command, text, at=now)
    assert (code, bad(output)) == (0, []), output
    names = (line.partition(": ") for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:])
    request = httpx.Request(
        method, f"https://{host}{path}", headers=[(name, value) for name, _, value in names]
    )
    pem = SIGNING_KEY.public_key().to_pem()
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ECDSA_P384_SHA384,
        key_resolver=MappingKeyResolver(public_keys={KEY_ID: pem}, private_keys={}),
    )
    [verified] = verifier.verify(request, require_components=covered, body=body)
    assert base_of(output) == [f"{n}: {v}" for n, v in verified.covered_components.items()]


CHANGES = {
    "method": ("POST /v1", "PUT /v1", "@method has another value."),
    "authority": (f"Host: {HOST}", "Host: a.internal", "@authority has another value."),
    "port": (f"Host: {HOST}", f"Host: {HOST}:8443", "@authority has another value."),
    "host is missing": (f"Host: {HOST}\r\n", "", "@authority is missing."),
    "path": (PATH, PATH + "/", "@path has another value."),
    "letters of the path": (PATH, PATH.replace("cards", "Cards"), "@path differs in capital "),
    "prefix": (PATH, PATH.removeprefix("/v1"), "@path has another value."),
    "digest": ("sha-512=:", "sha-512=:AAAA", "content-digest has another value."),
    "digest is missing": ("Content-Digest", "X-Content-Digest", "content-digest is missing."),
    "token": (f"Bearer {TOKEN}", f"Bearer {TOKEN}2", "authorization has another value."),
    "letters": ("one two", "One two", "x-trace differs in capital letters alone."),
    "blanks": ("one two", "one  two", "x-trace differs in blanks alone."),
    "twice": ("X-Trace: one two", "X-Trace: one two\r\nX-Trace: one two", "x-trace came 2 times"),
    "parameters": ("expires=", "expires=1", "signature-input has another value."),
    "order": ('"@method" "@authority"', '"@authority" "@method"', "lists the covered components"),
    "no parameters": ("Signature-Input", "X-Signature-Input", "signature-input is missing."),
    "signature": ("Signature: sig=:", "Signature: sig=:AAAA", "signature has another value."),
    "no signature": ("\r\nSignature: ", "\r\nX-Signature: ", "signature is missing."),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_on_the_way_is_named(change: str, command: Command) -> None:
    """One covered component that arrives otherwise is named alone, with how it differs."""
    before, after, told = CHANGES[change]
    sent = signed()
    assert sent.count(before) == 1
    code, output = explained(command, sent, sent.replace(before, after))
    changed = output.partition("What has changed on the way")[2].partition("Signature base")[0]
    assert code == 1
    assert [line for line in bad(changed) if told in line]
    others = [line for line in bad(changed) if told not in line]
    assert len(others) == changed.count("\nbad  ") - 1


def test_what_arrives_as_it_was_sent_is_fine(command: Command) -> None:
    """Names in other letters, fields in another order and uncovered ones are no change."""
    sent = signed()
    head, _, body = sent.partition("\r\n\r\n")
    first, *fields = head.split("\r\n")
    fields = [line.replace("X-Trace:", "x-trace:  ") for line in reversed(fields)]
    received = "\r\n".join([first, *fields, "Via: 1.1 proxy", "", body])
    code, output = explained(command, sent, received)
    assert (code, bad(output)) == (0, []), output
    assert "All covered components and the signature arrived as they were sent." in output


def test_lines_of_a_field_in_another_order(command: Command) -> None:
    """Two lines of one field that have changed places are told so."""
    sent = signed(fields={"X-Trace": "a, b"}).replace("X-Trace: a, b", "X-Trace: a\r\nX-Trace: b")
    received = sent.replace("X-Trace: a\r\nX-Trace: b", "X-Trace: b\r\nX-Trace: a")
    assert explained(command, sent)[0] == 0
    code, output = explained(command, sent, received)
    assert code == 1
    assert "bad  x-trace has its lines in another order." in output


def test_header_fields_alone_can_be_compared(command: Command) -> None:
    """What the other side received may lack the request line and the body, and that is told."""
    sent = signed()
    fields = sent.partition("\r\n\r\n")[0].partition("\r\n")[2]
    for end in ("", "\n", "\r\n\r\n"):
        code, output = explained(command, sent, fields + end)
        assert code == 0, output
    assert "--   What was received has no request line" in output
    code, output = explained(command, sent, fields.replace(HOST, "a.internal"))
    assert code == 1
    assert "Sent: api.sandbox.offblocks.xyz · received: a.internal" in output


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((BODY.decode(), BODY.decode().replace(":", ": ")), "Content-Digest does not fit the body"),
        (("Content-Digest", "X-Digest"), "content-digest is covered, and the request has no such"),
        (('"@path" ', ""), "The provider wants @path to be covered as well."),
        ((f'keyid="{KEY_ID}"', 'keyid="other"'), "The keyid is not GATEWAY_SIGNING_KEY_ID."),
        ((f"created={CREATED}", f"created={CREATED + 9}"), "created is in the future: 2023-11-14T"),
        ((f"expires={CREATED + 300}", "expires=1"), "The signature expired at 1970-01-01T00:00:01"),
        ((f"created={CREATED}", "created=999999999999999"), "999999999999999 s, which is no date"),
        ((f"created={CREATED};", ""), "Keyid and created are needed."),
        (("Signature-Input: sig=(", "Signature-Input: sig="), "Signature-Input is not a"),
        (("Signature-Input", "X-Input"), "The message has no usable component signature-input."),
        (("Signature: sig=:", "Signature: sig=:AAAA"), "The signature is not 96 bytes of r and s."),
    ],
)
def test_what_is_wrong_is_told(change: tuple[str, str], told: str, command: Command) -> None:
    """A request that a verifier refuses has exit code 1 and the reason."""
    sent = signed()
    assert sent.count(change[0]) == 1
    code, output = explained(command, sent.replace(*change))
    assert code == 1
    assert any(told in line for line in bad(output)), output


def test_another_key_is_told(command: Command) -> None:
    """With --public-key no setting is read, and a key that has not signed is told."""
    Path("sent.http").write_bytes(signed().encode("latin-1"))
    Path(".env").write_text("GATEWAY_PROT=1\n")
    for key, code in ((SIGNING_KEY, 0), (PrivateKey.generate(), 1)):
        Path("key.pem").write_bytes(key.public_key().to_pem())
        arguments = ("sent.http", "--at", "2023-11-14T22:13:21Z", "--public-key", "key.pem")
        assert command("explain-signature", *arguments)[0] == code


def test_a_line_break_after_the_body_is_the_files(command: Command) -> None:
    """An editor's line break after the body is not taken for a part of it."""
    assert explained(command, signed() + "\n")[0] == 0


def test_other_spellings_of_one_request(command: Command) -> None:
    """An absolute target, a default port, large letters and a folded line are the same request."""
    sent = signed()
    for same in (
        sent.replace(PATH, f"https://{HOST.upper()}:443{PATH}").replace(f"Host: {HOST}", "Host: b"),
        sent.replace(PATH, f"http://me@{HOST}:80{PATH}"),
        sent.replace(f"Host: {HOST}", f"Host: {HOST.upper()}:443"),
        sent.replace("CANARY-QUERY", "http://other.example/cards"),
        sent.replace("one two", "one\r\n   two"),
    ):
        assert same != sent
        assert explained(command, same)[0] == 0
    rootless = signed(path="/").replace("POST /?", f"POST https://{HOST}?")
    assert explained(command, rootless)[0] == 0


def test_standard_input_is_read(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the request comes from standard input."""
    stdin = io.TextIOWrapper(io.BytesIO(signed().encode("latin-1")))
    monkeypatch.setattr("sys.stdin", stdin)
    assert command("explain-signature", "--at", str(CREATED))[0] == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1 is not a request line"),
        (f"{PAN} {NAME} {TOKEN}", "line 1 is not a request line"),
        (f"POST / HTTP/1.1\n{PAN} {NAME}", "line 2 is not a header field"),
        ("Host: a.example\n\n", "its first line is no request line"),
        (f"POST / HTTP/1.1\nA: {'x' * 70_000}", "its header section is longer than 64 KiB"),
    ],
)
def test_a_text_that_is_no_request(text: str, told: str, command: Command) -> None:
    """What is no HTTP request is refused in one sentence with exit code 2, and not repeated."""
    code, output = explained(command, text)
    assert code == 2
    assert len(output.splitlines()) == 1
    assert output.startswith("sent.http is no HTTP request: ")
    assert told in output
    assert not {PAN, NAME, TOKEN} & set(output.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none.http",), "none.http cannot be read: it is not found.\n"),
        (("sent.http", "--received", "none.http"), "none.http cannot be read: it is not found.\n"),
        (("sent.http", "--public-key", "sent.http"), "sent.http: the public key is not a readable"),
        (("-", "--received", "-"), "Standard input can be read once"),
        (("sent.http", "--at", "noon"), "--at: must be UNIX seconds, or a time such as"),
        (("sent.http", "--at", "2026-11-27"), "--at: must be UNIX seconds, or a time such as"),
    ],
)
def test_arguments_that_cannot_be_used(
    arguments: tuple[str, ...], told: str, command: Command
) -> None:
    """Files that cannot be read, and times that are none, are refused with exit code 2."""
    Path("sent.http").write_bytes(signed().encode("latin-1"))
    code, output = command("explain-signature", *arguments)
    assert code == 2
    assert told in output


@settings(max_examples=examples(0.1), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 900),
    cut=st.integers(0, 60),
    text=st.text('\r\n\t \0\x7fü:;,"()=@?/*%aZ19-', max_size=20),
    number=st.integers(0, 2**70).map(str),
)
def test_no_capture_upsets_the_command(
    command: Command, at: int, cut: int, text: str, number: str
) -> None:
    """Whatever a capture is, the command ends with one of its exit codes, and shows no secret."""
    sent = signed()
    for changed in (
        sent[:at] + text + sent[at + cut :],
        sent.replace(f"created={CREATED}", f"created={number}"),
        sent.replace(f"Content-Length: {len(BODY)}", f"Content-Length: {number}"),
    ):
        for texts in ((changed,), (sent, changed)):
            code, output = explained(command, *texts)
            assert code in {0, 1, 2}
            hidden = [secret for secret, context in CONTEXTS.items() if context in changed]
            assert [secret for secret in hidden if secret in output] == []


# Without what stands before them nobody could tell what they are.
CONTEXTS = {
    TOKEN: f"\r\nAuthorization: Bearer {TOKEN}\r\n",
    "CANARY-QUERY": "?q=CANARY-QUERY",
    "CANARY-LINE": "CANARY-LINE",
}
SECRETS = [PAN, NAME, TOKEN, "CANARY", "4111 1111", "4111%2D", FIELDS["Idempotency-Key"]]
HOSTILE = {
    "method": lambda text: text.replace("POST /", f"{PAN} /"),
    "host": lambda text: text.replace(HOST, f"user:{TOKEN}@{HOST}"),
    "user info": lambda text: text.replace(PATH, f"https://me:{TOKEN}@{HOST}{PATH}"),
    "two lines in one": lambda text: text.replace("xyz\r\nAuth", "xyzAuth"),
    "path": lambda text: text.replace(PATH, f"/{PAN}"),
    "escaped path": lambda text: text.replace(PATH, "/4111%2D1111%2D1111%2D1111"),
    "a covered name": lambda text: text.replace('"x-trace"', f'"x-{PAN}"'),
    "nonce": lambda text: text.replace("expires=", f'nonce="{PAN}";expires='),
    "label": lambda text: text.replace("Input: sig=", f"Input: a{PAN}="),
    "key id": lambda text: text.replace(KEY_ID, PAN),
    "cookie": lambda text: text.replace('"x-trace"', '"cookie"'),
    "key": lambda text: text.replace('"x-trace"', '"idempotency-key"'),
    "PAN as token": lambda text: text.replace(TOKEN, PAN),
    "basic": lambda text: text.replace("Bearer", "Basic"),
    "value": lambda text: text.replace("one two", f"{NAME} 4111 1111 1111 1111"),
    "control": lambda text: text.replace("one two", f"\x07{NAME}"),
    "control of a shown field": lambda text: text.replace('"x-trace"', '"content-type"').replace(
        "application/json", "\x07"
    ),
    "digest": lambda text: text.replace("sha-512=:", f"{PAN}=:"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_secret_is_shown(hostile: str, command: Command) -> None:
    """No token, cookie, query, body or card number is shown, wherever it stands."""
    sent = signed()
    changed = HOSTILE[hostile](sent)
    assert changed != sent
    for texts in ((changed,), (sent, changed), (changed, sent)):
        _, output = explained(command, *texts)
        assert [secret for secret in SECRETS if secret in output] == []
        assert output.replace("\n", "").isprintable()


def test_the_rest_of_a_path_is_shown(command: Command) -> None:
    """Of a path with a card number in it, the number alone is masked."""
    _, output = explained(command, signed(path=f"/v1/cards/{PAN}/activate"))
    assert '"@path": /v1/cards/************1111/activate' in base_of(output)


def test_two_tokens_can_be_told_apart(command: Command) -> None:
    """A bearer token is shown by its length and the beginning of its hash."""
    _, output = explained(command, signed())
    assert f'"authorization": Bearer ({len(TOKEN)} characters, sha256 ' in output
