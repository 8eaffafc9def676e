"""What a client is told of an account that has as many cards as may be issued for it."""

from tests.stack import running


async def test_a_click_beyond_the_limit_is_told_when_to_come_again() -> None:
    """RateLimited says that the gateway limits, for how long, and that nothing has happened."""
    async with running(issue_limit_per_account=1) as stack:
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        refused = await stack.issue()
    assert refused["__typename"] == "RateLimited"
    assert (refused["limitedBy"], refused["retryable"]) == ("GATEWAY", True)
    assert 86_000 < refused["retryAfter"] <= 86_400
    assert "at most 1 cards for an account in 24 hours" in refused["message"]
    assert len(stack.wire.sent("POST", "/accounts/")) == 1


async def test_a_click_that_was_sent_is_answered_beyond_the_limit() -> None:
    """A repeat gets its card, and what became of it can be asked for."""
    async with running(issue_limit_per_account=1) as stack:
        first = await stack.issue()
        again = await stack.issue(idempotencyKey=first["idempotencyKey"])
        outcome = await stack.outcome(first["idempotencyKey"])
    assert (again["replayed"], again["card"]["id"]) == (True, first["card"]["id"])
    assert outcome["card"]["id"] == first["card"]["id"]
