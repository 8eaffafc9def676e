"""Keys, repeats and waiting: pure functions, proved by their tables and their properties."""

import uuid
from datetime import UTC, datetime
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cards.operations.issue_virtual_card import CREATE_CARD
from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import KEY_LIFE, Windows, field_key, provider_key, time_of
from gateway.provider import Address, NewCard
from gateway.provider.retries import (
    Kind,
    Outcome,
    Step,
    backoff,
    may_repeat,
    outcome_of_status,
    parse_retry_after,
)
from tests.stack import ADDRESS, Clock, running

STOP, REPEAT, RENEW = Step.STOP, Step.REPEAT, Step.RENEW_TOKEN

# outcome: (read, modifying with a key); the same once it has been there before
TABLE = {
    Outcome.SUCCESS: ((STOP, STOP), (STOP, STOP)),
    Outcome.NO_TOKEN: ((STOP, STOP), (STOP, STOP)),
    Outcome.NEVER_CONNECTED: ((REPEAT, REPEAT), (REPEAT, REPEAT)),
    Outcome.POOL_EXHAUSTED: ((STOP, STOP), (STOP, STOP)),
    Outcome.TOO_LATE: ((STOP, STOP), (STOP, STOP)),
    Outcome.HELD_BACK: ((STOP, REPEAT), (REPEAT, REPEAT)),
    Outcome.CLOCKS_APART: ((STOP, STOP), (STOP, STOP)),
    Outcome.WITHDRAWN: ((STOP, STOP), (STOP, STOP)),
    Outcome.NO_WHOLE_ANSWER: ((REPEAT, REPEAT), (REPEAT, REPEAT)),
    Outcome.UNREADABLE: ((STOP, REPEAT), (STOP, STOP)),
    Outcome.UNEXPECTED_STATUS: ((STOP, STOP), (STOP, STOP)),
    Outcome.UNAUTHORISED: ((RENEW, RENEW), (STOP, STOP)),
    Outcome.NOT_FOUND: ((STOP, STOP), (STOP, STOP)),
    Outcome.CONFLICT: ((STOP, STOP), (STOP, STOP)),
    Outcome.KEY_REUSED: ((STOP, STOP), (STOP, STOP)),
    Outcome.IN_FLIGHT: ((STOP, REPEAT), (STOP, REPEAT)),
    Outcome.UNPROCESSABLE: ((STOP, STOP), (STOP, STOP)),
    Outcome.TOO_MANY: ((REPEAT, REPEAT), (REPEAT, REPEAT)),
    Outcome.OTHER_REFUSAL: ((STOP, STOP), (STOP, STOP)),
    Outcome.BUSY: ((REPEAT, REPEAT), (REPEAT, REPEAT)),
    Outcome.SERVER_ERROR: ((REPEAT, REPEAT), (REPEAT, REPEAT)),
}


def rows() -> list[tuple[Outcome, Kind, bool, Step]]:
    """The whole table, a row per outcome, kind of call, and whether the outcome came before."""
    found = []
    for outcome, kind, before in product(Outcome, Kind, (False, True)):
        expected = STOP
        if kind is not Kind.UNKEYED:
            expected = TABLE[outcome][before][0 if kind is Kind.READ else 1]
        found.append((outcome, kind, before, expected))
    return found


@pytest.mark.parametrize(("outcome", "kind", "before", "expected"), rows())
def test_the_truth_table(outcome: Outcome, kind: Kind, before: bool, expected: Step) -> None:
    """What follows an attempt is decided by this table, and nothing repeats without a key."""
    assert may_repeat(outcome, kind, [outcome] if before else []) is expected


STATUSES = {
    100: Outcome.UNEXPECTED_STATUS,
    101: Outcome.UNEXPECTED_STATUS,
    199: Outcome.UNEXPECTED_STATUS,
    200: Outcome.UNREADABLE,
    201: Outcome.SUCCESS,
    204: Outcome.UNREADABLE,
    299: Outcome.UNREADABLE,
    300: Outcome.UNEXPECTED_STATUS,
    301: Outcome.UNEXPECTED_STATUS,
    399: Outcome.UNEXPECTED_STATUS,
    400: Outcome.OTHER_REFUSAL,
    401: Outcome.UNAUTHORISED,
    403: Outcome.OTHER_REFUSAL,
    404: Outcome.NOT_FOUND,
    409: Outcome.CONFLICT,
    410: Outcome.OTHER_REFUSAL,
    422: Outcome.UNPROCESSABLE,
    429: Outcome.TOO_MANY,
    499: Outcome.SERVER_ERROR,
    500: Outcome.SERVER_ERROR,
    502: Outcome.SERVER_ERROR,
    503: Outcome.BUSY,
    504: Outcome.SERVER_ERROR,
    599: Outcome.SERVER_ERROR,
}


@pytest.mark.parametrize(("status", "outcome"), STATUSES.items())
def test_every_status_has_its_meaning(status: int, outcome: Outcome) -> None:
    """A status means this where 201 is the documented success."""
    assert outcome_of_status(status, 201) is outcome


