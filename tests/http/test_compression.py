"""Large answers are compressed for who asks."""

import gzip
import json

import httpx
import pytest

from tests.stack import Stack

LARGE = "{ __schema { types { name description } } }"
SMALL = "{ __typename }"


async def answer(stack: Stack, query: str, accepts: str | None) -> tuple[httpx.Response, bytes]:
    """The answer, and its bytes as they came."""
    body = {"query": query}
    request = stack.client.build_request("POST", "/graphql", json=body)
    del request.headers["accept-encoding"]
    if accepts is not None:
        request.headers["accept-encoding"] = accepts
    response = await stack.client.send(request, stream=True)
    raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-length"] == str(len(raw))
    return response, raw


@pytest.mark.parametrize(
    "accepts", ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZip;q=0.1", "*", "identity, *;q=0.5"]
)
async def test_a_large_answer_is_compressed_for_who_takes_it(stack: Stack, accepts: str) -> None:
    """An answer of over 1 KiB comes with gzip, and is a fraction of its size."""
    plain = (await answer(stack, LARGE, None))[1]
    response, raw = await answer(stack, LARGE, accepts)
    assert (response.headers["content-encoding"], gzip.decompress(raw)) == ("gzip", plain)
    assert "Accept-Encoding" in response.headers["vary"]
    assert len(raw) < len(plain) / 2


@pytest.mark.parametrize(
    "accepts", [None, "", "identity", "br", "gzip;q=0", "gzip;q=0.000, *", "gzip;q=x", "*;q=0"]
)
async def test_who_does_not_take_it_gets_the_answer_as_it_is(
    stack: Stack, accepts: str | None
) -> None:
    """Without gzip in the list, or with a weight of zero, nothing is compressed."""
    response, raw = await answer(stack, LARGE, accepts)
    assert "content-encoding" not in response.headers
    assert "Accept-Encoding" in response.headers["vary"]
    assert json.loads(raw)["data"]


async def test_a_small_answer_is_never_compressed(stack: Stack) -> None:
    """What fits into one packet gains nothing."""
    response, raw = await answer(stack, SMALL, "gzip")
    assert "content-encoding" not in response.headers
    assert json.loads(raw) == {"data": {"__typename": "Query"}}


async def test_errors_are_compressed_as_well(stack: Stack) -> None:
    """Where many errors make an answer large, it is compressed, too."""
    query = "{ " + " ".join(f'c{n}: card(id: "nonsense") {{ id }}' for n in range(20)) + " }"
    response, raw = await answer(stack, query, "gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["errors"]
