"""The engine on PostgreSQL: single statements, durable when they return, or no answer in time."""

import asyncio
import contextlib
import os
import secrets
import signal
import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ledger.postgres import PostgresEngine
from gateway.ledger.store import CardTaken
from tests.postgres import PASSWORD, USER, Cluster, needs_server
from tests.waiting import PATIENCE, waiting_for

pytestmark = [pytest.mark.process, needs_server]

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS store (one INTEGER PRIMARY KEY, id BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS row (key BLOB PRIMARY KEY, state TEXT, at REAL, card BLOB)",
    "CREATE UNIQUE INDEX IF NOT EXISTS row_card ON row (card) WHERE card IS NOT NULL",
)
NEW_STORE = "INSERT INTO store (one, id) VALUES (1, :id) ON CONFLICT (one) DO NOTHING"
CLAIM = """INSERT INTO row AS r (key, state, at, card) VALUES (:key, :state, {now}, :card)
ON CONFLICT (key) DO UPDATE SET at = {now} WHERE r.state = 'open' RETURNING {now}, key"""
UPDATE = "UPDATE row SET state = :state WHERE key = :key RETURNING key"
STATE = "SELECT state FROM row WHERE key = :key"
KEY = b"\x00key\xff"


def row(key: bytes = KEY, *, state: str = "sending", card: bytes | None = None) -> dict[str, Any]:
    """The values of a claim."""
    return {"key": key, "state": state, "card": card}


async def start(engine: PostgresEngine) -> None:
    """Make the tables."""
    await engine.start(SCHEMA, NEW_STORE, {"id": secrets.token_bytes(16)})


@contextlib.asynccontextmanager
async def engine(
    url: str, *, started: bool = True, **options: Any
) -> AsyncIterator[PostgresEngine]:
    """An engine for the length of a block; no deadline of it ends but where a test sets one."""
    made = PostgresEngine(url, **{"deadline": PATIENCE, **options})
    try:
        if started:
            await start(made)
        yield made
    finally:
        await made.aclose()


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the lock of a row that is there."""
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM row WHERE key = %s FOR UPDATE", [KEY])
        yield
        other.rollback()


SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'card-gateway'"
WAITS_FOR_LOCK = "wait_event_type = 'Lock'"


async def until_sessions(postgres: Cluster, condition: str, count: int) -> list[int]:
    """Wait until so many sessions of the gateway are in a condition; their process ids."""
    async with waiting_for(f"{count} sessions with {condition}"):
        while True:
            found = [pid for (pid,) in postgres.run(f"{SESSIONS} AND {condition}")]
            if len(found) == count:
                return found
            await asyncio.sleep(0.01)


async def test_values_come_back_as_they_were_written(database: str) -> None:
    """Bytes, numbers, text and NULL are written and read unchanged."""
    values = {"a": KEY, "b": 1_800_000_000.123456, "c": 7, "d": "ключ'%s", "e": None}
    async with engine(database) as one:
        await one.execute("CREATE TABLE kept (a BLOB, b REAL, c INTEGER, d TEXT, e BLOB)", {})
        await one.execute("INSERT INTO kept VALUES (:a, :b, :c, :d, :e)", values)
        assert await one.execute("SELECT * FROM kept", {}) == [tuple(values.values())]


async def test_statement_is_translated_outside_of_its_quotes_only(database: str) -> None:
    """Names, types and the clock are the server's; quoted text, casts and comments stay."""
    statement = """SELECT ':a 100% BLOB {now} it''s', CAST(:a AS REAL), '1'::text, 7 % 4, "INTEGER"
        FROM (SELECT CAST(:b AS BLOB) AS "INTEGER") AS x WHERE {now} > 1 -- :nobody 5%"""
    async with engine(database) as one:
        rows = await one.execute(statement, {"a": 0.1, "b": b"%"})
    assert rows == [(":a 100% BLOB {now} it's", 0.1, "1", 3, b"%")]


async def test_statement_without_rows_answers_none(database: str) -> None:
    """A statement that returns nothing has an empty list, not an error."""
    async with engine(database) as one:
        assert await one.execute("DELETE FROM row", {}) == []