@pytest.mark.parametrize(
    ("attempt", "longest"),
    [(1, 0.2), (2, 0.4), (3, 0.8), (4, 1.6), (5, 2.0), (20, 2.0)],
)
def test_backoff_grows_to_a_cap_with_full_jitter(attempt: int, longest: float) -> None:
    """The wait is anything from zero to a bound that doubles up to two seconds."""
    assert backoff(attempt, random=lambda: 1.0) == pytest.approx(longest)
    assert backoff(attempt, random=lambda: 0.5) == pytest.approx(longest / 2)
    assert backoff(attempt, random=lambda: 0.0) == 0.0


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 14:00:30 +0200", 30.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 365 * 24 * 3600.0),
        ("٣", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    """Retry-After is read as seconds or as a date, and ignored where it is neither."""
    assert parse_retry_after(header, now=NOW) == seconds


def test_nothing_is_sent_again_near_the_end_of_the_keys_life() -> None:
    """The send window ends well before the provider's hour, and "not executed" comes after it."""
    windows = Windows()
    assert 0 < windows.send <= KEY_LIFE - 300
    assert KEY_LIFE == windows.key_life < windows.late < windows.late_uncertain


def test_a_version_7_key_says_when_it_was_made() -> None:
    """The time of a version 7 UUID is read as RFC 9562 writes it, and no other version has one."""
    example = uuid.UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")  # of RFC 9562, appendix A.6
    assert time_of(example) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC).timestamp()
    assert time_of(uuid.uuid4()) is None


CALLERS = st.text(max_size=20)
FIELDS = st.sampled_from(["Mutation.issueVirtualCard", "Mutation.simulateCardIssue"]) | st.text()
KEYS = st.uuids()
PATHS = st.lists(st.text(max_size=8) | st.integers(0, 99), min_size=1, max_size=4)


@given(st.tuples(CALLERS, FIELDS, KEYS), st.tuples(CALLERS, FIELDS, KEYS))
def test_provider_keys_meet_only_where_everything_is_equal(
    one: tuple[str, str, uuid.UUID], other: tuple[str, str, uuid.UUID]
) -> None:
    """Keys are equal exactly for equal caller, field and client key, and stable under repeats."""
    assert (provider_key(*one) == provider_key(*other)) is (one == other)
    assert provider_key(*one) == provider_key(*one)
    assert provider_key(*one).version == 5


@given(st.tuples(KEYS, PATHS), st.tuples(KEYS, PATHS))
def test_field_keys_meet_only_where_everything_is_equal(
    one: tuple[uuid.UUID, list[str | int]], other: tuple[uuid.UUID, list[str | int]]
) -> None:
    """A header's keys are equal exactly for equal header and path."""
    assert (field_key(*one) == field_key(*other)) is (one == other)
    assert field_key(*one).version == 5


@given(KEYS, PATHS, CALLERS, FIELDS)
def test_parts_cannot_be_shifted_into_each_other(
    key: uuid.UUID, path: list[str | int], caller: str, field: str
) -> None:
    """Moving text from one part to its neighbour gives another key."""
    assert provider_key(caller + "x", field, key) != provider_key(caller, "x" + field, key)
    assert field_key(key, [*path, "a", "b"]) != field_key(key, [*path, "ab"])
    assert field_key(key, [*path, 1]) != field_key(key, [*path, "1"])
    assert field_key(key, path) != provider_key(caller, field, key)


def test_keys_are_the_same_in_every_release() -> None:
    """A key that is derived today must be derived tomorrow: these values are frozen."""
    key = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
    assert str(field_key(key, ["a", 1])) == "d0d6be52-99dd-52fc-bcec-929325d6bad0"
    assert (
        str(provider_key("anyone", "Mutation.issueVirtualCard", key))
        == "ca3d7515-4399-5ddd-8505-a2e9247e5d40"
    )


def test_inputs_and_fingerprints_are_the_same_in_every_release() -> None:
    """Old and new gateways send the same bytes and compare the same fingerprints: frozen values."""
    address = Address(first_line="1 Test Avenue", city="London", country="GB", post_code="SW1 1AA")
    body = msgspec.json.encode(NewCard(billing_address=address))
    assert body == (
        b'{"type":"virtual","billingAddress":{"firstLine":"1 Test Avenue","city":"London",'
        b'"country":"GB","postCode":"SW1 1AA"}}'
    )
    call = CREATE_CARD.call(body=body, accountId=uuid.UUID(GUIDE_ACCOUNT))
    secret = uuid.UUID("123e4567-e89b-12d3-a456-426614174000").bytes
    assert (
        call.fingerprint(secret).hex()
        == "4d1acc5b21d238c52aeb2b4a18ba09b4144759778823e7210977b55611de8de7"
    )


def test_a_fingerprint_does_not_tell_an_address_to_who_guesses_it() -> None:
    """The same input under two keys has two fingerprints: nobody can try addresses in the store."""
    call = CREATE_CARD.call(body=b"{}", accountId=uuid.UUID(GUIDE_ACCOUNT))
    assert call.fingerprint(uuid.uuid4().bytes) != call.fingerprint(uuid.uuid4().bytes)


async def test_an_input_of_other_bytes_and_the_same_text_is_one_input() -> None:
    """An accent that another keyboard writes as a character of its own makes no other input."""
    key, address = str(uuid.uuid4()), dict(ADDRESS)
    async with running(clock=Clock()) as stack:
        address["city"] = "Montr\u00e9al"
        first = await stack.issue(idempotencyKey=key, billingAddress=address)
        address["city"] = "Montre\u0301al"
        second = await stack.issue(idempotencyKey=key, billingAddress=address)
        [sent] = stack.wire.sent("POST", "/cards")
    assert (second["replayed"], second["card"]["id"]) == (True, first["card"]["id"])
    assert "Montr\u00e9al".encode() in sent.content
