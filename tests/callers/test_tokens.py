"""Tokens: one row for each oddity, with what is answered and what the log says of it."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway.errors import NotAuthenticated
from gateway.events import CallerRefused
from gateway.http import error_response
from gateway.telemetry import loggable, loggable_address
from tests.callers.key_source import KeySource
from tests.examples import examples
from tests.stack import CARD, ISSUE, issue_input, running
from tests.tokens import IdentityProvider

Make = Callable[[IdentityProvider], str]
NOW = int(time.time())
HALF = "\ud800"  # of a surrogate pair, which JSON can write and UTF-8 cannot


@pytest.fixture
def idp(tmp_path: Path) -> IdentityProvider:
    """An identity provider with one EC key."""
    return IdentityProvider(tmp_path)


def claims(**changes: Any) -> Make:
    """A token that is signed well, with changes to its claims."""
    return lambda idp: idp.token(**changes)


def header(**changes: Any) -> Make:
    """A token that is signed well, with changes to its header."""
    return lambda idp: raw(idp, {"alg": "ES256", "typ": "JWT", "kid": "ec-1"} | changes)


def payload(content: bytes) -> Make:
    """A token that is signed well over any bytes."""
    return lambda idp: raw(idp, {"alg": "ES256", "kid": "ec-1"}, content)


def part(value: Any) -> bytes:
    """A part of a token."""
    written = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(written).rstrip(b"=")


def raw(idp: IdentityProvider, named: Any, content: bytes | None = None) -> str:
    """A token by hand: the library that signs refuses some of them."""
    good = idp.token().split(".")[1]
    middle = part(content) if content is not None else good.encode()
    signed = part(named) + b"." + middle
    seal = ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1).sign(signed, idp.keys["ec-1"])
    return (signed + b"." + part(seal)).decode()


def forged(algorithm: str) -> Make:
    """A token that names another algorithm: ``none``, or HMAC with the public key as its secret."""

    def make(idp: IdentityProvider) -> str:
        key = idp.keys["ec-1"].public_key()
        public = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        good = idp.token().split(".")[1].encode()
        signed = part({"alg": algorithm, "typ": "JWT", "kid": "ec-1"}) + b"." + good
        seal = b"" if algorithm == "none" else hmac.digest(public, signed, hashlib.sha256)
        return (signed + b"." + part(seal)).decode()

    return make


def other_claims(idp: IdentityProvider) -> str:
    """A token whose claims were changed after it was signed."""
    head, _, seal = idp.token().split(".")
    return ".".join([head, idp.token(sub="mallory").split(".")[1], seal])


def repeated(name: str, value: Any) -> Make:
    """A claim that stands twice: the last one counts."""
    good = {"iss": "https://id.example", "aud": "card-gateway", "sub": "alice", "exp": NOW + 3600}
    text = json.dumps(good)[:-1] + f', "{name}": {json.dumps(value)}}}'
    return payload(text.encode())


NOT_A_JWT = "it is not a JWT, or its header cannot be read"
NO_SIGNATURE = "its signature does not hold"
ALGORITHM = "its algorithm is not accepted"
TYPE = "its type (typ) is not that of an access token"
LACKS = "it lacks one of the claims exp, iss, aud and sub"
UNREADABLE = "its claims cannot be read"
ELSEWHERE = "it is not meant for this gateway"
EARLY = "it is not valid yet"
EXP, NBF, IAT = (
    f"its {name} is not a number of seconds since 1970" for name in ("exp", "nbf", "iat")
)
SUBJECT = "its subject (sub) is not a text with visible characters"
CONTROLS = "its subject (sub) has control characters or lone surrogates"
LONG = "its subject (sub) is longer than 2048 characters"

REFUSED: dict[str, tuple[Make, str]] = {
    "not a token": (lambda _: "canary", NOT_A_JWT),
    "dots alone": (lambda _: "...", NOT_A_JWT),
    "of other characters": (lambda _: "\xe9.\xe9.\xe9", NOT_A_JWT),
    "a no-break space before it": (lambda idp: "\xa0" + idp.token(), NOT_A_JWT),
    "encrypted": (lambda _: "e30.e30.e30.e30.e30", NOT_A_JWT),
    "header is a list": (lambda idp: raw(idp, []), NOT_A_JWT),
    "header is nested": (lambda idp: raw(idp, b'{"a":' + b"[" * 9000), NOT_A_JWT),
    "key id is a number": (header(kid=1), NOT_A_JWT),
    "key id is null": (header(kid=None), NOT_A_JWT),
    "unknown critical header": (header(crit=["exp"], exp=1), NOT_A_JWT),
    "crit is no list": (header(crit="b64"), NOT_A_JWT),
    "payload is not encoded": (header(b64=False, crit=["b64"]), NOT_A_JWT),
    "algorithm none": (forged("none"), ALGORITHM),
    "HS256 with the public key": (forged("HS256"), ALGORITHM),
    "algorithm is a list": (header(alg=["ES256"]), ALGORITHM),
    "without an algorithm": (header(alg=None), ALGORITHM),
    "an identity provider's logout": (header(typ="logout+jwt"), TYPE),
    "type is a number": (header(typ=1), TYPE),
    "another's signature": (lambda idp: idp.token()[:-8] + "AAAAAAAA", NO_SIGNATURE),
    "an empty signature": (lambda idp: idp.token().rpartition(".")[0] + ".", NO_SIGNATURE),
    "changed claims": (other_claims, NO_SIGNATURE),
    "unknown key id": (header(kid="other"), "its key is not known"),
    "algorithm of another type": (header(alg="RS256"), "its key is not known"),
    "half a character as key id": (header(kid=HALF), "its key is not known"),
    "a JWT in a JWT": (lambda idp: payload(idp.token().encode())(idp), UNREADABLE),
    "claims are a list": (payload(b"[]"), UNREADABLE),
    "claims are nested": (payload(b'{"sub":' + b"[" * 9000), UNREADABLE),
    "claims in Latin-1": (payload(b'{"sub": "\xe9"}'), UNREADABLE),
    "expired": (claims(exp=NOW - 60), "it has expired"),
    "exp comes twice": (repeated("exp", NOW - 60), "it has expired"),
    "without exp": (claims(exp=...), LACKS),
    "exp is null": (claims(exp=None), LACKS),
    "exp is text": (claims(exp=str(NOW + 3600)), EXP),
    "exp is other text": (claims(exp="soon"), EXP),
    "exp is a list": (claims(exp=[NOW + 3600]), EXP),
    "exp is NaN": (claims(exp=float("nan")), EXP),
    "exp is infinite": (claims(exp=float("inf")), EXP),
    "exp is huge": (claims(exp=1e300), EXP),
    "exp has 400 digits": (claims(exp=10**400), EXP),
    "exp is true": (claims(exp=True), EXP),
    "not yet valid": (claims(nbf=NOW + 600), EARLY),
    "nbf is text": (claims(nbf=str(NOW - 60)), NBF),
    "nbf is null": (claims(nbf=None), NBF),
    "issued in the future": (claims(iat=NOW + 600), EARLY),
    "iat is text": (claims(iat=str(NOW - 60)), IAT),
    "iat is an object": (claims(iat={}), IAT),
    "wrong audience": (claims(aud="other"), ELSEWHERE),
    "other audiences": (claims(aud=["other", "another"]), ELSEWHERE),
    "audience is a number": (claims(aud=1), ELSEWHERE),
    "no audience": (claims(aud=[]), LACKS),
    "without an audience": (claims(aud=...), LACKS),
    "wrong issuer": (claims(iss="https://other.example"), ELSEWHERE),
    "issuer with a slash": (claims(iss="https://id.example/"), ELSEWHERE),
    "issuer is null": (payload(b'{"iss": null, "aud": "a", "sub": "s", "exp": 1}'), LACKS),
    "without a subject": (claims(sub=...), LACKS),
    "subject is null": (payload(b'{"sub": null, "aud": "a", "iss": "i", "exp": 1}'), LACKS),
    "subject is empty": (claims(sub=""), SUBJECT),
    "subject is blank": (claims(sub=" \u00a0\u3000"), SUBJECT),
    "subject is invisible": (claims(sub="\u200b\u2060"), SUBJECT),
    "subject is a filler": (claims(sub="\u3164\u115f"), SUBJECT),
    "subject is a variation selector": (claims(sub="\ufe0f"), SUBJECT),
    "subject is a blank of Braille": (claims(sub="\u2800"), SUBJECT),
    "subject is a number": (repeated("sub", 7), SUBJECT),
    "subject is a list": (repeated("sub", ["alice"]), SUBJECT),
    "subject is true": (repeated("sub", True), SUBJECT),
    "subject has a line break": (claims(sub="alice\nadmin"), CONTROLS),
    "subject has a null": (claims(sub="alice\x00"), CONTROLS),
    "subject has half a character": (claims(sub=f"alice{HALF}"), CONTROLS),
    "subject has a line separator": (claims(sub="alice\u2028"), CONTROLS),
    "subject is long": (claims(sub="a" * 2049), LONG),
}


@pytest.fixture
async def source(idp: IdentityProvider) -> AsyncIterator[KeySource]:
    """The keys of the identity provider, and the verifier behind them."""
    source = KeySource(idp)
    yield source
    await source.keys.aclose()


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_is_refused(source: KeySource, name: str) -> None:
    """It is 401 with WWW-Authenticate and without a word of the token, and it is known why."""
    make, reason = REFUSED[name]
    with pytest.raises(NotAuthenticated) as caught:
        await source.present(make(source.idp))
    assert caught.value.reason == reason
    answer = error_response(caught.value)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    [error] = json.loads(bytes(answer.body))["errors"]
    assert error["extensions"]["code"] == "NOT_AUTHENTICATED"
    assert error["message"] == f"The access token is refused: {reason}."


@pytest.mark.parametrize("name", ["not a token", "unknown key id", "half a character as key id"])
async def test_a_refusal_is_told(idp: IdentityProvider, name: str) -> None:
    """Nothing is read or sent for a token that is refused, and the log says why, for which key, and
    from which address."""
    make, reason = REFUSED[name]
    told: list[Any] = []
    async with running(sinks=[told.append], **idp.settings()) as stack:
        answer = await stack.post(ISSUE, issue_input(), Authorization=f"Bearer {make(idp)}")
        assert not stack.wire.exchanges
    assert answer.status_code == 401
    assert "canary" not in answer.text
    [refused] = [event for event in told if isinstance(event, CallerRefused)]
    assert (refused.code, refused.reason) == ("NOT_AUTHENTICATED", reason)
    assert refused.peer == "127.0.0.1"
    assert refused.key_id in {None, "other", "(not shown)"}


ACCEPTED: dict[str, Make] = {
    "several audiences": claims(aud=["other", "card-gateway"]),
    "exp is no whole number": claims(exp=NOW + 3600.5),
    "exp in exponents": payload(
        b'{"iss": "https://id.example", "aud": "card-gateway", "sub": "alice", "exp": 2.5e9,'
        b' "scope": "cards:read", "accounts": "*"}'
    ),
    "within the leeway": lambda idp: idp.token(
        exp=int(time.time()) - 3, nbf=int(time.time()) + 5, iat=int(time.time()) + 5
    ),
    "an access token by its type": header(typ="at+jwt"),
    "its type in full": header(typ="application/at+jwt"),
    "its type in capitals": header(typ="AT+JWT"),
    "without a type": header(typ=None),
    "an unknown header": header(x5t="x", jku="https://attacker.example", nested={"a": []}),
    "a subject of 2048 characters": claims(sub="a" * 2048),
    "a subject of any script": claims(sub="Ünïcødé 花子 👩‍👩‍👧"),
    "a subject of characters that are not known": claims(sub="\u0378\ue000\U0001e6c0"),
    "scope is null beside scp": claims(scope=None, scp=["cards:read"]),
    "scope is empty beside scp": claims(scope="", scp="cards:read cards:issue"),
    "scope is blank beside scp": claims(scope=" ", scp="cards:read"),
    "scope is a number beside scp": claims(scope=1, scp="cards:read"),
    "scope without scp": claims(scope="cards:read", scp=None),
    "scope as a list": claims(scope=["cards:read", None, HALF]),
    "half characters elsewhere": claims(
        scope=f"cards:read {HALF}", jti=HALF, accounts=[HALF], **{HALF: HALF}
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_a_token_that_is_odd_and_good(source: KeySource, name: str) -> None:
    """It is let in, and its scope holds."""
    caller = await source.verifier.identify(f"Bearer {ACCEPTED[name](source.idp)}")
    caller.require("cards:read")


async def test_half_characters_break_no_answer(idp: IdentityProvider) -> None:
    """Half a character in any claim but the subject leads to answers as any other text does."""
    make = ACCEPTED["half characters elsewhere"]
    async with running(**idp.settings()) as stack:
        for query in (CARD, ISSUE):
            variables = issue_input() | {"id": "123e4567-e89b-12d3-a456-426614174000"}
            answer = await stack.post(query, variables, Authorization=f"Bearer {make(idp)}")
            assert answer.status_code == 200


@pytest.mark.parametrize("second", ["canary", "Basic YTpi", ""])
async def test_two_authorization_headers(idp: IdentityProvider, second: str) -> None:
    """Nobody is let in by one of two, in whatever order they come: a proxy may have looked at the
    other one."""
    good = f"Bearer {idp.token()}"
    async with running(**idp.settings()) as stack:
        for given in ([good, second], [second, good], [good, good]):
            headers = [("Authorization", value) for value in given]
            answer = await stack.client.post(
                "/graphql", json={"query": "{__typename}"}, headers=headers
            )
            assert answer.status_code == 401


NO_BEARER = "the Authorization header is not of the form Bearer <token>"


@pytest.mark.parametrize(
    "given",
    ["Basic YTpi", "Bearer", "Bearer ", "canary", "", "\xff\xfe \xed", "Bearer a, Bearer b"],
)
async def test_without_a_bearer_token(source: KeySource, given: str) -> None:
    """Another scheme, or no token, is refused, and the log says which of the two."""
    with pytest.raises(NotAuthenticated) as caught:
        await source.verifier.identify(given)
    assert caught.value.reason == NO_BEARER
    with pytest.raises(NotAuthenticated) as caught:
        await source.verifier.identify(None)
    assert caught.value.reason == "no token"


@pytest.mark.parametrize(
    ("key_id", "shown"),
    [
        ("3f/+A=:~", "3f/+A=:~"),
        ("k" * 64, "k" * 64),
        ("k" * 65, "(not shown)"),
        ("a\nb", "(not shown)"),
        ("a b", "(not shown)"),
        ("é", "(not shown)"),
        ("", "(not shown)"),
        ("4111-1111/1111:1111", "(not shown)"),
        ("4111....1111....1111....1111", "(not shown)"),
        ("12-4111111111111111", "(not shown)"),
        ("41111111111111110228123", "(not shown)"),
    ],
)
def test_a_key_id_cannot_forge_a_log_line(key_id: str, shown: str) -> None:
    """Long ids, those with anything but printable ASCII, and card numbers are not shown."""
    assert loggable(key_id) == shown


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("2001:41:8000:4032:1:5:7:9", "2001:41:8000:4032:1:5:7:9"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("4111111111111111", "(not shown)"),
        ("a b", "(not shown)"),
        (None, None),
    ],
)
def test_the_address_of_a_peer_is_shown(peer: str | None, shown: str | None) -> None:
    """An IP address is logged whatever its digits are; another text of a server as a key id is."""
    assert loggable_address(peer) == shown


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.just("ES256") | ANY}, optional=dict.fromkeys(("typ", "kid", "crit", "b64"), ANY)
)
CLAIMS = st.fixed_dictionaries(
    {
        "iss": st.just("https://id.example") | ANY,
        "aud": st.just("card-gateway") | ANY,
        "sub": st.just("alice") | ANY,
        "exp": st.just(NOW + 3600) | ANY,
    },
    optional=dict.fromkeys(("nbf", "iat", "jti", "scope", "scp", "accounts"), ANY),
)


@pytest.fixture(scope="module")
def one_idp(tmp_path_factory: pytest.TempPathFactory) -> IdentityProvider:
    """An identity provider for all examples of a property."""
    return IdentityProvider(tmp_path_factory.mktemp("idp"))


@settings(max_examples=examples(0.1))
@given(named=HEADERS, content=CLAIMS)
def test_whatever_a_token_holds(one_idp: IdentityProvider, named: Any, content: Any) -> None:
    """A token that is signed well leads to a caller with a subject, or is refused; nothing else."""
    token = raw(one_idp, {"kid": "ec-1"} | named, json.dumps(content).encode())

    async def present() -> str:
        source = KeySource(one_idp)
        try:
            return await source.present(token)
        except NotAuthenticated as error:
            return error.message
        finally:
            await source.keys.aclose()

    assert asyncio.run(present()).encode().strip()
