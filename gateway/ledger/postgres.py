"""The engine on a PostgreSQL server, 14 or newer: a store that gateways on many machines share.

Each statement is a transaction of its own, which is sent at once and answered in one round trip:

    BEGIN at READ COMMITTED → settings of this transaction → the statement → COMMIT

Nothing is left in the session and nothing is prepared there, so a pooler may give each transaction
another session. What has failed is never sent again from here: it may have been carried out.
"""

import asyncio
import contextlib
import logging
import os
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import conninfo, errors

from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ledger import sql
from gateway.ledger.store import CardTaken
from gateway.runtime import look_at

Rows: TypeAlias = list[tuple[Any, ...]]
Values: TypeAlias = Mapping[str, Any]

DEADLINE = 2.0
CLOCK = "extract(epoch from clock_timestamp())::float8"
_START_LIMIT = 15.0  # seconds: several processes make the tables one after the other
_SERVERS_PART = 0.9  # of the time that is left: its answer then comes before we disconnect
_IDLE = 60.0  # seconds: a firewall forgets a connection that says nothing
_OLDEST = 140_000
_LOCK = 0x6361_7264_6B65_7973  # of no meaning; only the same in all processes
_SYNCHRONOUS_WAIT = "SyncRepWaitForLSN"

_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
# Only for this transaction. A stronger durability than "on" stays as the operator chose it.
_SETTINGS = b"""SELECT set_config('statement_timeout', %(milliseconds)s, true),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit')
        IN ('off', 'local', 'remote_write') THEN 'on'
        ELSE current_setting('synchronous_commit') END, true)"""
_COMMIT = b"COMMIT"
_SERVER = b"""SELECT current_setting('server_version_num')::integer, current_setting('fsync')"""
_ONE_AT_A_TIME = b"SELECT pg_advisory_xact_lock(%(lock)s)"

_TURN = b"SELECT pg_advisory_xact_lock(hashtextextended(encode(%(account)s, 'hex'), 0))"

_TYPES = {"BLOB": "bytea", "REAL": "double precision", "INTEGER": "bigint"}
_TOKEN = re.compile(
    r"""(?P<kept> '(?:[^']|'')*' | "[^"]*" | --[^\n]* | :: )
    | :(?P<name>[a-z_][a-z0-9_]*)
    | \{(?P<marker>now|skip_locked)\}
    | \b(?P<type>BLOB|REAL|INTEGER)\b
    | (?P<percent>%)""",
    re.VERBOSE,
)

# Its warnings name host and user.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


class _Command(NamedTuple):
    """A statement as the driver takes it, and its values."""

    text: bytes
    values: Values


class PostgresEngine:
    """Runs statements on the server of a ``postgresql://`` URL, on at most ``connections``.

    ``now`` is the SQL of the store's clock. A statement that has no answer within ``deadline``
    seconds is LedgerUnavailable: nobody knows then whether it is carried out.
    """

    def __init__(
        self, url: str, *, deadline: float = DEADLINE, connections: int = 8, now: str = CLOCK
    ) -> None:
        self._deadline = deadline
        self._markers = {"now": now, "skip_locked": " FOR UPDATE SKIP LOCKED"}
        self._texts: dict[str, bytes] = {}
        self._sessions = _Sessions(_parameters(url), connections)
        self._running: set[asyncio.Task[Rows]] = set()

    async def start(self, schema: Sequence[str], new_store: str, values: Values) -> None:
        """Create what is not there yet, while no other process does so.

        Raises ConfigError where the server must not be used.
        """
        _check(await self._run(_START_LIMIT, _Command(_SERVER, {})))
        await self._run(
            _START_LIMIT,
            _Command(_ONE_AT_A_TIME, {"lock": _LOCK}),
            *(self._command(statement, {}) for statement in schema),
            self._command(new_store, values),
        )

    async def execute(self, statement: str, values: Values) -> Rows:
        """Run one statement; whoever goes away meanwhile, it runs to its end."""
        command = self._command(statement, values)
        if statement is not sql.CLAIM_WITHIN_LIMIT:
            return await self._run(self._deadline, command)
        # It counts rows: at READ COMMITTED two of them would not see each other's.
        return await self._run(self._deadline, _Command(_TURN, values), command)

    async def aclose(self) -> None:
        """Wait for what runs, at most until its deadline, and close all connections."""
        if self._running:
            await asyncio.wait(self._running)
        await self._sessions.aclose()

    def _command(self, statement: str, values: Values) -> _Command:
        text = self._texts.get(statement)
        if text is None:
            text = self._texts[statement] = _translated(statement, self._markers)
        return _Command(text, values)

    async def _run(self, seconds: float, *commands: _Command) -> Rows:
        # In a task: the driver would ask the server to cancel, and a COMMIT that waits for its
        # standby would then be reported as done.
        task = asyncio.create_task(self._transact(time.monotonic() + seconds, commands))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(look_at)  # nobody may be left to see its error
        return await asyncio.shield(task)

    async def _transact(self, until: float, commands: Sequence[_Command]) -> Rows:
        try:
            async with asyncio.timeout(until - time.monotonic()):
                session = await self._sessions.take()
            rows = await session.run(until, commands)
        except (psycopg.Error, OSError, ValueError) as error:
            # The driver's own words name host and user, in the text of a cause as well.
            raise _failure(error, is_late=time.monotonic() >= until) from None
        return rows


