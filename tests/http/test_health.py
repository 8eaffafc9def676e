"""/readyz: whether requests can be carried out, and what is known of each thing they need."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.callers.jwks import CACHE_LIFE, FETCH_TIME, LEAST_INTERVAL, READY_TIME
from gateway.events import CallerRefused
from tests.stack import CARD, Clock, Stack, running
from tests.tokens import IdentityProvider
from tests.waiting import settled, skip_time

TYPENAME = "{ __typename }"


@pytest.fixture
def idp(tmp_path: Path) -> IdentityProvider:
    """An identity provider with one EC key."""
    return IdentityProvider(tmp_path)


async def ready(stack: Stack) -> tuple[int, Any]:
    """The status of /readyz, and its body."""
    answer = await stack.client.get("/readyz")
    return answer.status_code, answer.json()


async def test_ready_with_keys(idp: IdentityProvider) -> None:
    """The keys are fetched at the start: nobody has to come with a token first."""
    async with running(clock=Clock(), **idp.settings()) as stack:
        status, body = await ready(stack)
    assert (status, body["status"]) == (200, "ok")
    assert body["identityKeys"] == {"state": "fresh", "keys": 1, "ageSeconds": 0}


async def test_no_identity_provider_where_anybody_may_ask() -> None:
    """Where callers need no token nothing is said of keys."""
    async with running() as stack:
        status, body = await ready(stack)
    assert status == 200
    assert "identityKeys" not in body


@pytest.mark.parametrize("content", ["not json", '{"keys": []}'])
async def test_not_ready_without_keys(idp: IdentityProvider, content: str) -> None:
    """Without keys no caller can be let in: 503 with a code, and when to ask again. It is ready
    once the keys are there, although no caller has come."""
    idp.file.write_text(content)
    clock = Clock()
    async with running(clock=clock, **idp.settings()) as stack:
        answer = await stack.client.get("/readyz")
        body = answer.json()
        assert (answer.status_code, body["code"]) == (503, "IDENTITY_UNAVAILABLE")
        assert 1 <= int(answer.headers["Retry-After"]) <= LEAST_INTERVAL
        assert body["errors"][0]["extensions"]["retryable"]
        assert body["identityKeys"] == {"state": "unavailable", "keys": 0, "ageSeconds": None}
        idp.publish()
        assert (await ready(stack))[0] == 503, "the interval is not over"
        clock.time += LEAST_INTERVAL
        assert (await ready(stack))[0] == 200


async def test_ready_while_keys_age(idp: IdentityProvider) -> None:
    """Keys that cannot be fetched anew serve on, and their age shows."""
    clock = Clock()
    async with running(clock=clock, **idp.settings()) as stack:
        assert (await ready(stack))[0] == 200
        idp.file.unlink()
        clock.time += CACHE_LIFE + 60
        status, body = await ready(stack)
        bearer = f"Bearer {idp.token()}"
        assert (await stack.post(TYPENAME, Authorization=bearer)).status_code == 200
    assert (status, body["status"]) == (200, "ok")
    assert body["identityKeys"] == {"state": "aging", "keys": 1, "ageSeconds": 360}


async def test_a_key_set_that_hangs_holds_nothing_up_for_long(idp: IdentityProvider) -> None:
    """While the JWKS does not answer, /readyz says so after a second, and a token of an unknown key
    is answered with 503 and Retry-After when the fetch has had its time; the next one at once."""
    told: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = idp.settings(jwt_keys=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        async with running(sinks=[told.append], **settings) as stack:
            probe = asyncio.create_task(stack.client.get("/readyz"))
            await settled()
            skip_time(READY_TIME)
            assert (await probe).json()["code"] == "IDENTITY_UNAVAILABLE"
            bearer = {"Authorization": f"Bearer {idp.token()}"}
            waiting = asyncio.create_task(stack.post(TYPENAME, **bearer))
            await settled()
            skip_time(FETCH_TIME)
            for answer in (await waiting, await stack.post(TYPENAME, **bearer)):
                assert answer.status_code == 503
                assert 1 <= int(answer.headers["Retry-After"]) <= LEAST_INTERVAL
                [error] = answer.json()["errors"]
                assert error["extensions"]["code"] == "IDENTITY_UNAVAILABLE"
                assert error["extensions"]["retryable"]
    refused = [event for event in told if isinstance(event, CallerRefused)]
    assert [(event.code, event.key_id) for event in refused] == [
        ("IDENTITY_UNAVAILABLE", "ec-1")
    ] * 2


async def test_an_open_breaker_is_degraded() -> None:
    """While reads are held back mutations go on: the gateway stays in service, and says it."""
    async with running(clock=Clock(), breaker_failures=1, max_attempts=1) as stack:
        stack.wire.answer = lambda request: (
            httpx.Response(500) if "/cards/" in request.url.path else None
        )
        await stack.post(CARD, {"id": "123e4567-e89b-12d3-a456-426614174000"})
        status, body = await ready(stack)
        assert (status, body["status"], body["breaker"]) == (200, "degraded", "open")
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
        assert (await ready(stack))[1]["status"] == "ok"
