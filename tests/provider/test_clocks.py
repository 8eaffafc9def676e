"""What the ``Date`` of an answer does to the calls after it, where it is odd."""

import math
import time
import uuid
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import pytest

from gateway.cards.operations.simulate_card_issue import ISSUE
from gateway.errors import ProviderUnavailable
from gateway.ledger import Claim
from gateway.provider import ProviderClient
from tests.provider_client import client_of
from tests.stack import Clock, settings


class Provider(httpx.AsyncBaseTransport):
    """Accepts everything; ``ahead`` is by how many seconds the dates of its answers are wrong."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.ahead = clock, 0.0
        self.sent: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with a token, or that it was done."""
        self.sent.append(request.method)
        headers = {"Date": formatdate(self.clock.time + self.ahead, usegmt=True)}
        expires = int(self.clock.time + self.ahead) + 36_000
        token = {"token": uuid.uuid4().hex, "expiresAt": expires, "tokenType": "Bearer"}
        if request.method == "POST":
            return httpx.Response(200, headers=headers, json=token)
        return httpx.Response(202, headers=headers)


async def write(client: ProviderClient, clock: Clock) -> None:
    """A call that must not leave while the clocks are 30 s apart."""
    claim = Claim(uuid.uuid4(), clock.time, since=math.inf, most_skew=30)
    await client.modify(ISSUE.call(cardId=uuid.uuid4()), claim)


async def test_one_wrong_date_does_not_stop_writes_for_long() -> None:
    """Without any other call the next write learns the provider's time anew, by a login."""
    clock = Clock()
    provider = Provider(clock)
    client = client_of(settings(), provider, clock.runtime())
    await write(client, clock)
    provider.ahead = 3600.0
    await write(client, clock)
    provider.ahead = 0.0
    with pytest.raises(ProviderUnavailable, match="nothing was sent"):
        await write(client, clock)
    await write(client, clock)
    assert provider.sent == ["POST", "PATCH", "PATCH", "POST", "PATCH"]


async def test_clocks_that_stay_apart_cause_few_logins() -> None:
    """Nothing is sent, and the provider's time is looked at less and less often."""
    clock = Clock()
    provider = Provider(clock)
    provider.ahead = 3600.0
    client = client_of(settings(), provider, clock.runtime())
    for _ in range(200):
        with pytest.raises(ProviderUnavailable):
            await write(client, clock)
        clock.time += 3
    assert "PATCH" not in provider.sent
    assert 5 <= len(provider.sent) <= 12


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose zone is not UTC."""
    with monkeypatch.context() as changes:
        changes.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
async def test_a_date_without_a_zone_is_in_utc() -> None:
    """HTTP has no other zone: what this machine's is does not matter."""
    clock = Clock()
    provider = Provider(clock)
    client = client_of(settings(), provider, clock.runtime())
    without_zone = formatdate(clock.time, usegmt=True).replace("GMT", "-0000")

    async def dated(request: httpx.Request) -> httpx.Response:
        answer = await Provider.handle_async_request(provider, request)
        answer.headers["Date"] = without_zone
        return answer

    provider.handle_async_request = dated  # type: ignore[method-assign]
    await write(client, clock)
    assert client.clock.skew == pytest.approx(0, abs=1)
