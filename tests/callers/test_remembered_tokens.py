"""Tokens that are remembered: a second look says what a verification at that moment would say."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.callers import Caller, RememberedTokens, TokenVerifier
from gateway.callers.jwks import CACHE_LIFE, LEAST_INTERVAL, LONGEST_LIFE
from gateway.callers.remembered_tokens import Identity
from gateway.callers.validity import Validity
from gateway.errors import IdentityUnavailable, NotAuthenticated
from gateway.events import IdentityKeysUnavailable
from tests.callers.key_source import RULES, KeySource
from tests.examples import examples
from tests.tokens import IdentityProvider
from tests.waiting import until, waiting_for

NOW = 1_800_000_000.0
LEEWAY = RULES.leeway


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[KeySource]:
    """An identity provider with two EC keys, at a time that the test moves."""
    idp = IdentityProvider(tmp_path)
    idp.add("ec-2", ec.generate_private_key(ec.SECP256R1()))
    source = KeySource(idp)
    set_wall(source, NOW)
    yield source
    await source.keys.aclose()


def set_wall(source: KeySource, seconds: float) -> None:
    """Set the clock that tokens are dated by."""
    source.now = lambda: seconds


async def outcome(verifier: TokenVerifier, token: str) -> Caller | str:
    """The caller, or why there is none."""
    try:
        return await verifier.identify(f"Bearer {token}")
    except NotAuthenticated as error:
        return error.reason
    except IdentityUnavailable:
        return "unavailable"


async def is_remembered(source: KeySource, token: str) -> bool:
    """Whether a token that is let in is let in without a verification."""
    before = source.read
    assert await source.present(token) == "alice"
    return source.read == before


async def fetched_anew(source: KeySource, token: str) -> None:
    """Let the keys age, so that the next token has them fetched, and wait for that."""
    source.time += CACHE_LIFE + 1
    await source.present(token)
    await until("the keys are fetched", lambda: source.keys.age == 0)


async def test_a_token_is_verified_once(source: KeySource) -> None:
    """A token that comes again is not verified again, whoever asks at the same time."""
    token = source.idp.token(exp=NOW + 60)
    assert not await is_remembered(source, token)
    assert await is_remembered(source, token)
    before = source.read
    assert await asyncio.gather(*(source.present(token) for _ in range(20))) == ["alice"] * 20
    assert source.read == before
    assert len(source.remembered) == 1


async def test_callers_at_once_are_told_apart(source: KeySource) -> None:
    """Tokens that wait for the keys together, some of them equal, lead each to its own caller."""
    names = [f"caller {number % 7}" for number in range(28)]
    tokens = {name: source.idp.token(sub=name, exp=NOW + 60) for name in names}
    for _ in range(2):
        found = await asyncio.gather(*(source.present(tokens[name]) for name in names))
        assert found == names
    assert len(source.remembered) == 7


async def test_a_key_that_is_removed(source: KeySource) -> None:
    """From the fetch on that brings the keys without it, its tokens are refused, and others not."""
    gone, good = (source.idp.token(key_id, exp=NOW + 9999) for key_id in ("ec-1", "ec-2"))
    assert not await is_remembered(source, gone)
    assert not await is_remembered(source, good)
    del source.idp.keys["ec-1"]
    source.idp.publish()
    assert await is_remembered(source, gone)  # as a fresh one is let in: nobody has heard of it
    await fetched_anew(source, good)
    assert await outcome(source.verifier, gone) == "its key is not known"
    assert not await is_remembered(source, good)
    assert await is_remembered(source, good)


async def test_a_key_that_is_replaced_under_its_id(source: KeySource) -> None:
    """A token of the key before is refused, although the id is still there."""
    old = source.idp.token(exp=NOW + 9999)
    assert not await is_remembered(source, old)
    source.idp.add("ec-1", ec.generate_private_key(ec.SECP256R1()))
    await fetched_anew(source, old)
    assert await outcome(source.verifier, old) == "its signature does not hold"


async def test_a_key_that_may_no_longer_prove_tokens(source: KeySource) -> None:
    """A key that is published for another use from now on proves nothing that is remembered."""
    token = source.idp.token(exp=NOW + 9999)
    assert not await is_remembered(source, token)
    source.answer = source.idp.file.read_bytes().replace(b'"sig"', b'"enc"', 1)
    await fetched_anew(source, token)
    assert await outcome(source.verifier, token) == "its key is not known"


async def test_the_same_keys_fetched_anew(source: KeySource) -> None:
    """Nothing is verified again where a fetch brings what is held."""
    token = source.idp.token(exp=NOW + 9999)
    assert not await is_remembered(source, token)
    await fetched_anew(source, token)
    assert await is_remembered(source, token)
    assert source.fetches == 2


async def test_a_token_that_is_remembered_has_old_keys_fetched(source: KeySource) -> None:
    """A removed key would otherwise serve on for as long as its tokens alone are presented."""
    token = source.idp.token(exp=NOW + 9999)
    assert not await is_remembered(source, token)
    source.time += CACHE_LIFE + 1
    assert await is_remembered(source, token)
    await until("the keys are fetched", lambda: source.fetches == 2)


async def test_keys_that_are_too_old_prove_nothing(source: KeySource) -> None:
    """While the source is broken, a remembered token is let in for an hour and no longer; when it
    works again, at once."""
    token = source.idp.token(exp=NOW + 9999)
    assert not await is_remembered(source, token)
    source.answer = OSError("gone")
    source.time = LONGEST_LIFE
    assert await is_remembered(source, token)
    source.time = LONGEST_LIFE + 0.1
    assert await outcome(source.verifier, token) == "unavailable"
    source.answer, source.time = None, LONGEST_LIFE + LEAST_INTERVAL + 1
    assert await source.present(token) == "alice"


EXPIRED, EARLY = "it has expired", "it is not valid yet"


@pytest.mark.parametrize(
    ("claims", "last", "first_refused", "reason"),
    [
        ({"exp": NOW + 60}, NOW + 60 + LEEWAY - 0.001, NOW + 60 + LEEWAY, EXPIRED),
        ({"exp": NOW + 60.9}, NOW + 60 + LEEWAY - 0.001, NOW + 60 + LEEWAY, EXPIRED),
        ({"exp": NOW + 60, "nbf": NOW}, NOW - LEEWAY, NOW - LEEWAY - 0.001, EARLY),
        ({"exp": NOW + 60, "iat": NOW}, NOW - LEEWAY, NOW - LEEWAY - 0.001, EARLY),
        ({"exp": NOW + 60, "iat": NOW, "nbf": NOW - 9}, NOW - LEEWAY, NOW - LEEWAY - 0.001, EARLY),
    ],
)
async def test_to_the_moment(
    source: KeySource, claims: dict[str, Any], last: float, first_refused: float, reason: str
) -> None:
    """The dates of a remembered token are compared anew, with the leeway, and as for a fresh one;
    a clock that was wrong for a while has no effect on what is said when it is right."""
    token = source.idp.token(**claims)
    fresh = source.verifier_with(RememberedTokens(most=0))
    assert not await is_remembered(source, token)
    for moment, expected in [(last, "alice"), (first_refused, reason)] * 2:
        set_wall(source, moment)
        for verifier in (source.verifier, fresh):
            said = await outcome(verifier, token)
            assert (said.id if isinstance(said, Caller) else said) == expected
    set_wall(source, last)
    assert await is_remembered(source, token)


def last_bits(token: str) -> str:
    """Another text of the same signature: Base64's last character has bits that are not used."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    head, seal = token[:-1], token.rpartition(".")[2]
    other = head + alphabet[alphabet.index(token[-1]) ^ 1]
    decoded = [base64.urlsafe_b64decode(text + "==") for text in (seal, other.rpartition(".")[2])]
    assert decoded[0] == decoded[1]
    return other