async def test_rows_that_are_locked_are_left_out(database: str) -> None:
    """A purge does not wait for a row that somebody holds."""
    purge = "DELETE FROM row WHERE key IN (SELECT key FROM row LIMIT 5{skip_locked}) RETURNING key"
    async with engine(database) as one:
        await one.execute(CLAIM, row())
        await one.execute(CLAIM, row(b"other"))
        with locked(database):
            assert await one.execute(purge, {}) == [(b"other",)]


async def test_clock_is_the_servers_unless_one_is_given(database: str) -> None:
    """The store's time is one clock for all, and a test can move it."""
    async with engine(database) as one, engine(database, now="moved() * (3 % 2)") as other:
        await one.execute(
            "CREATE FUNCTION moved() RETURNS float8 LANGUAGE SQL AS 'SELECT 42.5::float8'", {}
        )
        [(there, clock)] = await one.execute(
            "SELECT {now}, extract(epoch from clock_timestamp())::float8", {}
        )
        assert there <= clock <= there + PATIENCE
        assert await other.execute("SELECT {now}", {}) == [(42.5,)]


async def test_each_statement_is_durable_and_reads_what_is_committed(database: str) -> None:
    """What a database has set for its sessions changes neither durability nor isolation."""
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as other:
        for setting in ("synchronous_commit = off", "default_transaction_isolation = serializable"):
            other.execute(f"ALTER DATABASE {name} SET {setting}".encode())
    query = "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')"
    async with engine(database) as one:
        assert await one.execute(query, {}) == [("on", "read committed")]


async def test_stronger_durability_is_kept(database: str) -> None:
    """Who waits for a standby to apply each commit goes on doing so."""
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply".encode())
    async with engine(database) as one:
        query = "SELECT current_setting('synchronous_commit')"
        assert await one.execute(query, {}) == [("remote_apply",)]


async def test_nothing_is_prepared_in_a_session(database: str) -> None:
    """A pooler may give the next transaction another session."""
    async with engine(database, connections=1) as one:
        for _ in range(10):
            await one.execute(CLAIM, row())
        assert await one.execute("SELECT count(*) FROM pg_prepared_statements", {}) == [(0,)]


async def test_gateways_that_start_at_once_make_one_store(database: str) -> None:
    """Four that find no tables make them once, and all find the same store."""
    async with contextlib.AsyncExitStack() as closing:
        opened = [
            await closing.enter_async_context(engine(database, started=False)) for _ in range(4)
        ]
        await asyncio.gather(*map(start, opened))
        found = [await one.execute("SELECT id FROM store", {}) for one in opened]
    assert len(found[0]) == 1
    assert found == [found[0]] * 4


async def test_exactly_one_of_many_claims_wins(database: str) -> None:
    """However many insert a key at once, one of them gets it."""
    async with engine(database) as one, engine(database) as other:
        for number in range(20):
            claims = [each.execute(CLAIM, row(bytes([number]))) for each in (one, other) * 4]
            assert sum(len(rows) for rows in await asyncio.gather(*claims)) == 1


async def test_card_of_another_row_is_taken(database: str) -> None:
    """A value that must be unique and is not is CardTaken, and the engine goes on."""
    async with engine(database) as one:
        await one.execute(CLAIM, row(card=b"card"))
        with pytest.raises(CardTaken):
            await one.execute(CLAIM, row(b"other", card=b"card"))
        assert await one.execute("SELECT count(*) FROM row", {}) == [(1,)]


async def test_statements_share_few_connections(postgres: Cluster, database: str) -> None:
    """More statements than connections wait for one another, and all are carried out."""
    async with engine(database, connections=2) as one:
        rows = await asyncio.gather(*(one.execute(CLAIM, row(bytes([n]))) for n in range(30)))
        assert all(rows)
        await until_sessions(postgres, "state = 'idle'", 2)


