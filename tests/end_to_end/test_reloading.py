"""Settings that are changed while a gateway runs: all of them at once, or none."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import events
from gateway.events import Event
from tests.clicks import click, http_client
from tests.pair import Pair, pair
from tests.stack import CARD, ISSUE, issue_input, running
from tests.tokens import IdentityProvider
from tests.waiting import until, waiting_for

process = pytest.mark.process
RELOADED, REFUSED = '"event":"settings_reloaded"', '"event":"settings_refused"'


class Kept:
    """A sink that keeps what is told of reloads."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, ...]] = []
        self.problems: list[tuple[str, ...]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, events.SettingsReloaded):
            self.changed.append(event.changed)
        if isinstance(event, events.SettingsRefused):
            self.problems.append(event.problems)


async def test_rates_are_changed_and_counts_are_kept(tmp_path: Path) -> None:
    """A rate that stays keeps its counts, and one that is changed begins anew."""
    identity, kept = IdentityProvider(tmp_path), Kept()
    rates = {"card": "1/hour", "issueVirtualCard": "1/hour"}
    async with running(sinks=[kept], **identity.settings(rate_limits=rates)) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        card = (await stack.issue())["card"]["id"]
        await stack.card(card)
        await stack.reload(rate_limits=rates | {"card": "2/hour"})
        await stack.card(card)
        assert (await stack.issue())["__typename"] == "RateLimited"
    assert kept.changed == [("GATEWAY_RATE_LIMITS",)]


async def test_keys_of_the_identity_provider_are_read_anew(tmp_path: Path) -> None:
    """A key that is no longer in the file does not prove anybody, without a restart."""
    identity, kept = IdentityProvider(tmp_path), Kept()
    identity.add("ec-2", ec.generate_private_key(ec.SECP256R1()))
    async with running(sinks=[kept], **identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        await stack.issue()
        del identity.keys["ec-1"]
        identity.publish()
        await stack.reload()
        async with waiting_for("the key to be refused"):
            while (await stack.post(CARD, {"id": "x"})).status_code != 401:
                pass
    assert kept.changed == [("GATEWAY_JWT_KEYS",)]


def manifest(file: Path, *texts: str) -> str:
    """A manifest of these documents."""
    file.write_text(json.dumps({f"document-{number}": text for number, text in enumerate(texts)}))
    return str(file)


async def test_documents_are_read_anew(tmp_path: Path) -> None:
    """What is no longer in the manifest is no longer run, and what is new in it is."""
    kept, first, second = Kept(), "{ __typename }", "{ a: __typename }"
    file = tmp_path / "manifest.json"
    given: dict[str, Any] = {"documents": (manifest(file, first),), "documents_mode": "only"}
    async with running(sinks=[kept], **given) as stack:
        assert (await stack.post(first)).status_code == 200
        assert "DOCUMENT_NOT_TRUSTED" in (await stack.post(second)).text
        manifest(file, second)
        await stack.reload()
        assert "DOCUMENT_NOT_TRUSTED" in (await stack.post(first)).text
        assert (await stack.post(second)).json() == {"data": {"a": "Query"}}
    assert kept.changed == [("GATEWAY_DOCUMENTS",)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rate_limits": {"no_field": "1/hour"}}, "GATEWAY_RATE_LIMITS: has an unknown name"),
        ({"documents": ("missing.json",)}, "GATEWAY_DOCUMENTS: "),
        ({"mutations": "perhaps"}, "GATEWAY_MUTATIONS: must be on, repeats-only or off"),
    ],
)
async def test_a_part_that_cannot_be_used_changes_nothing(changes: Any, problem: str) -> None:
    """Beside one that is wrong, what would be right is not taken either."""
    kept = Kept()
    async with running(sinks=[kept]) as stack:
        await stack.reload(**({"mutations": "off"} | changes))
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    assert kept.changed == []
    assert any(one.startswith(problem) for one in kept.problems[0])


async def test_a_key_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """A file that is broken is refused, and the keys that are held go on to prove callers."""
    identity, kept = IdentityProvider(tmp_path), Kept()
    async with running(sinks=[kept], **identity.settings()) as stack:
        stack.client.headers["Authorization"] = f"Bearer {identity.token()}"
        await stack.issue()
        identity.file.write_text("{")
        await stack.reload(mutations="off")
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    assert kept.problems[0][0].startswith("GATEWAY_JWT_KEYS: its file cannot be used")


async def test_a_fault_while_settings_are_read_ends_nothing() -> None:
    """What nobody has foreseen is told as a fault, and the gateway serves on as it did."""
    kept: list[Event] = []

    def broken() -> Any:
        raise KeyError("canary")

    async with running(sinks=[kept.append]) as stack:
        await stack.app.state.reloading.reload(broken)
        assert (await stack.issue())["__typename"] == "IssueVirtualCardSuccess"
    [fault] = [event for event in kept if isinstance(event, events.UnexpectedError)]
    assert fault.error == "KeyError"
    assert "canary" not in repr(kept)


