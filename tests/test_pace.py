"""The rate of a caller, counted in memory."""

import uuid

import pytest
from limits import parse

from gateway.callers.limits import Pace
from tests.stack import Clock


@pytest.mark.parametrize("rule", ["1/second", "7/minute", "60/minute", "6000/minute", "3/2hour"])
def test_the_amount_may_be_used_up_at_once(rule: str) -> None:
    """Exactly the amount is let in at the same moment, and not one more."""
    pace, item = Pace(Clock(0.0)), parse(rule)
    waits = [pace.hit(item, "alice", "read") for _ in range(item.amount + 1)]
    assert waits[:-1] == [0.0] * item.amount
    assert waits[-1] == pytest.approx(item.get_expiry() / item.amount, abs=1e-6)


def test_after_the_wait_there_is_room_for_one() -> None:
    """Whoever waits as long as was said is let in, once."""
    clock = Clock(0.0)
    pace, rule = Pace(clock), parse("6/minute")
    while (wait := pace.hit(rule, "alice", "read")) == 0:
        pass
    clock.time += wait
    assert pace.hit(rule, "alice", "read") == 0
    assert pace.hit(rule, "alice", "read") == pytest.approx(10)


def test_no_more_than_twice_the_amount_in_any_period() -> None:
    """However requests are spread, a period never holds more than a burst and its refill."""
    clock = Clock(0.0)
    pace, rule, let_in = Pace(clock), parse("10/minute"), list[float]()
    for _ in range(600):
        clock.time += 0.5
        if pace.hit(rule, "alice", "read") == 0:
            let_in.append(clock.time)
    assert len(let_in) == pytest.approx(10 + 300 / 6, abs=1)
    assert all(sum(t <= other < t + 60 for other in let_in) <= 20 for t in let_in)


def test_callers_and_operations_are_counted_apart() -> None:
    """One caller's requests, and one operation's, take nothing from another's."""
    pace, rule = Pace(Clock(0.0)), parse("1/minute")
    for caller, operation in [("alice", "read"), ("alice", "issue"), ("bob", "read")]:
        assert pace.hit(rule, caller, operation) == 0
        assert pace.hit(rule, caller, operation) > 0


def test_callers_who_rest_are_forgotten() -> None:
    """Memory holds those who asked within the last period, however many came before."""
    clock = Clock(0.0)
    pace, rule = Pace(clock), parse("60/minute")
    for _ in range(10_000):
        clock.time += 0.1
        pace.hit(rule, uuid.uuid4().hex, "read")
    assert len(pace) <= 600