async def test_deadline_ends_the_wait_for_a_lock(postgres: Cluster, database: str) -> None:
    """A statement that waits too long is given up, by the server as well: it has no effect."""
    async with engine(database) as one, engine(database, started=False, deadline=0.3) as hasty:
        await one.execute(CLAIM, row())
        with locked(database):
            with pytest.raises(LedgerUnavailable, match="in time"):
                await hasty.execute(UPDATE, {"key": KEY, "state": "changed"})
            await until_sessions(postgres, WAITS_FOR_LOCK, 0)
        assert await one.execute(STATE, {"key": KEY}) == [("sending",)]


async def test_deadline_holds_while_nobody_answers_a_new_connection(
    postgres: Cluster, database: str
) -> None:
    """A server that accepts and says nothing is unavailable, and used again once it speaks."""
    url = f"{database}?connect_timeout={PATIENCE:.0f}"
    async with engine(url, started=False, deadline=0.3, connections=1) as one:
        postgres.pause()
        try:
            with pytest.raises(LedgerUnavailable, match="in time"):
                await one.execute("SELECT 1", {})
        finally:
            postgres.resume()
        async with waiting_for("an answer"):
            while True:
                with contextlib.suppress(LedgerUnavailable):
                    assert await one.execute("SELECT 1", {}) == [(1,)]
                    return