class _Session:
    """A connection to the server, or to a pooler; it is used for one transaction at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], sessions: "_Sessions") -> None:
        self._connection = connection
        self._sessions = sessions
        self._since = time.monotonic()
        self._is_replicated = True
        connection.add_notice_handler(self._hear)

    async def run(self, until: float, commands: Sequence[_Command]) -> Rows:
        """Run the commands in one transaction; a session in which one failed is not used again."""
        seconds = max(0.0, until - time.monotonic())
        timer = asyncio.get_running_loop().call_later(seconds, self._end_connection)
        is_usable = False
        try:
            rows = await self._pipeline(seconds, commands)
            is_usable = True
        finally:
            timer.cancel()
            self._since = time.monotonic()
            await self._sessions.give_back(self, is_usable=is_usable)
        return rows

    async def _pipeline(self, seconds: float, commands: Sequence[_Command]) -> Rows:
        milliseconds = max(1, int(seconds * _SERVERS_PART * 1000))
        connection = self._connection
        async with connection.pipeline():
            await connection.execute(_BEGIN)
            await connection.execute(_SETTINGS, {"milliseconds": str(milliseconds)})
            answers = [await connection.execute(text, values) for text, values in commands]
            end = await connection.execute(_COMMIT)
        if end.statusmessage != "COMMIT" or not self._is_replicated:
            raise errors.OperationalError("not committed")
        return await answers[-1].fetchall() if answers[-1].description else []

    def _hear(self, notice: errors.Diagnostic) -> None:
        """Somebody cancelled the wait for a standby: the server then says COMMIT and warns."""
        if notice.source_function == _SYNCHRONOUS_WAIT:
            self._is_replicated = False

    def _end_connection(self) -> None:
        """End the connection below the driver, which then sees it lost and cancels nothing."""
        if self._connection.closed:
            return
        end = socket.socket(fileno=os.dup(self._connection.fileno()))
        with end, contextlib.suppress(OSError):  # the server may have ended it meanwhile
            end.shutdown(socket.SHUT_RDWR)

    @property
    def is_fresh(self) -> bool:
        """Whether it was used a short while ago, and the server has not ended it since."""
        if self._connection.closed or time.monotonic() - self._since > _IDLE:
            return False
        looking = select.poll()
        looking.register(self._connection.fileno(), select.POLLIN)
        # Between two transactions a server says nothing but that it ends.
        return not looking.poll(0)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.close()


class _Sessions:
    """The connections: one is made when it is needed and none is free, at most ``most``."""

    def __init__(self, parameters: Mapping[str, Any], most: int) -> None:
        self._parameters = parameters
        self._slots = asyncio.Semaphore(most)
        self._free: list[_Session] = []  # the one that was used last is the last
        self._opening: set[asyncio.Task[_Session]] = set()
        self._is_closed = False

    async def take(self) -> _Session:
        """A session; the caller runs something in it, and with that gives it back."""
        await self._slots.acquire()
        try:
            if self._is_closed:
                raise errors.OperationalError("closed")
            return await self._free_one() or await self._new()
        except (psycopg.Error, OSError, ValueError):
            self._slots.release()
            raise

    async def give_back(self, session: _Session, *, is_usable: bool) -> None:
        """Keep a session for the next one, or close it."""
        self._slots.release()
        if is_usable and not self._is_closed:
            self._free.append(session)
        else:
            await session.aclose()

    async def aclose(self) -> None:
        """Close what is free, and open nothing more."""
        self._is_closed = True
        for task in self._opening:
            task.cancel()
        while self._free:
            await self._free.pop().aclose()

    async def _free_one(self) -> _Session | None:
        while self._free:
            session = self._free.pop()
            if session.is_fresh:
                return session
            await session.aclose()
        return None

    async def _new(self) -> _Session:
        """Open a session; one that comes too late for this statement is there for the next."""
        task = asyncio.create_task(self._open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._keep)
            raise

    async def _open(self) -> _Session:
        connection = await psycopg.AsyncConnection.connect(
            autocommit=True, prepare_threshold=None, **self._parameters
        )
        return _Session(connection, self)

    def _keep(self, task: "asyncio.Task[_Session]") -> None:
        self._slots.release()
        look_at(task)
        if not task.cancelled() and task.exception() is None:
            self._free.append(task.result())


def _parameters(url: str) -> dict[str, Any]:
    """The URL's parameters, with ours where it has none; a parameter that is unknown is refused."""
    try:
        given = conninfo.conninfo_to_dict(url)
        # Where the password holds an unescaped "/", a part of it is taken for the port.
        for port in str(given.get("port") or 0).split(","):
            int(port or 0)
    except (psycopg.Error, ValueError):
        # The reason would repeat a part of the URL, which may be that of the password.
        raise ConfigError(
            ["GATEWAY_LEDGER: is not a URL like postgresql://user:password@host:5432/database"]
        ) from None
    usual = {"connect_timeout": 5, "application_name": "card-gateway"}
    return {**usual, **given, "client_encoding": "utf8", "target_session_attrs": "read-write"}


