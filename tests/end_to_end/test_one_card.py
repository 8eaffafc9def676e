"""Never a second card: whatever clocks, clients and answers do, for as long as a key is known."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.emulator import GUIDE_ACCOUNT
from tests.examples import examples
from tests.stack import ADDRESS, Clock, Stack, running
from tests.tokens import IdentityProvider
from tests.waiting import skip_time, waiting_for

MINUTE, HOUR = 60.0, 3600.0
OTHER = ADDRESS | {"city": "Leeds"}
SENT_ONCE = "This request was not sent; an earlier one with this key may have worked."
ISSUED = "The request of this key was carried out; its card cannot be read now."
NO_EFFECT = "This request had no effect."


def new_key() -> str:
    """A client's key."""
    return str(uuid.uuid4())


def creates(stack: Stack) -> list[httpx.Request]:
    """The create calls that left the gateway."""
    return stack.wire.sent("POST", "/cards")


def cards(stack: Stack) -> int:
    """How many cards there are at the provider."""
    return len(stack.emulator.state.emulator.cards)


def lifetime(request: httpx.Request) -> tuple[int, int]:
    """When a request was signed, and when its signature expires."""
    created, expires = re.findall(r"(?:created|expires)=(\d+)", request.headers["Signature-Input"])
    return int(created), int(expires)


class Losses:
    """Loses the answers of create calls after the provider has carried them out."""

    def __init__(self, stack: Stack, times: int = 0, clock: Clock | None = None) -> None:
        self.times = times
        self.jump = 0.0
        self._clock = clock
        self._passing = stack.wire.handle_async_request
        stack.wire.handle_async_request = self._handle  # type: ignore[method-assign]

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        response = await self._passing(request)
        if self.times and request.method == "POST" and request.url.path.endswith("/cards"):
            self.times -= 1
            if self._clock:
                self._clock.time += self.jump
            raise httpx.ReadError("the answer was lost")
        return response


def failing(stack: Stack, method: str, status: int | None) -> None:
    """Let calls with this method fail: with a status, or by a refused connection."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method != method or "/auth/" in request.url.path:
            return None
        if status is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)

    stack.wire.answer = answer


# A key that has its card.


@pytest.mark.parametrize("hours", [0.9, 1.02, 12, 719.99])
async def test_a_done_key_is_never_sent_again(hours: float) -> None:
    """For 30 days a key that succeeded brings its first card, read afresh, and no call."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        issued = await stack.issue(idempotencyKey=key)
        await stack.simulate(issued["card"]["id"])
        clock.time += hours * HOUR
        again = await stack.issue(idempotencyKey=key)
        other = await stack.issue(idempotencyKey=key, billingAddress=OTHER)
        assert (len(creates(stack)), cards(stack)) == (1, 1)
    assert (again["replayed"], again["card"]["id"]) == (True, issued["card"]["id"])
    assert again["card"]["status"] == "ACTIVE"
    assert other["__typename"] == "IdempotencyConflict"


@pytest.mark.parametrize("status", [None, 404, 503, 429, 400], ids=str)
async def test_a_replay_that_cannot_be_read_says_that_the_card_is_there(status: int | None) -> None:
    """A replay whose card cannot be read is retryable and says that the card was issued."""
    key = new_key()
    async with running(clock=Clock()) as stack:
        issued = await stack.issue(idempotencyKey=key)
        failing(stack, "GET", status)
        told = await stack.issue(idempotencyKey=key)
        expected = "RateLimited" if status == 429 else "ProviderUnavailable"
        assert (told["__typename"], told["retryable"]) == (expected, True)
        assert told["message"].startswith(ISSUED)
        stack.wire.answer = lambda _request: None
        again = await stack.issue(idempotencyKey=key)
        assert cards(stack) == 1
    assert (again["replayed"], again["card"]["id"]) == (True, issued["card"]["id"])


@pytest.mark.parametrize("restarted", [False, True], ids=["same gateway", "after a restart"])
async def test_a_click_that_may_have_its_card_never_ends_in_a_final_failure(
    restarted: bool, tmp_path: Path
) -> None:
    """Where the card of a key cannot be read as documented, the client may ask again."""
    identity, key, clock = IdentityProvider(tmp_path), new_key(), Clock()
    async with running(clock=clock, **identity.settings()) as first:
        asking(identity, first, accounts=[GUIDE_ACCOUNT])
        card_id = (await first.issue())["card"]["id"]
        await first.simulate(card_id, idempotencyKey=key)
        async with running(clock=clock, beside=first, **identity.settings()) as second:
            stack = second if restarted else first
            asking(identity, stack, accounts=[GUIDE_ACCOUNT])
            stack.wire.answer = lambda request: (
                httpx.Response(200, json={}) if request.method == "GET" else None
            )
            told = await stack.simulate(card_id, idempotencyKey=key)
    assert (told["__typename"], told["retryable"]) == ("ProviderUnavailable", True)