@contextlib.asynccontextmanager
async def reloadable(folder: Path, **settings: str) -> AsyncIterator[tuple[Pair, Path]]:
    """A gateway, and the file of its reloadable settings."""
    file = folder / "reload.env"
    file.write_text("")
    async with pair(folder, faults=None, reload_file=str(file), **settings) as both:
        yield both, file


def hang_up(one: Pair) -> None:
    """Ask for the settings to be read anew."""
    os.kill(one.gateway.pid, signal.SIGHUP)


@process
@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_turns_the_switch_and_drops_no_request(tmp_path: Path, workers: int) -> None:
    """Under load every request is answered: with a card, or that mutations are paused."""
    async with reloadable(tmp_path, workers=str(workers)) as (one, file), http_client() as client:
        ended, told = asyncio.Event(), []

        async def clicks() -> None:
            while not ended.is_set():
                told.append((await click(client, one.url))["__typename"])

        clients = [asyncio.create_task(clicks()) for _ in range(4)]
        await until("cards", lambda: "IssueVirtualCardSuccess" in told)
        file.write_text("GATEWAY_MUTATIONS=repeats-only\n")
        hang_up(one)
        for _ in range(workers):
            await asyncio.to_thread(one.gateway.wait_for, RELOADED)
        last = await click(client, one.url)
        file.write_text("GATEWAY_MUTATIONS=on\n")
        hang_up(one)
        for _ in range(workers):
            await asyncio.to_thread(one.gateway.wait_for, RELOADED)
        first = await click(client, one.url)
        ended.set()
        await asyncio.gather(*clients)
        assert one.gateway.stop() == 0
    assert last["__typename"] == "GatewayUnavailable"
    assert first["__typename"] == "IssueVirtualCardSuccess"
    assert set(told) <= {"IssueVirtualCardSuccess", "GatewayUnavailable"}


@process
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_broken_file_keeps_what_holds(tmp_path: Path, workers: int) -> None:
    """One line names all problems and no value, and the gateway goes on as it did."""
    async with reloadable(tmp_path, workers=str(workers)) as (one, file), http_client() as client:
        file.write_text("GATEWAY_MUTATIONS=canary\nGATEWAY_PORT=1\nno line\n")
        hang_up(one)
        line = await asyncio.to_thread(one.gateway.wait_for, REFUSED)
        assert (await click(client, one.url))["__typename"] == "IssueVirtualCardSuccess"
        problems = json.loads(line.string)["problems"]
        assert one.gateway.stop() == 0
    assert [problem.partition(":")[0] for problem in problems] == [
        "GATEWAY_RELOAD_FILE line 3",
        "GATEWAY_PORT",
        "GATEWAY_MUTATIONS",
    ]
    assert "canary" not in one.gateway.output


@process
async def test_a_worker_that_starts_later_has_what_holds(tmp_path: Path) -> None:
    """A worker that takes the place of a killed one is as paused as the others were."""
    async with reloadable(tmp_path, workers="2") as (one, file), http_client() as client:
        pids = [int(one.gateway.wait_for(r'"pid":(\d+),"event":"worker_started"')[1]) for _ in "12"]
        file.write_text("GATEWAY_MUTATIONS=off\n")
        hang_up(one)
        for _ in pids:
            await asyncio.to_thread(one.gateway.wait_for, RELOADED)
        file.write_text("GATEWAY_MUTATIONS=nothing that is known\n")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for _ in pids:
            await asyncio.to_thread(one.gateway.wait_for, '"event":"worker_started"')
        answers = [await click(client, one.url) for _ in range(4)]
    assert {answer["code"] for answer in answers} == {"MUTATIONS_PAUSED"}


@process
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_storm_of_signals_is_obeyed(tmp_path: Path, workers: int) -> None:
    """Signals during the start, in great number and during the end do no harm."""
    async with reloadable(tmp_path, workers=str(workers)) as (one, file), http_client() as client:
        file.write_text("GATEWAY_MUTATIONS=off\n")
        for _ in range(200):
            hang_up(one)
        await asyncio.to_thread(one.gateway.wait_for, RELOADED)
        async with waiting_for("the switch"):
            while (await click(client, one.url)).get("code") != "MUTATIONS_PAUSED":
                pass
        body = {"query": ISSUE, "variables": issue_input()}
        answer = await client.post(f"{one.url}/graphql", json=body)
        assert answer.status_code == 200
        hang_up(one)
        assert one.gateway.stop() == 0


@process
async def test_the_file_wins_over_the_environment_at_the_start(tmp_path: Path) -> None:
    """What the file says holds from the beginning, and a restart turns no switch back."""
    file = tmp_path / "reload.env"
    file.write_text("GATEWAY_MUTATIONS=off\n")
    settings = {"reload_file": str(file), "mutations": "on"}
    async with pair(tmp_path, faults=None, **settings) as one, http_client() as client:
        assert (await click(client, one.url))["code"] == "MUTATIONS_PAUSED"