OTHER_TEXTS: dict[str, Callable[[str], str]] = {
    "another case": str.swapcase,
    "its signature in another case": lambda text: text[:-86] + text[-86:].swapcase(),
    "a letter less": lambda text: text[:-1],
    "a dot more": lambda text: text + ".",
    "a blank in it": lambda text: text.replace(".", " .", 1),
    "a no-break space before it": lambda text: "\xa0" + text,
    "a line break after it": lambda text: text + "\n",
    "padding": lambda text: text + "==",
    "the claims of another": lambda text: text.replace(".e", ".f", 1),
    "unused bits": last_bits,
}


@pytest.mark.parametrize("name", OTHER_TEXTS)
async def test_a_text_that_is_nearly_the_same(source: KeySource, name: str) -> None:
    """It is a token of its own: what is said of it is what is said where nothing is remembered."""
    token = source.idp.token(exp=NOW + 60)
    assert not await is_remembered(source, token)
    other = OTHER_TEXTS[name](token)
    fresh = source.verifier_with(RememberedTokens(most=0))
    before = source.read
    said = await outcome(source.verifier, other)
    assert said == await outcome(fresh, other)
    assert isinstance(said, str) or source.read == before + 2


async def test_blanks_around_a_token(source: KeySource) -> None:
    """They are none of its text, and neither is the scheme's case."""
    token = source.idp.token(exp=NOW + 60)
    assert not await is_remembered(source, token)
    before = source.read
    for header in (f"bearer {token}", f"BEARER  \t{token} "):
        assert (await source.verifier.identify(header)).id == "alice"
    assert source.read == before
    with pytest.raises(NotAuthenticated):
        await source.verifier.identify(f"Basic {token}")


async def test_a_refusal_is_not_remembered(source: KeySource) -> None:
    """A token that comes too early is let in when its time has come; nothing of it was kept."""
    token = source.idp.token(nbf=NOW + 60, exp=NOW + 120)
    assert await outcome(source.verifier, token) == EARLY
    assert await outcome(source.verifier, token[:-8] + "AAAAAAAA") == EARLY
    assert len(source.remembered) == 0
    set_wall(source, NOW + 60)
    assert await source.present(token) == "alice"
    assert await outcome(source.verifier, token[:-8] + "AAAAAAAA") == "its signature does not hold"
    assert len(source.remembered) == 1