async def test_a_done_simulation_is_never_sent_again() -> None:
    """For 30 days a simulation that was accepted is replayed without a call."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        card_id = (await stack.issue())["card"]["id"]
        await stack.simulate(card_id, idempotencyKey=key)
        clock.time += 719 * HOUR
        again = await stack.simulate(card_id, idempotencyKey=key)
        assert len(stack.wire.sent("PATCH")) == 1
    assert (again["replayed"], again["card"]["status"]) == (True, "ACTIVE")


# A key whose outcome is not known.


@pytest.mark.parametrize("minutes", [44, 44.9, 45, 58.9, 61, 600, 1439, 43_190])
async def test_an_indeterminate_key_never_makes_a_second_card(minutes: float) -> None:
    """However late an indeterminate click comes again, there is one card, and no late send."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        Losses(stack, times=4)
        unknown = await stack.issue(idempotencyKey=key)
        sent, first = len(creates(stack)), lifetime(creates(stack)[0])[0]
        assert 2690 <= unknown["retrySafeSeconds"] <= 2700
        clock.time += minutes * MINUTE
        again = await stack.issue(idempotencyKey=key)
        assert cards(stack) == 1
        if minutes < 45:
            assert again["__typename"] == "IssueVirtualCardSuccess"
        else:
            assert (again["__typename"], again["retryable"]) == ("OutcomeUnknown", False)
            assert again["retrySafeSeconds"] == 0
            assert len(creates(stack)) == sent
        assert all(lifetime(each)[1] <= first + 1 + 3540 for each in creates(stack))


async def test_every_signature_expires_before_the_provider_forgets_the_key() -> None:
    """Each attempt under a key expires 59 minutes after the first send at the latest."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        losses = Losses(stack, times=4)
        start = clock.time
        await stack.issue(idempotencyKey=key)
        clock.time, losses.times = start + 44.9 * MINUTE, 1
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "IssueVirtualCardSuccess"
        for created, expires in map(lifetime, creates(stack)):
            assert expires == min(created + 300, start + 3540)


@pytest.mark.parametrize("minutes", [58.9, 59, 61, 300])
async def test_a_call_that_is_paused_sends_nothing_late(minutes: float) -> None:
    """A call that stands still between two attempts does not send one when it wakes too late."""
    key, clock = new_key(), Clock()
    async with running(clock=clock, call_deadline=3600) as stack:
        losses = Losses(stack, times=1, clock=clock)
        losses.jump = minutes * MINUTE
        result = await stack.issue(idempotencyKey=key)
        assert (len(creates(stack)), cards(stack)) == (1, 1)
    assert (result["__typename"], result["retrySafeSeconds"]) == ("OutcomeUnknown", 0)


async def test_a_wall_clock_that_is_set_back_wins_no_time() -> None:
    """The age of a key does not shrink when the wall clock is set back: nothing is sent late."""
    key, wall, monotonic = new_key(), Clock(), Clock()
    runtime = monotonic.runtime()
    object.__setattr__(runtime, "now", wall)
    async with running(runtime=runtime) as stack:
        Losses(stack, times=4)
        await stack.issue(idempotencyKey=key)
        sent = len(creates(stack))
        wall.time -= 2 * HOUR
        monotonic.time += 61 * MINUTE
        late = await stack.issue(idempotencyKey=key)
        assert (late["__typename"], len(creates(stack))) == ("OutcomeUnknown", sent)


STEP = st.tuples(
    st.sampled_from(["retry", "retry", "retry", "other input", "failing reads"]),
    st.integers(0, 4),  # answers that are lost
    st.sampled_from([0, 1, 20, 54, 55, 59, 61, 300, 700]),  # minutes that pass before
    st.sampled_from([0, 0, 0, 30, 3600]),  # seconds that pass while an answer is lost
)


@settings(max_examples=examples(0.2), suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=1, max_size=8))
def test_any_sequence_of_retries_makes_one_card(steps: list[Any]) -> None:
    """Within 23 h 59 any sequence of requests with one key, clocks moving, makes one card."""
    asyncio.run(retry(steps))


async def retry(steps: list[Any]) -> None:
    """Make the requests; every card that is told must be the only one."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        losses, start = Losses(stack, clock=clock), clock.time
        told: set[str] = set()
        for what, lost, minutes, jump in steps:
            clock.time = min(clock.time + minutes * MINUTE, start + 24 * HOUR - 60)
            losses.times, losses.jump = lost, min(jump, start + 24 * HOUR - 60 - clock.time)
            if what == "failing reads":
                failing(stack, "GET", 503)
            address = OTHER if what == "other input" else ADDRESS
            result = await stack.issue(idempotencyKey=key, billingAddress=address)
            stack.wire.answer = lambda _request: None
            told |= {result["card"]["id"]} if "card" in result else set()
            assert "no effect" not in result.get("message", "")
        assert cards(stack) <= 1
        assert len(told) <= 1


