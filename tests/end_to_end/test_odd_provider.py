"""Whatever the provider answers, and however: a clear outcome in time, and no card made up.

The gateway stands in front of a provider on a socket whose answers hypothesis makes up, and which
alone knows what cards there truly are. A failure shows the smallest plan that it was found with.
"""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.app import create_app
from gateway.runtime import Runtime
from tests import stack
from tests.odd_provider import BEFORE, BODIES, MOST_INTERIM, TIMINGS, Oddity, OddProvider, Plan
from tests.stack import ADDRESS, CARD, ISSUE, issue_input
from tests.unmeasured import unmeasured
from tests.waiting import waiting_for

C = TypeVar("C")
CALL_DEADLINE, DEADLINE = 0.4, 0.6  # seconds: of a provider call, and of an operation
SLACK, TURN = 1.0, 0.02
MOST_MEMORY = 32 << 20
ACCOUNTS = [str(uuid4()) for _ in range(2)]
# What the provider may answer although it made the card: none of these says that nothing happened.
OPEN_STATUSES = [
    *(200, 202, 203, 204, 205, 206, 226, 299),
    *(300, 301, 302, 303, 304, 307, 308, 399),
    *(408, 421, 425, 499, 500, 501, 502, 503, 504, 507, 511, 520, 599),
    *(100, 101, 102, 103, 199),
]
NO_CARD = ["empty", "error", "key error", "text", "html", "null", "number", "deep"]
FIELDS = [
    *(b"Content-Type: text/html", b"Content-Type: application/json; charset=latin-1"),
    *(b"Content-Type: ", b"Content-Type: \xff", b"Content-Type: application/json, text/html"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: identity"),
    *(b"Content-Encoding: x", b"Content-Encoding: gzip, gzip"),
    *(b"Date: yesterday", b"Date: Fri, 31 Dec 9999 23:59:59 GMT", b"Date: "),
    *(b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"Date: Fri, 31 Dec 99999 23:59:59 +9999"),
    *(b"Retry-After: 0", b"Retry-After: 1", b"Retry-After: 86400", b"Retry-After: -1"),
    *(b"Retry-After: " + b"9" * 400, b"Retry-After: nan", b"Retry-After: \xb2"),
    *(b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", b"Retry-After: soon"),
    *(b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 100000"),
    *(b"Content-Length: -1", b"Content-Length: x", b"Content-Length: " + b"9" * 400),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close"),
    *(b"Set-Cookie: a=b", b"X: <long>", b"\xff: x", b"no field", b" folded"),
    *(b"Location: http://127.0.0.1:1/", b"WWW-Authenticate: Basic", b"Upgrade: h2c"),
]
VALUES: list[Any] = [
    ...,
    *(None, True, 0, -1, 1.5, 2**70, "", "x", [], {}, [[]], {"a": 1}),
    *("4111111111111111", "a" * 5000, "\u0000", "\ud7ff\uffff", "virtual", "UNKNOWN"),
    *(
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2024-01-12",
        "2024-02-30T00:00:00Z",
    ),
    *("2024-01-12T15:12:26", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *("00000000-0000-0000-0000-000000000000", "urn:uuid:" + str(uuid4())),
    *({"firstLine": "1", "city": "c", "country": "GB"}, {"firstLine": 1}, 1700003601.5),
]
CARD_MEMBERS = [
    *("accountId", "type", "status", "createdAt", "updatedAt", "billingAddress"),
    *("name", "network", "maskedPan", "expirationDate"),
]
TOKEN_MEMBERS = ["token", "expiresAt", "tokenType"]


def some(most: int, *values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few of these."""
    return st.lists(st.sampled_from(values), max_size=most).map(tuple)


def changes(members: list[str]) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    """Other values for a few members. The id stays: nobody could notice another one."""
    pair = st.tuples(st.sampled_from(members), st.sampled_from(VALUES))
    return st.lists(pair, min_size=1, max_size=2).map(tuple)


def truthful(oddity: Oddity) -> Oddity:
    """An oddity that is no lie: without a card nothing that could be one, with it no refusal."""
    commits = oddity.commits and oddity.timing not in BEFORE
    may_tell = not oddity.status or oddity.status in OPEN_STATUSES or oddity.status == 201
    values = vars(oddity)
    if commits and not may_tell:
        commits = False
    return Oddity(**(values | {"commits": commits}))


def oddities(kind: str, members: list[str]) -> st.SearchStrategy[Oddity]:
    """Oddities of a kind."""
    commits, bodies = st.booleans(), sorted(BODIES.keys() - {"bomb"})
    statuses = st.sampled_from(OPEN_STATUSES) | st.integers(100, 599)
    made: dict[str, st.SearchStrategy[Oddity]] = {
        "statuses": st.builds(
            Oddity, commits=commits, status=statuses, body=st.sampled_from(["right", *NO_CARD])
        ),
        "fields": st.builds(
            Oddity,
            fields=some(3, *FIELDS),
            without=some(2, "content-type", "content-length", "date"),
            body=st.sampled_from(["right", "right", "gzip", "cut gzip", "empty"]),
        ),
        "bodies": st.builds(Oddity, body=st.sampled_from(bodies))
        | st.builds(Oddity, changes=changes(members)),
        "timing": st.builds(
            Oddity,
            commits=commits,
            timing=st.sampled_from(TIMINGS),
            interim=st.sampled_from([0, 0, 0, 1, 20]),
        ),
    }
    made["sizes"] = st.builds(
        Oddity,
        body=st.sampled_from(["right", "bomb"]),
        fields=st.sampled_from([(), (b"Content-Encoding: gzip",)]),
        padding=st.sampled_from([0, 0, 2, 64]),
        interim=st.sampled_from([0, 0, 0, MOST_INTERIM]),
    )
    made["swaps"] = st.builds(
        Oddity,
        body=st.sampled_from(["right", "swapped"]),
        timing=st.sampled_from(["at once", "late", "close after"]),
    )
    if kind in made:
        return made[kind].map(truthful)
    return st.builds(
        Oddity,
        commits=commits,
        status=st.just(0) | statuses,
        fields=some(2, *FIELDS),
        without=some(1, "content-type", "content-length", "date"),
        body=st.just("right") | st.sampled_from(bodies),
        changes=st.just(()) | changes(members),
        timing=st.just("at once") | st.sampled_from(TIMINGS),
        interim=st.sampled_from([0, 0, 0, 1, 20]),
    ).map(truthful)


@dataclass(frozen=True)
class Case:
    """Clicks at once, each by as many equal requests, and what the provider does to them."""

    accounts: tuple[int, ...]
    repeats: tuple[int, ...]
    plan: Plan


@st.composite
def cases(draw: st.DrawFn, kind: str) -> Case:
    """One to four clicks on two accounts, with up to three oddities each."""
    count = draw(st.integers(1, 4))
    of_cards, of_tokens = oddities(kind, CARD_MEMBERS), oddities(kind, TOKEN_MEMBERS)
    creates = {
        click: tuple(draw(st.lists(of_cards, min_size=1, max_size=3))) for click in range(count)
    }
    odd_token = draw(st.integers(0, 4)) == 0
    return Case(
        accounts=tuple(draw(st.integers(0, 1)) for _ in range(count)),
        repeats=tuple(draw(st.integers(1, 2)) for _ in range(count)),
        plan=Plan(
            creates,
            tuple(draw(st.lists(of_tokens, min_size=1, max_size=2))) if odd_token else (),
            tuple(draw(st.lists(of_cards, max_size=2))),
        ),
    )


class Memory:
    """How far the process grows, at its peak, from now on; only Linux tells, elsewhere it is 0."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # the peak is what it has now
        self._idle = self._peak()

    def growth(self) -> int:
        """Bytes at the peak beyond those of the beginning."""
        return self._peak() - self._idle

    @staticmethod
    def _peak() -> int:
        if sys.platform != "linux":
            return 0
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


class Watch:
    """The time that other processes had: by so much the loop was late without working."""

    def __init__(self) -> None:
        self._stolen = 0.0
        self._begin()

    def _begin(self) -> None:
        self._time, self._cpu = time.monotonic(), time.process_time()

    async def run(self) -> None:
        """Notice how late the loop is, again and again."""
        while True:
            self._begin()
            await asyncio.sleep(TURN)
            self._stolen += self._late()

    def _late(self) -> float:
        worked = time.process_time() - self._cpu
        return max(time.monotonic() - self._time - TURN - worked, 0.0)

    def stolen(self) -> float:
        """Seconds of it since the beginning."""
        return self._stolen + self._late()


Documents = tuple[tuple[str, Any], ...]
CLICKS: Documents = ((ISSUE, issue_input(accountId="x")), (CARD, {"id": "x"}))


@asynccontextmanager
async def gateway(url: str, documents: Documents = CLICKS) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway in front of the provider, with short deadlines and no rate limits.

    It knows the ``documents`` already, with variables that no call follows from.
    """
    app = create_app(
        stack.settings(
            provider_url=url,
            connect_timeout=CALL_DEADLINE,
            read_timeout=CALL_DEADLINE,
            write_timeout=CALL_DEADLINE,
            pool_timeout=CALL_DEADLINE,
            call_deadline=CALL_DEADLINE,
            query_deadline=DEADLINE,
            mutation_deadline=DEADLINE,
            rate_limits={"issueVirtualCard": "off", "card": "off"},
        ),
        runtime=Runtime(random=lambda: 0.1),  # hardly any wait before an attempt
    )
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
        base_url="http://gateway",
    )
    async with app.router.lifespan_context(app), client:
        await learn(client, documents)
        yield client


async def learn(client: httpx.AsyncClient, documents: Documents) -> None:
    """Have the documents parsed, which is part of no deadline."""
    for query, variables in documents:
        body = {"query": query, "variables": variables}
        async with waiting_for("the documents to be known"):
            while (await client.post("/graphql", json=body)).status_code == 503:
                pass


async def ask(client: httpx.AsyncClient, watch: Watch, query: str, variables: Any) -> Any:
    """The answer to a request, of which everything holds that has to hold for each."""
    began = time.monotonic() - watch.stolen()
    answer = await client.post("/graphql", json={"query": query, "variables": variables})
    took = time.monotonic() - began - watch.stolen()
    assert answer.status_code < 500, answer.text
    assert '"INTERNAL"' not in answer.text
    assert took <= DEADLINE + SLACK, f"took {took:.1f} s"
    return answer.json()


# What the first say of the request is final: it was not carried out. The others say so of this
# request, unless their message says that it, or an earlier one, may have been.
FINAL = {"NotExecuted", "Refused", "NotFound", "InvalidState", "NotAllowed", "InvalidInput"}
EFFECT = re.compile("may have worked|was carried out")
NOT_NOW = {"ProviderUnavailable", "GatewayUnavailable", "RateLimited"}


async def play(case: Case) -> None:
    """Click twice: once, and again with the same keys when all were answered."""
    provider, watch = OddProvider(case.plan), Watch()
    watching = asyncio.create_task(watch.run())
    keys = [str(uuid4()) for _ in case.accounts]
    try:
        async with provider.listening(), gateway(provider.url) as client:
            memory = Memory()
            for _ in range(2):
                results = await asyncio.gather(
                    *(
                        issue(client, watch, case.accounts[click], click, keys[click])
                        for click, repeats in enumerate(case.repeats)
                        for _ in range(repeats)
                    ),
                    *(ask(client, watch, CARD, {"id": str(uuid4())}) for _ in range(2)),
                )
                for result in results:
                    if "click" in result:
                        alone = case.repeats[result["click"]] == 1
                        check(provider, result["click"], result, alone=alone)
            ready = await client.get("/readyz")
            assert ready.status_code in {200, 503}
            assert ready.json()
            assert memory.growth() <= MOST_MEMORY
    finally:
        watching.cancel()


async def issue(
    client: httpx.AsyncClient, watch: Watch, account: int, click: int, key: str
) -> dict[str, Any]:
    """The result of a click; the address tells the provider which it is."""
    address = ADDRESS | {"firstLine": f"{click} Test Avenue", "postCode": f"N{click} {click}AA"}
    given = {"accountId": ACCOUNTS[account], "billingAddress": address, "idempotencyKey": key}
    answer = await ask(client, watch, ISSUE, issue_input(**given))
    result: dict[str, Any] = answer["data"]["issueVirtualCard"]
    return result | {"click": click}


def check(provider: OddProvider, click: int, result: dict[str, Any], *, alone: bool) -> None:
    """What the gateway says of a click is so.

    ``alone``: no equal request was on its way, of which a failure that passes says nothing.
    """
    made, kind, message = provider.card_of(click), result["__typename"], result.get("message", "")
    assert len(provider.keys[click]) <= 1, "a click was sent under two keys"
    if kind == "IssueVirtualCardSuccess":
        assert result["card"]["id"] == made, "a card is shown that this click did not make"
    elif kind in FINAL or (kind in NOT_NOW and alone and not EFFECT.search(message)):
        assert made is None, f"there is a card: {result}"
    else:
        assert kind == "OutcomeUnknown" or kind in NOT_NOW, kind


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for all cases of a test."""
    with asyncio.Runner() as one:
        yield one


def try_out(
    runner: asyncio.Runner,
    kind: str,
    examples: st.SearchStrategy[C],
    play: Callable[[C], Coroutine[Any, Any, None]],
    count: int,
) -> None:
    """So many cases of a kind."""

    @settings(
        max_examples=count,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
    )
    @given(examples)
    def holds(case: C) -> None:
        runner.run(play(case))

    if kind == "sizes":
        BODIES["bomb"](b"")  # made once, and in nobody's time
    with unmeasured():
        holds()


KINDS = ["statuses", "fields", "bodies", "timing", "sizes", "swaps", "all"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_odd_answers(runner: asyncio.Runner, kind: str) -> None:
    """A few plans of each kind of oddity."""
    try_out(runner, kind, cases(kind), play, 2)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_odd_answers(runner: asyncio.Runner, kind: str) -> None:
    """Two thousand plans and more."""
    try_out(runner, kind, cases(kind), play, 300)