async def test_deadline_holds_while_a_session_is_silent(postgres: Cluster, database: str) -> None:
    """A session that does not answer any more is given up, and the next statement has another."""
    async with engine(database, deadline=0.5, connections=1) as one:
        [pid] = await until_sessions(postgres, "state = 'idle'", 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(LedgerUnavailable, match="in time"):
                await one.execute("SELECT 1", {})
        finally:
            os.kill(pid, signal.SIGCONT)
        await until_sessions(postgres, f"pid = {pid}", 0)


async def test_statement_of_a_caller_that_goes_away_runs_to_its_end(
    postgres: Cluster, database: str
) -> None:
    """A caller that is cancelled cancels nothing on the server."""
    async with engine(database) as one:
        await one.execute(CLAIM, row())
        with locked(database):
            asking = asyncio.create_task(one.execute(UPDATE, {"key": KEY, "state": "changed"}))
            await until_sessions(postgres, WAITS_FOR_LOCK, 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        await until_sessions(postgres, WAITS_FOR_LOCK, 0)
        await one.aclose()
    async with engine(database) as other:
        assert await other.execute(STATE, {"key": KEY}) == [("changed",)]


async def test_server_that_was_killed_is_used_again(postgres: Cluster, database: str) -> None:
    """The first statement after the restart finds what was written before the kill."""
    async with engine(database, connections=1) as one:
        await asyncio.gather(*(one.execute(CLAIM, row(bytes([n]))) for n in range(10)))
        postgres.kill()
        try:
            for _ in range(2):  # on the lost connection, perhaps, and on one that is refused
                with pytest.raises(LedgerUnavailable):
                    await one.execute(CLAIM, row())
        finally:
            postgres.start()
        assert await one.execute("SELECT count(*) FROM row", {}) == [(10,)]


async def test_statement_that_the_kill_interrupts_is_unavailable(
    postgres: Cluster, database: str
) -> None:
    """Nobody knows whether it was carried out: it is not repeated."""
    async with engine(database) as one:
        await one.execute(CLAIM, row())
        with contextlib.suppress(psycopg.OperationalError), locked(database):
            asking = asyncio.create_task(one.execute(UPDATE, {"key": KEY, "state": "changed"}))
            await until_sessions(postgres, WAITS_FOR_LOCK, 1)
            postgres.kill()
            with pytest.raises(LedgerUnavailable):
                await asking
        postgres.start()
        assert await one.execute(STATE, {"key": KEY}) == [("sending",)]


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_statement_that_an_operator_ends_is_unavailable(
    postgres: Cluster, database: str, end: str
) -> None:
    """A session that is ended, or a statement, is unavailable; the next one works."""
    async with engine(database) as one:
        await one.execute(CLAIM, row())
        with locked(database):
            asking = asyncio.create_task(one.execute(UPDATE, {"key": KEY, "state": "changed"}))
            [pid] = await until_sessions(postgres, WAITS_FOR_LOCK, 1)
            postgres.run(f"SELECT {end}({pid})")
            with pytest.raises(LedgerUnavailable):
                await asking
        assert await one.execute(STATE, {"key": KEY}) == [("sending",)]


async def test_commit_that_no_standby_confirmed_is_unavailable(
    postgres: Cluster, database: str
) -> None:
    """A server whose wait for a standby is cancelled says COMMIT, and is not believed."""
    async with engine(database) as one:
        postgres.run("ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'")
        postgres.run("SELECT pg_reload_conf()")
        try:
            asking = asyncio.create_task(one.execute(CLAIM, row()))
            [pid] = await until_sessions(postgres, "wait_event = 'SyncRep'", 1)
            postgres.run(f"SELECT pg_cancel_backend({pid})")
            with pytest.raises(LedgerUnavailable):
                await asking
        finally:
            postgres.run("ALTER SYSTEM RESET synchronous_standby_names")
            postgres.run("SELECT pg_reload_conf()")


@pytest.mark.parametrize("what", ["password", "database", "user", "port"])
async def test_server_that_lets_nobody_in_is_unavailable(postgres: Cluster, what: str) -> None:
    """The error says so, and neither text nor traceback name host, user or password."""
    urls = {
        "password": postgres.url(password="wrong-secret"),
        "database": postgres.url("missing-database"),
        "user": postgres.url(user="stranger"),
        "port": postgres.url().replace(str(postgres.port), "1"),
    }
    async with engine(urls[what], started=False) as one:
        with pytest.raises(LedgerUnavailable, match="cannot be reached, or refuses") as caught:
            await start(one)
    told = "".join(traceback.format_exception(caught.value))
    for secret in ("127.0.0.1", PASSWORD, USER, "wrong-secret", "stranger", "missing-database"):
        assert secret not in told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hidden/word@[::1",
        "postgresql://user:hidden word@host/name",
        "postgresql://user:hidden@host/name?sslmod=require",
        "hidden",
    ],
)
async def test_url_that_cannot_be_read_is_refused(url: str) -> None:
    """A setting that is no URL is an error of the settings, which does not repeat it."""
    with pytest.raises(ConfigError, match="GATEWAY_LEDGER") as caught:
        PostgresEngine(url)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


async def test_server_that_forgets_is_refused(postgres: Cluster, database: str) -> None:
    """A server that does not wait for its disk loses keys: it is not used."""
    postgres.stop()
    postgres.start("fsync=off")
    try:
        with pytest.raises(ConfigError, match="fsync"):
            async with engine(database):
                pass
    finally:
        postgres.stop()
        postgres.start()


async def test_server_that_is_too_old_is_refused(database: str) -> None:
    """A server older than those that this was written for is not used."""
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE SQL "
            "AS $$ SELECT CASE $1 WHEN 'server_version_num' THEN '130099' "
            "ELSE pg_catalog.current_setting($1) END $$"
        )
    with pytest.raises(ConfigError, match="older"):
        async with engine(f"{database}?options=-csearch_path%3Dpublic,pg_catalog"):
            pass


async def test_server_that_takes_no_writes_is_unavailable(database: str) -> None:
    """A standby, or a server that is read-only, is not the store."""
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    async with engine(database, started=False) as one:
        with pytest.raises(LedgerUnavailable):
            await start(one)


async def test_error_in_a_statement_is_named_by_its_kind(database: str) -> None:
    """A table that is missing is told by its code, without the statement."""
    async with engine(database) as one:
        with pytest.raises(LedgerUnavailable, match=r"UndefinedTable, SQLSTATE 42P01\)"):
            await one.execute("SELECT 1 FROM nowhere", {})


async def test_closed_engine_is_unavailable(database: str) -> None:
    """After the end nothing is opened any more."""
    async with engine(database) as one:
        await one.aclose()
        with pytest.raises(LedgerUnavailable):
            await one.execute("SELECT 1", {})