@contextlib.asynccontextmanager
async def held_creates(stack: Stack) -> AsyncIterator[asyncio.Event]:
    """Hold create calls until the block ends; the event says that one has come."""
    entered, let_go = asyncio.Event(), asyncio.Event()
    passing = stack.wire.handle_async_request

    async def hold(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/cards"):
            entered.set()
            await let_go.wait()
        return await passing(request)

    stack.wire.handle_async_request = hold  # type: ignore[method-assign]
    yield entered
    let_go.set()


IN_FLIGHT = "a request with this idempotency key is in flight"


@pytest.mark.parametrize("then", [None, 429, 401, 404, 400, 409], ids=str)
async def test_a_key_in_flight_is_never_told_to_have_had_no_effect(then: int | None) -> None:
    """A proxy doubles a create: the copy's 409 leaves the outcome unknown, whatever follows."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as stack:
        passing, copies = stack.wire.handle_async_request, 0

        async def double(request: httpx.Request) -> httpx.Response:
            nonlocal copies
            if request.method != "POST" or not request.url.path.endswith("/cards"):
                return await passing(request)
            copies += 1
            if copies == 1:
                await passing(request)  # its answer goes to the proxy
                return httpx.Response(409, text=IN_FLIGHT)
            if then is None:
                raise httpx.ConnectError("refused")
            return httpx.Response(then, text=IN_FLIGHT if then == 409 else "")

        stack.wire.handle_async_request = double  # type: ignore[method-assign]
        told = await stack.issue(idempotencyKey=key)
        assert told["__typename"] == "OutcomeUnknown"
        stack.wire.handle_async_request = passing  # type: ignore[method-assign]
        clock.time += 61 * MINUTE
        late = await stack.issue(idempotencyKey=key)
        assert cards(stack) == 1
    assert (late["__typename"], late["retryable"]) == ("OutcomeUnknown", False)


async def test_a_clock_that_is_set_in_the_middle_makes_no_replay() -> None:
    """A new card is not taken for an older one because the wall clock was set back meanwhile."""
    wall, monotonic = Clock(), Clock()
    runtime = monotonic.runtime()
    object.__setattr__(runtime, "now", wall)
    async with running(runtime=runtime) as stack:

        def answer(request: httpx.Request) -> httpx.Response | None:
            if request.method != "POST" or not request.url.path.endswith("/cards"):
                return None
            wall.time -= 20
            now = datetime.fromtimestamp(wall.time, UTC)
            card = {
                "id": str(uuid.uuid4()),
                "accountId": GUIDE_ACCOUNT,
                "type": "virtual",
                "status": "issuing",
                "createdAt": now.isoformat(),
                "updatedAt": now.isoformat(),
            }
            return httpx.Response(
                201, json=card, headers={"Date": format_datetime(now, usegmt=True)}
            )

        stack.wire.answer = answer
        assert (await stack.issue())["replayed"] is False


# What is said where a request was not carried out.


@pytest.mark.parametrize("chosen", [True, False], ids=["client's key", "no key"])
async def test_no_effect_is_said_only_where_it_is_known(chosen: bool) -> None:
    """Only of a key that was made for this very request is "no effect" known."""
    async with running(clock=Clock()) as stack:
        failing(stack, "POST", None)
        told = await stack.issue(**({"idempotencyKey": new_key()} if chosen else {}))
    assert told["__typename"] == "ProviderUnavailable"
    assert told["message"].endswith(SENT_ONCE if chosen else NO_EFFECT)


async def test_a_restarted_gateway_does_not_say_that_nothing_happened() -> None:
    """After a restart a click that made a card is not told to have had no effect."""
    key, clock = new_key(), Clock()
    async with running(clock=clock) as first:
        await first.issue(idempotencyKey=key)
        async with running(clock=clock, beside=first) as second:
            for status in (None, 429, 400):
                failing(second, "POST", status)
                told = await second.issue(idempotencyKey=key)
                assert "may have worked" in told["message"]
                assert "no effect" not in told["message"]
            assert cards(first) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_conflict_is_told_but_of_a_key(method: str) -> None:
    """A 422 to a read, or to a token, is no conflict of keys: "use a new one" is not advised."""
    key = new_key()
    async with running(clock=Clock()) as stack:
        if method == "GET":
            await stack.issue(idempotencyKey=key)
            failing(stack, "GET", 422)
        else:
            stack.wire.answer = lambda _request: httpx.Response(422)
        told = await stack.issue(idempotencyKey=key)
    assert told["code"] == "PROVIDER_UNAVAILABLE"
    assert "use a new one" not in told["message"]


async def test_a_simulation_whose_card_is_not_shown_is_no_final_failure(tmp_path: Path) -> None:
    """A caller whose card cannot be read just now is told what is known of the simulation."""
    identity, key = IdentityProvider(tmp_path), new_key()
    async with running(clock=Clock(), **identity.settings()) as stack:
        asking(identity, stack, accounts=[GUIDE_ACCOUNT])
        card_id = (await stack.issue())["card"]["id"]
        await stack.simulate(card_id, idempotencyKey=key)
        failing(stack, "GET", 404)
        told = await stack.simulate(card_id, idempotencyKey=key)
    assert (told["code"], told["retryable"]) == ("PROVIDER_UNAVAILABLE", True)
    assert told["message"].startswith("The request of this key was carried out")


async def test_too_late_is_said_whatever_stopped_the_retry(tmp_path: Path) -> None:
    """An indeterminate key past its time is final, also where the retry was stopped earlier."""
    identity, key, clock = IdentityProvider(tmp_path), new_key(), Clock()
    async with running(clock=clock, **identity.settings()) as stack:
        asking(identity, stack, accounts=[GUIDE_ACCOUNT])
        card_id = (await stack.issue())["card"]["id"]
        failing(stack, "PATCH", 500)
        assert (await stack.simulate(card_id, idempotencyKey=key))["retryable"] is True
        clock.time += 56 * MINUTE
        failing(stack, "GET", 503)
        told = await stack.simulate(card_id, idempotencyKey=key)
    assert (told["__typename"], told["retryable"]) == ("OutcomeUnknown", False)
    assert told["retrySafeSeconds"] == 0


async def test_a_full_ledger_says_so_to_client_and_operator() -> None:
    """A new click that cannot be remembered is refused, and the log has one line a minute."""
    async with running(clock=Clock(), max_idempotency_records=1) as stack:
        await stack.issue()
        with capture_logs() as lines:
            told = [await stack.issue(idempotencyKey=new_key()) for _ in range(2)]
        assert cards(stack) == 1
    assert [each["code"] for each in told] == ["OVERLOADED"] * 2
    assert "GATEWAY" not in told[0]["message"]
    full = [line for line in lines if line["event"] == "idempotency_records_full"]
    assert [line["log_level"] for line in full] == ["error"]
    assert "GATEWAY_MAX_IDEMPOTENCY_RECORDS" in full[0]["hint"]


def asking(identity: IdentityProvider, stack: Stack, **claims: Any) -> None:
    """Let the stack's client show a token."""
    stack.client.headers["Authorization"] = f"Bearer {identity.token(**claims)}"


async def test_a_known_key_costs_nothing_of_the_issue_rate(tmp_path: Path) -> None:
    """Replays and retries of an indeterminate key cost one of the read rate each, and no issue."""
    identity = IdentityProvider(tmp_path)
    rates = {"rate_limit_issue": "2/hour", "rate_limit_read": "3/hour"}
    async with running(clock=Clock(), **identity.settings(**rates)) as stack:
        asking(identity, stack)
        done, unknown = new_key(), new_key()
        await stack.issue(idempotencyKey=done)
        losses = Losses(stack, times=8)
        await stack.issue(idempotencyKey=unknown)
        assert (await stack.issue(idempotencyKey=new_key()))["code"] == "RATE_LIMITED"
        assert (await stack.issue(idempotencyKey=unknown))["__typename"] == "OutcomeUnknown"
        assert losses.times == 0
        assert (await stack.issue(idempotencyKey=done))["replayed"] is True
        assert (await stack.issue(idempotencyKey=done))["replayed"] is True
        limited = [await stack.issue(idempotencyKey=key) for key in (done, unknown, new_key())]
        assert cards(stack) == 2
    assert [each["code"] for each in limited] == ["RATE_LIMITED"] * 3
    assert [each["retryAfter"] > 0 for each in limited] == [True] * 3
    assert limited[0]["message"].startswith(ISSUED)
    assert limited[1]["message"].startswith(SENT_ONCE)
    assert limited[2]["message"].endswith(SENT_ONCE)


TWO = """mutation($a: IssueVirtualCardInput!, $b: IssueVirtualCardInput!) {
  a: issueVirtualCard(input: $a) { __typename }
  b: issueVirtualCard(input: $b) { __typename ... on Error { code message retryable } }
}"""


@pytest.mark.parametrize(
    ("state", "code", "sentence"),
    [
        ("unknown", "DEADLINE_EXCEEDED", SENT_ONCE),
        ("indeterminate", "OUTCOME_UNKNOWN", SENT_ONCE),
        ("done", "DEADLINE_EXCEEDED", ISSUED),
    ],
)
async def test_an_operation_that_is_over_says_what_is_known(
    state: str, code: str, sentence: str
) -> None:
    """A mutation that its operation has no time for is told by what its key is known for."""
    key = new_key()
    async with running(mutation_deadline=60) as stack:
        if state != "unknown":
            Losses(stack, times=4 if state == "indeterminate" else 0)
            await stack.issue(idempotencyKey=key)
        async with held_creates(stack) as entered:
            card = {"accountId": GUIDE_ACCOUNT, "billingAddress": ADDRESS}
            variables = {"a": card, "b": card | {"idempotencyKey": key}}
            asking = asyncio.create_task(stack.data(TWO, variables))
            async with waiting_for("the first create call"):
                await entered.wait()
            skip_time(61)
            told = (await asking)["b"]
    assert (told["code"], told["retryable"]) == (code, True)
    assert sentence in told["message"]


# How a gateway ends.


async def test_a_call_that_outlived_its_operation_ends_before_the_gateway_does() -> None:
    """A click whose operation is over is carried to its end when the gateway is closed."""
    async with running(mutation_deadline=60) as stack, held_creates(stack) as entered:
        click = asyncio.create_task(stack.issue())
        async with waiting_for("the create call"):
            await entered.wait()
        skip_time(61)
        assert (await click)["__typename"] == "OutcomeUnknown"
        assert cards(stack) == 0
    assert cards(stack) == 1


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
async def test_a_date_that_no_clock_reaches_costs_no_other_answer(moment: str) -> None:
    """A new card with an impossible date in its answer is told, and so is the document's other."""
    async with running(clock=Clock(), max_attempts=1) as stack:
        card = {"accountId": GUIDE_ACCOUNT, "billingAddress": ADDRESS}
        passing, calls = stack.wire.handle_async_request, 0

        async def odd(request: httpx.Request) -> httpx.Response:
            nonlocal calls
            response = await passing(request)
            if request.url.path.endswith("/cards"):
                calls += 1
                if calls == 1:
                    await response.aread()
                    return httpx.Response(201, json=response.json() | {"updatedAt": moment})
            return response

        stack.wire.handle_async_request = odd  # type: ignore[method-assign]
        data = await stack.data(TWO, {"a": card, "b": card})
    assert data["a"]["__typename"] == "IssueVirtualCardSuccess"
    assert data["b"]["__typename"] == "IssueVirtualCardSuccess"


async def test_a_right_that_is_lost_ends_no_click(tmp_path: Path) -> None:
    """A key whose outcome is not known stays retryable for a caller who lost scope or account."""
    identity, key = IdentityProvider(tmp_path), new_key()
    async with running(clock=Clock(), **identity.settings()) as stack:
        asking(identity, stack)
        Losses(stack, times=4)
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "OutcomeUnknown"
        claims: list[dict[str, Any]] = [{"scope": "cards:read"}, {"accounts": []}]
        for claim in claims:
            asking(identity, stack, **claim)
            told = await stack.issue(idempotencyKey=key)
            assert (told["__typename"], told["retryable"]) == ("NotAllowed", True)
            assert told["message"].endswith(SENT_ONCE)
        asking(identity, stack)
        assert (await stack.issue(idempotencyKey=key))["__typename"] == "IssueVirtualCardSuccess"
        assert cards(stack) == 1
