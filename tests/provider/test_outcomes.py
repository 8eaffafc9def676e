"""What each answer of the provider means: to a read, to a create, to a simulation, to a login."""

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.emulator import GUIDE_ACCOUNT
from gateway.ledger import SqliteEngine, Store, Windows
from gateway.ledger.decisions import Decisions
from tests.examples import mostly_long
from tests.stack import ADDRESS, CARD, Clock, Stack, options, running

CARD_ID = "123e4567-e89b-12d3-a456-426614174000"
UNKNOWN, DONE = "OUTCOME_UNKNOWN", "done"
LOST, OVER, NOT_US = "PROVIDER_UNAVAILABLE", "PROVIDER_PROTOCOL_ERROR", "REFUSED"
BUSY = "RATE_LIMITED"

# An answer without a body: what a read, a create and a simulation end with, and after how many
# attempts of four; and what a read ends with whose login is answered so.
STATUSES: dict[int, tuple[tuple[str, int], tuple[str, int], tuple[str, int], str]] = {
    199: ((OVER, 1), (UNKNOWN, 1), (UNKNOWN, 1), LOST),
    200: ((OVER, 1), (UNKNOWN, 2), (DONE, 2), LOST),
    201: ((OVER, 1), (UNKNOWN, 2), (DONE, 2), LOST),
    202: ((OVER, 1), (UNKNOWN, 2), (DONE, 1), LOST),
    204: ((OVER, 1), (UNKNOWN, 2), (DONE, 2), LOST),
    206: ((OVER, 1), (UNKNOWN, 2), (UNKNOWN, 2), LOST),
    301: ((OVER, 1), (UNKNOWN, 1), (UNKNOWN, 1), LOST),
    304: ((OVER, 1), (UNKNOWN, 1), (UNKNOWN, 1), LOST),
    400: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    401: ((LOST, 2), (LOST, 1), (LOST, 1), LOST),  # one new token a second
    403: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    404: (("null", 1), ("NOT_FOUND", 1), ("NOT_FOUND", 1), LOST),
    408: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    410: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    413: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    421: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    422: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    423: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    424: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    425: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    429: ((BUSY, 4), (BUSY, 4), (BUSY, 4), BUSY),
    444: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    451: ((NOT_US, 1), (NOT_US, 1), (NOT_US, 1), LOST),
    460: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    463: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    494: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    497: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    498: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    499: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    500: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    503: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    520: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    530: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
    599: ((LOST, 4), (UNKNOWN, 4), (UNKNOWN, 4), LOST),
}


def answering(stack: Stack, part: str, answer: Callable[[], httpx.Response]) -> list[httpx.Request]:
    """Answer the requests whose path holds ``part``; what came."""
    seen: list[httpx.Request] = []

    def answered(request: httpx.Request) -> httpx.Response | None:
        if part not in request.url.path:
            return None
        seen.append(request)
        return answer()

    stack.wire.answer = answered
    return seen


def code_of(result: dict[str, Any]) -> str:
    """What a mutation ended with."""
    return str(result.get("code", DONE))


async def read(stack: Stack) -> str:
    """What a read ended with."""
    body = (await stack.post(CARD, {"id": CARD_ID})).json()
    return str(body["errors"][0]["extensions"]["code"]) if "errors" in body else "null"


SOME_STATUSES = (199, 202, 204, 206, 301, 400, 401, 404, 408, 421, 422, 425, 429, 499, 503, 520)


@pytest.mark.parametrize("status", mostly_long(STATUSES, *SOME_STATUSES))
async def test_a_status_means_this(status: int) -> None:
    """Refusals alone are believed to have had no effect; what else a write ends with is unknown."""
    to_read, to_create, to_simulate, to_login = STATUSES[status]
    answer = lambda: httpx.Response(status)  # noqa: E731
    async with running(clock=Clock()) as stack:
        seen = answering(stack, "/cards", answer)
        assert (await read(stack), len(seen)) == to_read
        seen = answering(stack, f"{GUIDE_ACCOUNT}/cards", answer)
        assert (code_of(await stack.issue()), len(seen)) == to_create
        seen = answering(stack, "/simulator/", answer)
        assert (code_of(await stack.simulate(CARD_ID)), len(seen)) == to_simulate
    async with running(clock=Clock()) as stack:
        answering(stack, "/auth/token", answer)
        assert await read(stack) == to_login


