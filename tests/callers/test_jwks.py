"""The identity provider's keys: who waits for them, how often they are fetched, which ones hold."""

import asyncio
import base64
import json
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import InsecureKeyLengthWarning
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.callers.jwks import CACHE_LIFE, LEAST_INTERVAL, LONGEST_LIFE
from gateway.errors import IdentityUnavailable, NotAuthenticated
from gateway.events import IdentityKeyRefused, IdentityKeysUnavailable
from tests.callers.key_source import KeySource
from tests.tokens import IdentityProvider
from tests.waiting import until


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[KeySource]:
    """The keys of an identity provider with one EC key."""
    source = KeySource(IdentityProvider(tmp_path))
    yield source
    await source.keys.aclose()


def new_key() -> Any:
    """An EC key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


async def refusal(source: KeySource, token: str) -> str:
    """Why a token is refused, or with ``unavailable`` that this cannot be told now."""
    try:
        await source.present(token)
    except NotAuthenticated as error:
        return error.reason
    except IdentityUnavailable as error:
        in_time = 1 <= (error.retry_after or 0) <= LEAST_INTERVAL
        return "unavailable" if error.retryable and in_time else repr(error)
    return "let in"


async def test_callers_share_one_fetch(source: KeySource) -> None:
    """Any number of callers wait for one fetch, and the keys are kept for five minutes."""
    assert await asyncio.gather(*(source.identify() for _ in range(20))) == ["alice"] * 20
    source.time = CACHE_LIFE
    assert await source.identify() == "alice"
    assert source.fetches == 1


async def test_nobody_waits_for_keys_to_be_fetched_anew(source: KeySource) -> None:
    """Keys that have aged serve on while new ones are fetched, by one fetch."""
    await source.identify()
    source.time = CACHE_LIFE + 1
    source.open.clear()
    assert await asyncio.gather(*(source.identify() for _ in range(5))) == ["alice"] * 5
    await until("the keys are fetched anew", lambda: source.fetches == 2)


@pytest.mark.parametrize("key_id", ["ec-1", "ec-2"])
async def test_a_new_key_is_found_at_once(source: KeySource, key_id: str) -> None:
    """A key that was published a moment ago is fetched, under an old id and under a new one; all
    callers who have tokens of it wait for one fetch."""
    await source.identify()
    source.idp.add(key_id, new_key())
    tokens = [source.idp.token(key_id, sub=f"caller-{number}") for number in range(10)]
    found = await asyncio.gather(*map(source.present, tokens))
    assert found == [f"caller-{number}" for number in range(10)]
    assert source.fetches == 2


async def test_made_up_ids_cause_one_fetch_in_each_interval(source: KeySource) -> None:
    """The token that causes the fetch is refused after it; those that come later are told when to
    come back, and are then refused by what was fetched meanwhile."""
    await source.identify()
    first, *others = [source.idp.token(headers={"kid": f"made-up-{n}"}) for n in range(50)]
    assert await refusal(source, first) == "its key is not known"
    answers = await asyncio.gather(*(refusal(source, token) for token in others))
    assert set(answers) == {"unavailable"}
    assert source.fetches == 2
    source.time += LEAST_INTERVAL
    for token in [first, *others]:
        assert await refusal(source, token) == "its key is not known"
    assert source.fetches == 3


async def test_a_refused_token_is_looked_for_again(source: KeySource) -> None:
    """A token whose key was not published yet is let in once it is, although it was refused."""
    await source.identify()
    source.idp.keys["ec-2"] = new_key()
    token = source.idp.token("ec-2")
    assert await refusal(source, token) == "its key is not known"
    source.idp.publish()
    source.time += LEAST_INTERVAL
    assert await refusal(source, token) == "let in"


async def test_forged_signatures_are_refused_at_once(source: KeySource) -> None:
    """Tokens that name a listed key and are not signed by it are refused, however many come; they
    cause one fetch in each interval."""
    await source.identify()
    forged = [
        source.idp.signed(EC, "ES256", headers={"kid": "ec-1"}, sub=f"mallory-{number}")
        for number in range(20)
    ]
    answers = await asyncio.gather(*(refusal(source, token) for token in forged[:10]))
    answers += [await refusal(source, token) for token in forged[10:]]
    assert set(answers) == {"its signature does not hold"}
    assert source.fetches == 2
    source.time += LEAST_INTERVAL
    assert await refusal(source, forged[0]) == "its signature does not hold"
    assert source.fetches == 3


async def test_what_no_key_could_help_causes_no_fetch(source: KeySource) -> None:
    """A token that has expired is refused at once, whatever its key is."""
    await source.identify()
    token = source.idp.token(headers={"kid": "made-up"}, exp=1)
    assert await refusal(source, token) == "it has expired"
    assert source.fetches == 1


async def test_a_key_that_is_published_within_the_interval_loses_nobody(source: KeySource) -> None:
    """A token of a key that is published just after a fetch is not refused, and is then let in."""
    await source.identify()
    await refusal(source, source.idp.token(headers={"kid": "made-up"}))
    source.idp.add("ec-2", new_key())
    token = source.idp.token("ec-2")
    assert await refusal(source, token) == "unavailable"
    source.time += LEAST_INTERVAL
    assert await refusal(source, token) == "let in"


async def test_known_callers_do_not_wait_for_others(source: KeySource) -> None:
    """While a fetch that a made-up id caused hangs, callers of known keys are let in."""
    await source.identify()
    source.open.clear()
    unknown = asyncio.create_task(refusal(source, source.idp.token(headers={"kid": "x"})))
    await until("the key is looked for", lambda: source.fetches == 2)
    assert await source.identify() == "alice"
    assert not unknown.done()
    source.open.set()
    assert await unknown == "its key is not known"


async def test_a_caller_who_leaves_does_not_end_the_fetch(source: KeySource) -> None:
    """The fetch that callers share goes on when the one who caused it is cancelled."""
    source.open.clear()
    first = asyncio.create_task(source.identify())
    await until("the keys are fetched", lambda: source.fetches == 1)
    second = asyncio.create_task(source.identify())
    await asyncio.sleep(0)
    first.cancel()
    source.open.set()
    assert await second == "alice"
    assert source.fetches == 1


async def test_a_fetch_that_began_before_a_token_came_does_not_refuse_it(source: KeySource) -> None:
    """Keys that were on their way when a token came may be older than its key: one more fetch."""
    source.open.clear()
    first = asyncio.create_task(source.identify())
    await until("the keys are fetched", lambda: source.fetches == 1)
    old = source.idp.file.read_bytes()
    source.idp.add("ec-2", new_key())
    source.answer = old
    second = asyncio.create_task(source.identify("ec-2"))
    await asyncio.sleep(0)
    source.open.set()
    await first
    source.answer = None
    assert await second == "alice"
    assert source.fetches == 2


TROUBLE: dict[str, bytes | Exception] = {
    "the connection fails": OSError("gone"),
    "it takes too long": TimeoutError(),
    "an HTML page": b"<html>",
    "Latin-1": b'{"keys": ["\xe9"]}',
    "nested too deeply": b"[" * 200_000,
    "nothing": b"",
    "no keys": b'{"keys": []}',
    "null": b'{"keys": null}',
    "a list": b"[]",
    "no usable key": b'{"keys": [{"kty": "EC"}, 1, null]}',
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_trouble_with_the_source_refuses_nobody(source: KeySource, trouble: str) -> None:
    """Without keys, and for a token of an unknown key, the answer is to try again; callers whose
    keys are held go on; and the source is not asked again before the interval is over."""
    source.answer = TROUBLE[trouble]
    assert await refusal(source, source.idp.token()) == "unavailable"
    assert await refusal(source, source.idp.token()) == "unavailable"
    assert source.fetches == 1
    source.answer, source.time = None, LEAST_INTERVAL
    assert await refusal(source, source.idp.token()) == "let in"
    source.answer = TROUBLE[trouble]
    unknown = source.idp.token(headers={"kid": "unknown"})
    assert [await refusal(source, unknown) for _ in range(3)] == ["unavailable"] * 3
    assert await source.identify() == "alice"
    assert source.fetches == 3
    assert [event.kept for event in source.of(IdentityKeysUnavailable)] == [0, 1]


@pytest.mark.parametrize("asked", [[], [3590.0], [301.0, 900.0, 3300.0, 3599.0]])
async def test_no_key_serves_longer_than_an_hour(source: KeySource, asked: list[float]) -> None:
    """While the source is broken keys serve for an hour and not for a second more, whether or not
    somebody asked for them shortly before; once it works again they are had anew."""
    await source.identify()
    source.answer = OSError("gone")
    for moment in [*asked, LONGEST_LIFE]:
        source.time = moment
        assert await source.identify() == "alice"
    source.time = LONGEST_LIFE + 0.1
    for key_id in ("ec-1", ..., "other"):
        token = source.idp.token(headers={"kid": key_id})
        assert await refusal(source, token) == "unavailable"
    source.answer, source.time = None, LONGEST_LIFE + LEAST_INTERVAL + 1
    assert await source.identify() == "alice"


async def test_the_hour_counts_from_when_keys_were_asked_for(source: KeySource) -> None:
    """Keys that took a while to arrive are as old as the request for them."""
    source.open.clear()
    first = asyncio.create_task(source.identify())
    await until("the keys are fetched", lambda: source.fetches == 1)
    source.time = 4
    source.open.set()
    await first
    source.answer, source.time = OSError("gone"), LONGEST_LIFE + 1
    assert await refusal(source, source.idp.token()) == "unavailable"


def jwk(algorithm: Any, key: Any, **members: Any) -> dict[str, Any]:
    """The public part of a key as a JWKS lists it; a member that is ... is left out."""
    listed = {**algorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig"} | members
    return {name: value for name, value in listed.items() if value is not ...}


async def test_one_id_for_two_types_of_keys(source: KeySource) -> None:
    """An RSA and an EC key may have the same id: the token's algorithm tells them apart."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    source.idp.publish(jwk(RSAAlgorithm, key, kid="ec-1", key_ops=...))
    assert await source.identify() == "alice"
    token = source.idp.signed(key, "RS256", headers={"kid": "ec-1"})
    assert await source.present(token) == "alice"


