"""Gateways are replaced one after the other while clients go on: nobody notices."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.balancer import Balancer, balancing
from tests.clicks import http_client
from tests.pair import URL, pair
from tests.processes import Process, started
from tests.stack import ISSUE, issue_input

pytestmark = pytest.mark.process
CLIENTS = 6


class Clients:
    """They issue cards and read them over connections that they keep."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ends = False
        self.cards: list[str] = []

    async def run(self) -> None:
        """Ask until told to end; any failure ends it at once."""
        async with http_client() as client:
            while not self._ends:
                card = await self._issue(client)
                read = await self._ask(client, "query($id:ID!){card(id:$id){id}}", {"id": card})
                assert read["card"]["id"] == card
                self.cards.append(card)

    def end(self) -> None:
        """Let each finish what it does."""
        self._ends = True

    async def _issue(self, client: httpx.AsyncClient) -> str:
        result = (await self._ask(client, ISSUE, issue_input()))["issueVirtualCard"]
        assert result["__typename"] == "IssueVirtualCardSuccess", result
        return str(result["card"]["id"])

    async def _ask(
        self, client: httpx.AsyncClient, query: str, variables: dict[str, Any]
    ) -> dict[str, Any]:
        answer = await client.post(self._url, json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])


async def test_no_request_fails_while_gateways_are_replaced(tmp_path: Path) -> None:
    """Clients with kept connections behind a balancer that follows `/readyz` see no failure while
    each gateway is ended by SIGTERM and another takes its place."""
    with contextlib.ExitStack() as stack:
        async with pair(tmp_path, readiness_delay="300") as first, balancing() as balancer:
            others = [stack.enter_context(started("serve", **first.environment)) for _ in "ab"]
            gateways = [first.gateway, *others]
            ports = [_port(first.url), *[_port(one.wait_for(URL)[0]) for one in others]]
            balancer.add(ports[0])
            await balancer.until({ports[0]})
            clients = Clients(f"http://127.0.0.1:{balancer.port}/graphql")
            running = [asyncio.create_task(clients.run()) for _ in range(CLIENTS)]
            for number in range(len(others)):
                balancer.add(ports[number + 1])
                await _replace(balancer, gateways[number], ports[number], ports[number + 1])
            clients.end()
            await asyncio.gather(*running)
    assert len(set(clients.cards)) == len(clients.cards) >= CLIENTS


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def _replace(balancer: Balancer, gateway: Process, port: int, following: int) -> None:
    """End a gateway as an orchestrator does: its end is waited for, not a time."""
    await balancer.until({port, following})
    os.kill(gateway.pid, signal.SIGTERM)
    await balancer.until({following}, idle=port)
    assert await asyncio.to_thread(gateway.stop) == 0