# Other answers to a simulation than an empty 202.
ACCEPTANCES = [
    (200, "", DONE),
    (200, "{}", DONE),
    (200, '{"status": "accepted"}', DONE),
    (204, "", DONE),
    (200, "<!doctype html><p>Please sign in", UNKNOWN),
    (200, "x" * 1025, UNKNOWN),
    (207, "", UNKNOWN),
]


@pytest.mark.parametrize(("status", "text", "end"), ACCEPTANCES)
async def test_an_empty_acceptance_is_one(status: int, text: str, end: str) -> None:
    """A simulation that is answered twice with another empty 2xx was accepted; a page of a proxy
    says nothing."""
    async with running(clock=Clock()) as stack:
        seen = answering(stack, "/simulator/", lambda: httpx.Response(status, text=text))
        assert code_of(await stack.simulate(CARD_ID)) == end
    assert len(seen) == 2
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1


def shown(**changes: Any) -> dict[str, Any]:
    """A card as an answer to the create of ``stack.issue``."""
    moment = "2027-01-15T08:00:00Z"
    given = {"id": CARD_ID, "accountId": GUIDE_ACCOUNT, "type": "virtual", "status": "issuing"}
    return given | {"createdAt": moment, "updatedAt": moment, "billingAddress": ADDRESS} | changes


# What a create's answer says, and whether it is an answer to this create.
ANSWERS: list[tuple[str, dict[str, Any], bool]] = [
    ("as sent", {}, True),
    ("no address", {"billingAddress": None}, True),
    ("another case", {"billingAddress": ADDRESS | {"firstLine": "1 TEST AVENUE"}}, True),
    ("other blanks", {"billingAddress": ADDRESS | {"postCode": "sw11aa", "firstLine": "-"}}, True),
    ("wide digits", {"billingAddress": ADDRESS | {"firstLine": "１, Test Avenue."}}, True),
    ("a line completed", {"billingAddress": ADDRESS | {"firstLine": "1 Test Avenue, Soho"}}, True),
    ("a code corrected", {"billingAddress": ADDRESS | {"postCode": "SW1 1AB"}}, True),
    ("another city", {"billingAddress": ADDRESS | {"city": "Paris"}}, True),
    ("a new status", {"status": "active"}, True),
    ("a new kind", {"type": "metal"}, True),
    (
        "another address",
        {"billingAddress": ADDRESS | {"firstLine": "9 High Street", "postCode": "N1 1AA"}},
        False,
    ),
    ("another account", {"accountId": str(uuid.uuid4())}, False),
    ("a card of plastic", {"type": "physical"}, False),
    ("no account", {"accountId": None}, False),
]


@pytest.mark.parametrize("status", mostly_long([201, 200], 201))
@pytest.mark.parametrize(("what", "changes", "fits"), ANSWERS)
async def test_an_answer_for_another_request_is_none(
    what: str, changes: dict[str, Any], fits: bool, status: int
) -> None:
    """A create ends with a card only if it can be its own; what is not is asked for once more."""
    async with running(clock=Clock()) as stack:
        answer = httpx.Response(status, json=shown(**changes))
        seen = answering(stack, f"{GUIDE_ACCOUNT}/cards", lambda: answer)
        result = await stack.issue()
    assert code_of(result) == (DONE if fits else UNKNOWN), what
    assert len(seen) == (1 if fits and status == 201 else 2)


