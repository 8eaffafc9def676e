"""The ledger's file: who can read it, what is refused, and what its failures come to."""

import asyncio
import contextlib
import os
import shutil
import stat
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway import errors
from gateway.events import LedgerChanged
from gateway.ledger import Replay, SqliteEngine, sql
from tests.ledger.world import START, World, world_of
from tests.waiting import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose store is a file."""
    async with world_of("sqlite", tmp_path) as made:
        yield made


def file(world: World) -> Path:
    """The ledger's file."""
    return world.folder / "ledger.db"


def connection(path: Path) -> apsw.Connection:
    """Another connection to the file, which waits for others as a process does."""
    made = apsw.Connection(str(path))
    made.set_busy_timeout(60_000)
    return made


async def test_nobody_else_can_read_the_files(world: World) -> None:
    """The file and all that SQLite keeps beside it are the owner's alone, whatever the umask."""
    before = os.umask(0)
    try:
        one = await world.process()
        await one.ask()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in world.folder.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)


def not_a_database(path: Path) -> None:
    """A file with something else in it."""
    path.write_text("canary " * 1000)


def damaged(path: Path) -> None:
    """A ledger with a hole."""
    with contextlib.closing(connection(path)) as other:
        other.execute("CREATE TABLE ledger_store (x)")
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)