async def test_two_keys_of_one_type_with_one_id(source: KeySource) -> None:
    """Both are tried, in whatever order they are listed."""
    key = new_key()
    source.idp.publish(jwk(ECAlgorithm, key, kid="ec-1"))
    assert await source.identify() == "alice"
    assert await source.present(source.idp.signed(key, "ES256", headers={"kid": "ec-1"})) == "alice"


@pytest.mark.parametrize(
    ("algorithm", "reader", "key"),
    [
        ("ES384", ECAlgorithm, ec.generate_private_key(ec.SECP384R1())),
        ("ES512", ECAlgorithm, ec.generate_private_key(ec.SECP521R1())),
        ("EdDSA", OKPAlgorithm, ed25519.Ed25519PrivateKey.generate()),
        ("PS256", RSAAlgorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ],
)
async def test_keys_of_each_type_prove_tokens(
    source: KeySource, algorithm: str, reader: Any, key: Any
) -> None:
    """Elliptic curves, RSA in both forms and Edwards curves are accepted."""
    source.idp.publish(jwk(reader, key, kid="other", key_ops=["verify"]))
    assert (
        await source.present(source.idp.signed(key, algorithm, headers={"kid": "other"})) == "alice"
    )


@pytest.mark.parametrize(("keys", "answer"), [(5, "let in"), (6, "too many keys fit")])
async def test_a_token_without_key_id(source: KeySource, keys: int, answer: str) -> None:
    """Without a key id all keys of the algorithm are tried, where they are five at most."""
    for number in range(2, keys + 1):
        source.idp.add(f"ec-{number}", new_key())
    source.idp.publish(
        jwk(RSAAlgorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    )
    for key_id in ("ec-1", f"ec-{keys}"):
        seen = await refusal(source, source.idp.token(key_id, headers={"kid": ...}))
        assert seen.endswith(answer)


async def test_a_set_of_many_keys_holds_nobody_up(source: KeySource) -> None:
    """While a JWKS as large as may be is read, others go on; of its refused keys 100 are told."""
    await source.identify()
    refused = [{"kid": str(number)} for number in range(50_000)]
    source.answer = json.dumps({"keys": refused}).encode()
    source.time, turns = CACHE_LIFE + 1, 0
    await source.identify()
    while not source.of(IdentityKeysUnavailable):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100  # in one turn, and a few around it, where it holds up the event loop
    assert len(source.of(IdentityKeyRefused)) == 100


EC, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - refused for it
P384 = ec.generate_private_key(ec.SECP384R1())
Listed = Callable[[], dict[str, Any]]
UNUSABLE: dict[str, tuple[str, Any, Listed, str]] = {
    "RSA of 1024 bits": ("RS256", SMALL, lambda: jwk(RSAAlgorithm, SMALL), "fewer than 2048"),
    "for encryption": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, use="enc"), "use is not sig"),
    "use is a list": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, use=["sig"]), "use is not sig"),
    "not to verify": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, key_ops=["sign"]), "key_ops"),
    "key_ops is text": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, key_ops="verify"), "key_ops"),
    "of a symmetric type": (
        "ES256",
        EC,
        lambda: {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
        "type (kty)",
    ),
    "algorithm of another type": (
        "ES256",
        EC,
        lambda: jwk(ECAlgorithm, EC, alg="RS256"),
        "algorithm (alg)",
    ),
    "algorithm of another curve": (
        "ES256",
        EC,
        lambda: jwk(ECAlgorithm, EC, alg="ES384"),
        "algorithm (alg)",
    ),
    "an algorithm with a shared secret": (
        "RS256",
        RSA,
        lambda: jwk(RSAAlgorithm, RSA, alg="HS256", key_ops=...),
        "algorithm (alg)",
    ),
    "an algorithm to encrypt": (
        "RS256",
        RSA,
        lambda: jwk(RSAAlgorithm, RSA, alg="RSA-OAEP", key_ops=...),
        "algorithm (alg)",
    ),
    "a curve of bitcoins": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, crv="secp256k1"), "curve"),
    "a point that is not on the curve": (
        "ES256",
        EC,
        lambda: jwk(ECAlgorithm, EC, x=jwk(ECAlgorithm, EC)["y"]),
        "cannot be read",
    ),
    "a number for text": ("ES256", EC, lambda: jwk(ECAlgorithm, EC, x=1), "cannot be read"),
    "a private key": (
        "ES256",
        EC,
        lambda: ECAlgorithm.to_jwk(EC, as_dict=True),
        "private key",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_key_that_may_not_prove_tokens(source: KeySource, name: str) -> None:
    """Such a key proves nothing, is told once and with the reason, and the good ones serve."""
    algorithm, key, listed, reason = UNUSABLE[name]
    source.idp.publish({**listed(), "kid": "bad"}, {**listed(), "kid": "bad\n"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        token = source.idp.signed(key, algorithm, headers={"kid": "bad"})
    assert await refusal(source, token) == "its key is not known"
    assert await source.identify() == "alice"
    source.time = CACHE_LIFE + 1
    await source.identify()
    await until("the keys are fetched anew", lambda: source.keys.condition()["state"] == "fresh")
    told = source.of(IdentityKeyRefused)
    assert [event.key_id for event in told] == ["bad", "(not shown)"]
    assert all(reason in event.reason for event in told)


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [("RS512", {"alg": "RS256"}), ("PS256", {"alg": "RS256"}), ("ES256", {"kid": "rsa"})],
)
async def test_a_key_proves_tokens_of_its_own_algorithm_only(
    source: KeySource, algorithm: str, members: Any
) -> None:
    """A key that names its algorithm is not used for another one, nor for another type."""
    key = EC if algorithm == "ES256" else RSA
    source.idp.publish(jwk(RSAAlgorithm, RSA, kid="rsa", key_ops=...) | members)
    token = source.idp.signed(key, algorithm, headers={"kid": "rsa"})
    assert await refusal(source, token) == "its key is not known"


async def test_a_token_of_the_wrong_curve(source: KeySource) -> None:
    """ES256 needs a key on P-256, and no key on P-384 is tried for it."""
    source.idp.publish(jwk(ECAlgorithm, P384, kid="p384"))
    token = source.idp.token(headers={"kid": "p384"})
    assert await refusal(source, token) == "its key is not known"


async def test_a_replaced_file_is_read_in_time(source: KeySource) -> None:
    """Nobody has to ask for it: what has aged is fetched anew in the background."""
    await source.identify()
    source.idp.file.write_text(json.dumps({"keys": [jwk(ECAlgorithm, EC, kid="new")]}))
    source.time = CACHE_LIFE + 1
    source.keys.start()
    await until("the file is read", lambda: source.keys.condition()["state"] == "fresh")
    token = source.idp.signed(EC, "ES256", headers={"kid": "new"})
    assert await source.present(token) == "alice"
    assert await refusal(source, source.idp.token()) != "let in"