def identity(subject: str = "alice", accounts: int = 0) -> Identity:
    """What might have been proved."""
    caller = Caller(subject, subject, frozenset(), frozenset(uuid4() for _ in range(accounts)))
    return Identity(caller, Validity(0, 1), b"keys")


def test_no_more_than_so_many_tokens_are_remembered() -> None:
    """The one that was used least lately is dropped."""
    remembered = RememberedTokens(most=3)
    for token in ("a", "b", "c"):
        remembered.keep(token, identity(token))
    assert remembered.find("a") is not None
    remembered.keep("d", identity("d"))
    kept = [token for token in "abcd" if remembered.find(token) is not None]
    assert kept == ["a", "c", "d"]


def test_no_more_than_so_many_bytes_are_remembered() -> None:
    """Callers of many accounts take more room, one that is remembered anew takes it once, and one
    that takes more than there is is not remembered."""
    remembered = RememberedTokens(most_bytes=100_000)
    for number in range(100):
        remembered.keep("same", identity(accounts=50))
        remembered.keep(str(number), identity(accounts=50))
        assert remembered.size <= 100_000
    assert 5 < len(remembered) < 20
    remembered.keep("large", identity(accounts=2000))
    assert (len(remembered), remembered.size) == (0, 0)


async def test_a_token_that_was_dropped_is_verified_again(source: KeySource) -> None:
    """Who has more tokens than are remembered costs others a verification, and nothing else."""
    source.verifier = source.verifier_with(RememberedTokens(most=2))
    token = source.idp.token(exp=NOW + 60)
    assert not await is_remembered(source, token)
    for number in range(3):
        await source.present(source.idp.token(exp=NOW + 60, jti=str(number)))
    assert not await is_remembered(source, token)
    assert await is_remembered(source, token)


class Histories:
    """Keys, tokens and sets of keys for all examples of the property."""

    def __init__(self, folder: Path) -> None:
        self.idp = IdentityProvider(folder)
        first = self.idp.keys["ec-1"]
        second, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.sets = [
            self._published(**keys)
            for keys in ({"ec-1": first}, {"ec-1": first, "ec-2": second}, {"ec-2": second})
        ]
        self.sets += [self._published(**{"ec-1": other}), self._published(**{"ec-2": first})]
        self.tokens = [
            self.idp.signed(key, "ES256", headers={"kid": key_id}, sub=str(number), **claims)
            for number, claims in enumerate(
                [{"exp": NOW + 20}, {"exp": NOW + 9999}, {"exp": NOW + 40, "nbf": NOW + 15}]
            )
            for key, key_id in [(first, "ec-1"), (second, "ec-2"), (first, ...), (other, "ec-1")]
        ]

    def _published(self, **keys: Any) -> bytes:
        self.idp.keys = keys
        self.idp.publish()
        return self.idp.file.read_bytes()


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    """One for all examples."""
    return Histories(tmp_path_factory.mktemp("idp"))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("token"), st.integers(0, 11)),
        st.tuples(st.just("token"), st.integers(0, 3)),
        st.tuples(st.just("wall"), st.sampled_from([-30, -1, -0.5, 0.5, 1, 5, 10, 15])),
        st.tuples(st.just("clock"), st.sampled_from([1, 10.5, CACHE_LIFE + 1, LONGEST_LIFE])),
        st.tuples(st.just("keys"), st.integers(0, 5)),
    ),
    max_size=40,
)


@settings(max_examples=examples(1))
@given(steps=STEPS)
def test_whatever_happens(histories: Histories, steps: list[tuple[str, Any]]) -> None:
    """With tokens that are remembered the same is said as without, whatever the clocks do and
    whichever keys are published, and whether they can be fetched or not."""
    asyncio.run(compared(histories, steps))


async def compared(histories: Histories, steps: list[tuple[str, Any]]) -> None:
    """Go through a history, with two verifiers at the same keys."""
    source = KeySource(histories.idp)
    source.answer, wall = histories.sets[0], NOW
    set_wall(source, wall)
    fresh = source.verifier_with(RememberedTokens(most=0))
    try:
        for kind, value in steps:
            if kind == "token":
                token = histories.tokens[value]
                said = await outcome(source.verifier, token)
                assert said == await outcome(fresh, token)
                await settled(source)
            elif kind == "wall":
                wall += value
                set_wall(source, wall)
            elif kind == "clock":
                source.time += value
            else:
                source.answer = [*histories.sets, OSError("gone")][value]
    finally:
        await source.keys.aclose()


async def settled(source: KeySource) -> None:
    """Wait for the end of a fetch in the background, so that the history can be repeated."""
    await asyncio.sleep(0)  # until it has begun
    async with waiting_for("the end of a fetch"):
        while not is_over(source):  # noqa: ASYNC110 - it brings no event
            await asyncio.sleep(0)


def is_over(source: KeySource) -> bool:
    """Whether the keys are those that were fetched last, and each failure was told."""
    age = None if source.good_at is None else source.time - source.good_at
    held = age if age is not None and age <= LONGEST_LIFE else None
    told = len(source.of(IdentityKeysUnavailable))
    return (source.keys.age, told) == (held, source.failures)