def newer(path: Path) -> None:
    """A ledger of a version to come."""
    with contextlib.closing(connection(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        for statement in sql.SCHEMA:
            other.execute(statement)
        other.execute("INSERT INTO ledger_store VALUES (1, x'00', 9, 9, 0.0, 0.0)")


def a_folder(path: Path) -> None:
    """A folder of that name."""
    path.mkdir()


def no_folder(path: Path) -> None:
    """The folder is not there."""
    shutil.rmtree(path.parent)


UNUSABLE = {
    not_a_database: "is not a ledger of this gateway, or is damaged",
    damaged: "is not a ledger of this gateway, or is damaged",
    newer: "newer version",
    a_folder: "cannot be opened",
    no_folder: "cannot be opened: no such file or directory",
}


@pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__)
async def test_a_file_that_is_no_ledger_is_refused_and_left(tmp_path: Path, spoil: Any) -> None:
    """What cannot be read as a ledger is named with the reason, and never replaced."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    path = folder / "ledger.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    async with world_of("sqlite", folder) as world:
        with pytest.raises(errors.ConfigError) as caught:
            await world.process()
    [problem] = caught.value.problems
    assert problem.startswith("GATEWAY_LEDGER: ")
    assert UNUSABLE[spoil] in problem
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_newer_ledger_that_says_so_can_be_used(world: World) -> None:
    """A schema to come that this version can read is no reason to stop: gateways are renewed one
    after the other."""
    made = await (await world.process()).ask()
    with contextlib.closing(connection(file(world))) as other:
        other.execute("UPDATE ledger_store SET schema_version = schema_version + 1")
    other_gateway = await world.process()
    assert await other_gateway.ask() == Replay(made.card_id)


@pytest.mark.parametrize("gone", ["ledger.db", "ledger.db-wal"])
async def test_a_file_that_is_deleted_is_noticed(world: World, gone: str) -> None:
    """SQLite would write on into nothing: no click is sent from then on."""
    one = await world.process()
    await one.ask()
    (world.folder / gone).unlink()
    told = await one.told(uuid.uuid4())
    assert (type(told), told.retryable) == (errors.LedgerUnavailable, True)
    assert "was deleted" in told.message
    assert len(world.provider.calls) == 1


async def test_a_file_that_is_replaced_is_noticed(world: World, tmp_path: Path) -> None:
    """Another file of the same name is not this ledger."""
    one = await world.process()
    await one.ask()
    copy = tmp_path / "copy"
    shutil.copy(file(world), copy)
    copy.rename(file(world))
    assert isinstance(await one.told(uuid.uuid4()), errors.LedgerUnavailable)


async def test_a_full_disk_sends_nothing(world: World) -> None:
    """A claim that finds no place on the disk is refused as not sent, and old keys are known."""
    one = await world.process()
    made = await one.ask()
    pages = sqlite_pages(file(world))
    await one.store._engine.execute(f"PRAGMA max_page_count = {pages}", {})
    told = None
    for _ in range(500):
        try:
            await one.ask(uuid.uuid4())
        except errors.GatewayError as error:
            told = error
            break
    assert isinstance(told, errors.LedgerUnavailable)
    assert "full" in told.message
    assert await one.ask() == Replay(made.card_id)


def sqlite_pages(path: Path) -> int:
    """How many pages the file has."""
    with contextlib.closing(connection(path)) as other:
        return int(other.execute("PRAGMA page_count").get)


async def test_a_locked_file_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    """Another process that holds the file longer than the deadline costs a retry, not a card."""
    async with world_of("sqlite", tmp_path) as world:
        engine = SqliteEngine(tmp_path / "ledger.db", world.now, deadline=0.2)
        one = await world.process(engine)
        with contextlib.closing(connection(file(world))) as other:
            other.execute("BEGIN IMMEDIATE")
            told = await one.told()
            assert isinstance(told, errors.LedgerUnavailable)
            assert world.provider.calls == []
            other.execute("ROLLBACK")
        for _ in range(100):  # until what waited in the thread is done
            if not isinstance(await told_or_none(one), errors.LedgerUnavailable):
                break
        assert world.made == 1


async def told_or_none(process: Any) -> errors.GatewayError | None:
    """The error that is told, if one is."""
    try:
        await process.ask()
    except errors.GatewayError as error:
        return error
    return None


async def test_a_disk_does_not_hold_the_event_loop(world: World) -> None:
    """Statements run in a thread of their own: while one waits, the loop goes on."""
    one = await world.process()
    await one.ask()
    with contextlib.closing(connection(file(world))) as other:
        other.execute("BEGIN IMMEDIATE")
        click = one.start(uuid.uuid4())
        turns = 0
        while turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert not click.done()
        other.execute("ROLLBACK")
    assert (await click).card_id in world.provider.cards


async def test_several_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Gateways that start together on a new file all find one ledger in it."""
    async with world_of("sqlite", tmp_path) as world:
        await asyncio.gather(*[world.process() for _ in range(8)])
        with contextlib.closing(connection(file(world))) as other:
            assert other.execute("SELECT count(*) FROM ledger_store").get == 1


async def test_many_claims_share_a_flush(world: World) -> None:
    """What waits while the thread writes is committed together, and each has its own answer."""
    one = await world.process()
    keys = [uuid.uuid4() for _ in range(100)]
    cards = await asyncio.gather(*map(one.ask, keys))
    assert len({each.card_id for each in cards}) == 100
    again = await asyncio.gather(*map(one.ask, keys))
    assert [each.card_id for each in again] == [each.card_id for each in cards]


async def test_an_entry_is_small(world: World) -> None:
    """A remembered key takes under 600 bytes with its indexes, as the settings say."""
    one = await world.process()
    for _ in range(10):
        await asyncio.gather(*[one.ask(uuid.uuid4()) for _ in range(200)])
    await world.end(one)
    assert 200 < file(world).stat().st_size / 2000 < 600


async def test_the_thread_ends_with_its_ledger(world: World) -> None:
    """A ledger that is closed leaves no thread and no lock behind."""
    one = await world.process()
    await one.ask()
    await world.end(one)
    assert "ledger" not in {thread.name for thread in threading.enumerate()}
    two = await world.process()
    assert isinstance(await two.ask(), Replay)
    assert world.now.time == START


async def test_a_ledger_that_is_locked_at_the_start_is_opened_later(tmp_path: Path) -> None:
    """A gateway starts beside one that holds the file, and sends as soon as it lets go."""
    async with world_of("sqlite", tmp_path) as world:
        first = await world.process()
        with contextlib.closing(connection(file(world))) as other:
            other.execute("BEGIN IMMEDIATE")
            engine = SqliteEngine(file(world), world.now, deadline=0.1)
            two = await world.process(engine)
            told = await two.told()
            assert isinstance(told, errors.LedgerUnavailable)
            assert LedgerChanged(problem=told.message) in world.events
            other.execute("ROLLBACK")
        await until("the ledger to be opened", lambda: LedgerChanged(problem=None) in world.events)
        await first.ask()
        assert isinstance(await two.ask(), Replay)
