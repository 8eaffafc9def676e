"""The rate of a caller, counted in memory."""

import uuid

import pytest

from gateway.callers import RateLimits
from gateway.callers.pace import Pace, pace_of
from gateway.callers.rate_limits import RateLimiter
from gateway.config import OFF, Rate
from gateway.errors import ConfigError
from gateway.events import to_nobody
from tests.stack import Clock, settings


def pace(rate: str, *, reads: bool = True) -> Pace:
    """The pace of a rate."""
    found = pace_of(rate, reads=reads)
    assert found is not None
    return found


BURSTS = [
    # the rate, and how many reads and how many mutations may come at once
    ("6000/minute", 600, 10),
    ("600/minute", 60, 10),
    ("60/minute", 50, 10),
    ("40/minute", 40, 10),
    ("7/minute", 7, 7),
    ("1/second", 1, 1),
    ("100/second", 100, 10),
    ("10000/second", 10000, 10),
    ("5 per 10 seconds", 5, 5),
    ("600 per 2 minutes", 50, 10),
    ("100000/hour", 166, 10),
    ("3/2hour", 3, 3),
    ("100000000/1 year", 50, 10),
    ("1000 per month", 50, 10),
]


@pytest.mark.parametrize(("rate", "reads", "mutations"), BURSTS)
def test_a_burst_is_bounded(rate: str, reads: int, mutations: int) -> None:
    """At the same moment reads are let in up to a tenth of what a minute allows, at least 50, and
    mutations up to 10, neither beyond the amount; one more follows after its share of the time."""
    for kind, burst in ((True, reads), (False, mutations)):
        allowed, limiter = pace(rate, reads=kind), RateLimiter(Clock(0.0))
        waits = [limiter.hit(allowed, "alice", "field") for _ in range(burst + 1)]
        assert waits[:-1] == [0.0] * burst
        assert waits[-1] == pytest.approx(share_of(rate), abs=1e-6)


def share_of(rate: str) -> float:
    """Seconds for one request."""
    found = Rate.parse(rate)
    return found.period / found.amount


def test_after_the_wait_there_is_room_for_one() -> None:
    """Whoever waits as long as was said is let in, once."""
    clock = Clock(0.0)
    limiter, rule = RateLimiter(clock), pace("6/minute")
    while (wait := limiter.hit(rule, "alice", "read")) == 0:
        pass
    clock.time += wait
    assert limiter.hit(rule, "alice", "read") == 0
    assert limiter.hit(rule, "alice", "read") == pytest.approx(10)


def test_no_more_than_twice_the_amount_in_any_period() -> None:
    """However requests are spread, a period never holds more than a burst and its refill."""
    clock = Clock(0.0)
    limiter, rule, let_in = RateLimiter(clock), pace("10/minute"), list[float]()
    for _ in range(600):
        clock.time += 0.5
        if limiter.hit(rule, "alice", "read") == 0:
            let_in.append(clock.time)
    assert len(let_in) == pytest.approx(10 + 300 / 6, abs=1)
    assert all(sum(t <= other < t + 60 for other in let_in) <= 20 for t in let_in)


def test_callers_and_operations_are_counted_apart() -> None:
    """One caller's requests, and one operation's, take nothing from another's."""
    limiter, rule = RateLimiter(Clock(0.0)), pace("1/minute")
    for caller, operation in [("alice", "read"), ("alice", "issue"), ("bob", "read")]:
        assert limiter.hit(rule, caller, operation) == 0
        assert limiter.hit(rule, caller, operation) > 0


def test_callers_who_rest_are_forgotten() -> None:
    """Memory holds those who asked within the last period, however many came before."""
    clock = Clock(0.0)
    limiter, rule = RateLimiter(clock), pace("60/minute")
    for _ in range(10_000):
        clock.time += 0.1
        limiter.hit(rule, uuid.uuid4().hex, "read")
    assert len(limiter) <= 600


def test_a_long_period_keeps_no_callers_of_a_short_one() -> None:
    """Who rests is forgotten, also after somebody used a field whose rate is counted by the day."""
    clock = Clock(0.0)
    limiter, daily, often = RateLimiter(clock), pace("1/day"), pace("60/minute")
    limiter.hit(daily, "alice", "issue")
    for _ in range(10_000):
        clock.time += 0.1
        limiter.hit(often, uuid.uuid4().hex, "read")
    assert len(limiter) <= 601


@pytest.mark.parametrize(
    "rate",
    [
        "0/minute",
        "0/0 minutes",
        "00/minute",
        "60/0 minutes",
        "60/00 minutes",
        "60/-1 minutes",
        "-60/minute",
        "0.5/minute",
        "60/0.5 minutes",
        "60/minute;5/second",
        "60/minute, 5/second",
        "60/minute|5/second",
        "60/fortnight",
        "60/",
        "60",
        f"60/{10**20} minutes",
        f"60/1{'0' * 400} minutes",
        f"1{'0' * 400}/minute",
        f"1{'0' * 5000}/minute",
    ],
)
@pytest.mark.parametrize("operation", ["read", "issue", "simulate"])
def test_a_rate_that_counts_nothing_is_no_setting(operation: str, rate: str) -> None:
    """A rate of none, for no time, for ever, or of which a part would be left out is a problem."""
    with pytest.raises(ConfigError, match=f"GATEWAY_RATE_LIMIT_{operation.upper()}: must be a"):
        settings(**{f"rate_limit_{operation}": rate})


@pytest.mark.parametrize(
    "rate", ["off", "1/second", "60/minute", "60 per 5 minutes", "3/2HOURS", "100000000/1 year"]
)
def test_every_rate_that_can_be_set_can_be_counted(rate: str) -> None:
    """What is a setting lets requests in, as many as it says."""
    assert settings(rate_limit_read=rate).rate_limit_read == rate
    if rate != "off":
        limiter, rule = RateLimiter(Clock(1e6)), pace(rate)
        waits = [limiter.hit(rule, "alice", "read") for _ in range(rule.burst + 1)]
        assert (waits[0], waits[-1] > 0) == (0, True)


@pytest.mark.parametrize(
    ("text", "amount", "period"),
    [
        ("60/minute", 60, 60),
        ("10 per minute", 10, 60),
        ("5/2 minutes", 5, 120),
        ("5 PER 10 seconds", 5, 10),
        ("3/2HOURS", 3, 7200),
        ("1/Day", 1, 86_400),
        ("1 / 1 month", 1, 30 * 86_400),
        ("2per3years", 2, 3 * 360 * 86_400),
    ],
)
def test_a_rate_is_an_amount_and_a_time(text: str, amount: int, period: int) -> None:
    """A rate is read in all its forms, in any case, with and without spaces."""
    assert Rate.parse(text) == Rate(amount, period)


async def test_an_operation_that_nobody_gave_a_rate_is_refused() -> None:
    """A forgotten operation has no unlimited rate: it cannot be counted at all."""
    limits = RateLimits({"card": OFF}, reads=["card"], store="", emit=to_nobody)
    await limits.count("alice", "card")
    with pytest.raises(KeyError):
        await limits.count("alice", "terminateCard")
