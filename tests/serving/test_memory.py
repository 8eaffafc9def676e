"""What is left of a connection when it has ended: nothing, and no garbage either."""

import gc

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.serving.protocol import BoundedHttp
from tests.serving.client import running
from tests.serving.test_end import GET, HALF
from tests.serving.test_pipelines import BEHIND, UPGRADE
from tests.waiting import until

POST = b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
SENT = {
    "nothing": b"",
    "a request": GET,
    "some requests": GET * 5,
    "too many requests": GET * 50,
    "half a head": GET[:9],
    "half a body": HALF,
    "half a body behind a request": GET + HALF,
    "a request that is answered early": POST + b"\r\n",
    "the last request, answered early": POST + b"Connection: close\r\n\r\n",
    "an offer of another protocol": GET[:-2] + UPGRADE + b"\r\n",
    **{name: GET + data for name, (data, _) in BEHIND.items()},
}


@pytest.mark.parametrize("end", ["close", "end_sending", "reset"])
async def test_a_connection_leaves_no_garbage(end: str) -> None:
    """Connections and requests are freed as they end, without the garbage collector."""
    async with running() as one:
        gc.collect()
        gc.disable()
        try:
            for data in SENT.values():
                async with one.connected() as client:
                    await client.send(data)
                    await until("connection", lambda: bool(one.server.server_state.connections))
                    getattr(client, end)()
                await until("the end", lambda: not one.server.server_state.connections)
            await until("the end of all that was ours", lambda: not _ours())
        finally:
            gc.enable()


def _ours() -> list[object]:
    return [
        each for each in gc.get_objects() if isinstance(each, BoundedHttp | RequestResponseCycle)
    ]