async def test_swapped_answers_are_asked_for_again() -> None:
    """Two creates on one account get each other's answer: each ends with its own card."""
    other = ADDRESS | {"firstLine": "9 High Street", "postCode": "N1 1AA"}
    async with running(clock=Clock()) as stack:
        passing, waiting = stack.wire.handle_async_request, list[asyncio.Future[httpx.Response]]()

        async def swap(request: httpx.Request) -> httpx.Response:
            response = await passing(request)
            if not request.url.path.endswith("/cards") or len(waiting) == 2:
                return response
            waiting.append(asyncio.get_running_loop().create_future())
            mine = len(waiting) - 1
            while len(waiting) < 2:  # noqa: ASYNC110 - the other request comes without an event
                await asyncio.sleep(0)
            waiting[1 - mine].set_result(response)
            return await waiting[mine]

        stack.wire.handle_async_request = swap  # type: ignore[method-assign]
        one, two = await asyncio.gather(stack.issue(), stack.issue(billingAddress=other))
        assert len(stack.emulator.state.emulator.cards) == 2
    lines = [result["card"]["billingAddress"]["firstLine"] for result in (one, two)]
    assert lines == ["1 Test Avenue", "9 High Street"]


async def test_a_card_belongs_to_one_click() -> None:
    """A card that an earlier click has is not shown as the new one of another click."""
    async with running(clock=Clock()) as stack:
        answering(stack, f"{GUIDE_ACCOUNT}/cards", lambda: httpx.Response(201, json=shown()))
        assert code_of(await stack.issue()) == DONE
        assert code_of(await stack.issue()) == UNKNOWN


@pytest.mark.parametrize("asked", ["read", "replay"])
async def test_another_card_is_no_answer_to_a_read(asked: str) -> None:
    """A read that is answered with another card is a protocol error; a replay may be sent again."""
    key = str(uuid.uuid4())
    async with running(clock=Clock()) as stack:
        await stack.issue(idempotencyKey=key)
        answer = lambda: httpx.Response(200, json=shown(id=str(uuid.uuid4())))  # noqa: E731
        answering(stack, "/v1/cards/", answer)
        if asked == "read":
            assert await read(stack) == OVER
        else:
            assert code_of(await stack.issue(idempotencyKey=key)) == LOST


# The text of a 409 to a create, and whether it says that an earlier request is in flight.
REUSED = "the idempotency key was used with another payload"
TEXTS = [
    (409, REUSED, False),
    (422, REUSED, False),
    (409, '{"type": "IdempotencyKeyReused", "detail": "payload mismatch"}', False),
    (409, "Idempotency-Key is already used", False),
    (409, "This Idempotency-Key was sent with different parameters", False),
    (400, "Keys for idempotent requests can only be used with the same parameters", False),
    (409, "Idempotency-Key was processed already with a different request", False),
    (409, "a request with this idempotency key is in flight", True),
    (409, "Idempotency-Key Concurrency Conflict", True),
    (409, "A request is outstanding for this Idempotency-Key", True),
    (409, "another request with this key is already being processed", True),
    (
        409,
        "The request with this idempotency key is still processing; its body is kept",
        True,
    ),
    (409, "", True),
    (409, "<html><body><h1>409 Conflict</h1></body></html>", True),
    (409, "Card creation pending", True),
    (409, '{"code": "CARD_REQUEST_CONFLICT"}', True),
    (409, "Duplicate card request", True),
    (409, "A card is already being created for this request", True),
    (409, "cardinality violation", True),
    (409, "A different request with this key is still running", True),
]


@pytest.mark.parametrize(("status", "text", "in_flight"), TEXTS)
async def test_the_text_of_a_conflict_decides(status: int, text: str, in_flight: bool) -> None:
    """A key in flight is waited for, longer than attempts are counted; a key that was used with
    another input is told at once, and is not bound to this one."""
    key, other = str(uuid.uuid4()), ADDRESS | {"city": "Leeds"}
    async with running(clock=Clock()) as stack:
        answers = iter([httpx.Response(status, text=text)] * 8)
        seen = answering(stack, f"{GUIDE_ACCOUNT}/cards", lambda: next(answers))
        if in_flight:
            stack.wire.answer = lambda request: (
                next(answers, None) if request.url.path.endswith("/cards") else None
            )
            assert code_of(await stack.issue(idempotencyKey=key)) == DONE
            return
        told = await stack.issue(idempotencyKey=key)
        assert (code_of(told), told["retryable"], len(seen)) == (UNKNOWN, True, 1)
        stack.wire.answer = lambda _request: None
        assert code_of(await stack.issue(idempotencyKey=key, billingAddress=other)) == DONE


