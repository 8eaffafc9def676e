"""The rate of a caller, counted in memory."""

import uuid

import pytest
from limits import parse

from gateway.callers import RateLimits
from gateway.callers.rate_limits import RateLimiter
from gateway.config import OFF
from gateway.errors import ConfigError
from gateway.events import to_nobody
from tests.stack import Clock, settings


@pytest.mark.parametrize("rule", ["1/second", "7/minute", "60/minute", "6000/minute", "3/2hour"])
def test_the_amount_may_be_used_up_at_once(rule: str) -> None:
    """Exactly the amount is let in at the same moment, and not one more."""
    pace, item = RateLimiter(Clock(0.0)), parse(rule)
    waits = [pace.hit(item, "alice", "read") for _ in range(item.amount + 1)]
    assert waits[:-1] == [0.0] * item.amount
    assert waits[-1] == pytest.approx(item.get_expiry() / item.amount, abs=1e-6)


def test_after_the_wait_there_is_room_for_one() -> None:
    """Whoever waits as long as was said is let in, once."""
    clock = Clock(0.0)
    pace, rule = RateLimiter(clock), parse("6/minute")
    while (wait := pace.hit(rule, "alice", "read")) == 0:
        pass
    clock.time += wait
    assert pace.hit(rule, "alice", "read") == 0
    assert pace.hit(rule, "alice", "read") == pytest.approx(10)


def test_no_more_than_twice_the_amount_in_any_period() -> None:
    """However requests are spread, a period never holds more than a burst and its refill."""
    clock = Clock(0.0)
    pace, rule, let_in = RateLimiter(clock), parse("10/minute"), list[float]()
    for _ in range(600):
        clock.time += 0.5
        if pace.hit(rule, "alice", "read") == 0:
            let_in.append(clock.time)
    assert len(let_in) == pytest.approx(10 + 300 / 6, abs=1)
    assert all(sum(t <= other < t + 60 for other in let_in) <= 20 for t in let_in)


def test_callers_and_operations_are_counted_apart() -> None:
    """One caller's requests, and one operation's, take nothing from another's."""
    pace, rule = RateLimiter(Clock(0.0)), parse("1/minute")
    for caller, operation in [("alice", "read"), ("alice", "issue"), ("bob", "read")]:
        assert pace.hit(rule, caller, operation) == 0
        assert pace.hit(rule, caller, operation) > 0


def test_callers_who_rest_are_forgotten() -> None:
    """Memory holds those who asked within the last period, however many came before."""
    clock = Clock(0.0)
    pace, rule = RateLimiter(clock), parse("60/minute")
    for _ in range(10_000):
        clock.time += 0.1
        pace.hit(rule, uuid.uuid4().hex, "read")
    assert len(pace) <= 600


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
        pace, item = RateLimiter(Clock(1e6)), parse(rate)
        waits = [pace.hit(item, "alice", "read") for _ in range(min(item.amount + 1, 100))]
        assert (waits[0], waits[-1] > 0) == (0, item.amount < 100)


async def test_an_operation_that_nobody_gave_a_rate_is_refused() -> None:
    """A forgotten operation has no unlimited rate: it cannot be counted at all."""
    limits = RateLimits({"card": OFF}, reads=["card"], store="", emit=to_nobody)
    await limits.count("alice", "card")
    with pytest.raises(KeyError):
        await limits.count("alice", "terminateCard")
