"""What the operator should do is told to the operator, and not to who asks."""

from typing import Any

import httpx
import pytest

from gateway.events import ProviderCallEnded
from tests.stack import CARD, running

CARD_ID = {"id": "123e4567-e89b-12d3-a456-426614174000"}
ANSWERS = [
    (httpx.Response(401), "PROVIDER_UNAVAILABLE", "gateway doctor"),
    (httpx.Response(302), "PROVIDER_PROTOCOL_ERROR", "GATEWAY_PROVIDER_URL"),
    (httpx.Response(200, json={}), "PROVIDER_PROTOCOL_ERROR", "`id`"),
    (httpx.Response(200, json={"id": 4111}), "PROVIDER_PROTOCOL_ERROR", "$.id"),
]


@pytest.mark.parametrize(("answer", "code", "hint"), ANSWERS)
async def test_a_hint_is_for_the_operator(answer: httpx.Response, code: str, hint: str) -> None:
    """Names of settings and commands, and what a parser says, stand in the line of the call; the
    client gets what happened."""
    told: list[Any] = []
    async with running(sinks=[told.append]) as stack:
        stack.wire.answer = lambda request: answer if request.method == "GET" else None
        error = await stack.error(CARD, CARD_ID)
    assert error["extensions"]["code"] == code
    assert not [word for word in ("GATEWAY_", "doctor", "$", "`", "4111") if word in str(error)]
    hints = [event.hint for event in told if isinstance(event, ProviderCallEnded) and event.hint]
    assert [hint in one for one in hints] == [True]


async def test_what_keeps_a_token_away_is_told_to_the_operator() -> None:
    """Who asks for a card is told that the provider refuses us; /readyz says what to do."""
    told: list[Any] = []
    async with running(sinks=[told.append], provider_api_secret="wrong") as stack:
        error = await stack.error(CARD, CARD_ID)
        ready = (await stack.client.get("/readyz")).json()
    assert "does not accept the gateway's credentials" in error["message"]
    assert "doctor" not in error["message"]
    assert "gateway doctor" in ready["message"]
    assert "doctor" not in ready["errors"][0]["message"]
    hints = {event.hint for event in told if isinstance(event, ProviderCallEnded)}
    assert hints == {"Run `gateway doctor`."}


async def test_an_unreadable_access_token_is_told_to_the_operator() -> None:
    """What is wrong with the answer of the token endpoint stands in the lines of both calls."""
    told: list[Any] = []
    async with running(sinks=[told.append]) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(200, json={}) if request.url.path.endswith("/token") else None
        )
        error = await stack.error(CARD, CARD_ID)
    assert "gets no access token" in error["message"]
    assert "`" not in error["message"]
    hints = [event.hint or "" for event in told if isinstance(event, ProviderCallEnded)]
    assert len(hints) == 2
    assert all("`token`" in hint for hint in hints)
