"""The tests' own stack: which way its calls go."""

import pytest

from gateway.provider.transport.network import NetworkTransport
from gateway.provider.transport.transport import Reply, Request, Timeouts
from tests.stack import running


@pytest.mark.process
@pytest.mark.parametrize("network", [False, True])
async def test_calls_take_the_chosen_way(monkeypatch: pytest.MonkeyPatch, network: bool) -> None:
    """With the network each recorded call was sent by its transport, and without it none was."""
    sent: list[str] = []
    exchange = NetworkTransport.exchange

    async def counted(self: NetworkTransport, request: Request, timeouts: Timeouts) -> Reply:
        sent.append(request.method)
        return await exchange(self, request, timeouts)

    monkeypatch.setattr(NetworkTransport, "exchange", counted)
    async with running(network=network) as stack:
        await stack.issue()
    recorded = [request.method for request, _ in stack.wire.exchanges]
    assert recorded == ["POST", "POST"]
    assert sent == (recorded if network else [])