async def test_a_key_that_is_bound_at_the_provider_is_not_bound_to_a_wrong_input() -> None:
    """The ledger has lost a key's row: a wrong input makes no card, and the right one gets its."""
    key, other = str(uuid.uuid4()), ADDRESS | {"city": "Leeds"}
    for status in (409, 422):
        clock = Clock()
        async with running(options(reused_key_status=status), clock) as lost:
            issued = await lost.issue(idempotencyKey=key)
            async with running(beside=lost, clock=clock) as stack:
                for _ in range(2):
                    wrong = await stack.issue(idempotencyKey=key, billingAddress=other)
                    assert (code_of(wrong), wrong["retryable"]) == (UNKNOWN, True)
                right = await stack.issue(idempotencyKey=key)
                late = await stack.issue(idempotencyKey=key, billingAddress=other)
            assert len(lost.emulator.state.emulator.cards) == 1
        assert right["card"]["id"] == issued["card"]["id"]
        assert code_of(late) == "IDEMPOTENCY_CONFLICT"


async def test_a_key_in_flight_that_no_row_knows_binds_no_input() -> None:
    """The provider's words for "another payload" are not known: the right input is told no conflict
    and gets its card."""
    key, other = str(uuid.uuid4()), ADDRESS | {"city": "Leeds"}
    async with running(clock=Clock()) as stack:
        answering(
            stack, f"{GUIDE_ACCOUNT}/cards", lambda: httpx.Response(409, text="bereits verwendet")
        )
        assert code_of(await stack.issue(idempotencyKey=key)) == UNKNOWN
        stack.wire.answer = lambda _request: None
        assert code_of(await stack.issue(idempotencyKey=key, billingAddress=other)) == DONE


async def test_a_lost_answer_before_a_reused_key_is_not_called_without_effect() -> None:
    """A card may have been made by the attempt before."""
    async with running(clock=Clock()) as stack:
        answers = iter([httpx.Response(500), httpx.Response(409, text=REUSED)])
        answering(stack, f"{GUIDE_ACCOUNT}/cards", lambda: next(answers))
        told = await stack.issue()
    assert code_of(told) == UNKNOWN
    assert "did not carry" not in told["message"]


async def test_clicks_of_two_ledgers_wait_for_the_one_in_flight() -> None:
    """Forty equal clicks over two gateways that share no ledger end with the one card."""
    key = str(uuid.uuid4())
    async with running(options(latency=0.3)) as one, running(beside=one) as two:
        clicks = [stack.issue(idempotencyKey=key) for stack in (one, two) * 20]
        results = await asyncio.gather(*clicks)
        assert len(one.emulator.state.emulator.cards) == 1
    assert len({result["card"]["id"] for result in results}) == 1


async def test_an_operators_card_is_replayed_to_its_own_input_only(tmp_path: Path) -> None:
    """A row that is bound to no input: the operator has named the card, and its address decides."""
    key, path = str(uuid.uuid4()), tmp_path / "ledger.db"
    other = ADDRESS | {"firstLine": "9 High Street", "postCode": "N1 1AA"}
    async with running() as lost, running(beside=lost, ledger=f"sqlite:{path}") as stack:
        made = await lost.issue(idempotencyKey=key)
        assert code_of(await stack.issue(idempotencyKey=key, billingAddress=other)) == UNKNOWN
        store = Store(SqliteEngine(path, time.time), Windows(), is_complete=True)
        await store.start()
        row = await store.oldest()
        assert row is not None
        await Decisions(store, uuid.UUID(bytes=row.key)).choose(uuid.UUID(made["card"]["id"]))
        await store.aclose()
        wrong = await stack.issue(idempotencyKey=key, billingAddress=other)
        right = await stack.issue(idempotencyKey=key)
    assert code_of(wrong) == "IDEMPOTENCY_CONFLICT"
    assert (right["card"]["id"], right["replayed"]) == (made["card"]["id"], True)