def _check(answer: Rows) -> None:
    """Refuse a server that is too old, or that forgets what it has confirmed."""
    [(version, fsync)] = answer
    if version < _OLDEST:
        raise ConfigError(["GATEWAY_LEDGER: the server is older than PostgreSQL 14"])
    if fsync != "on":
        raise ConfigError(
            ["GATEWAY_LEDGER: the server has fsync off, and loses keys when its machine stops"]
        )


def _translated(statement: str, markers: Mapping[str, str]) -> bytes:
    """The statement in the server's words, as the driver takes it."""
    return _TOKEN.sub(partial(_token, markers), statement).encode()


def _token(markers: Mapping[str, str], found: re.Match[str]) -> str:
    if name := found["name"]:
        return f"%({name})s"
    if word := found["type"]:
        return _TYPES[word]
    text = markers[found["marker"]] if found["marker"] else found[0]
    return text.replace("%", "%%")


def _failure(error: Exception, *, is_late: bool) -> Exception:
    """What a failure means; the text has nothing of the driver's but the kind of error."""
    if isinstance(error, errors.UniqueViolation):
        return CardTaken()
    if is_late or isinstance(error, (TimeoutError, errors.QueryCanceled)):
        return LedgerUnavailable("The ledger's database did not answer in time.")
    if isinstance(error, psycopg.Error) and error.sqlstate:
        kind = f"{type(error).__name__}, SQLSTATE {error.sqlstate}"
        return LedgerUnavailable(f"The ledger's database failed ({kind}).")
    return LedgerUnavailable("The ledger's database cannot be reached, or refuses the connection.")
