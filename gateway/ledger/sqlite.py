"""The engine on a file: SQLite with a write-ahead log, shared by the processes of one machine.

One thread writes, so that the event loop never waits for a disk. What has come while it wrote is
committed together (group commit): many claims cost one flush.
"""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ledger.memory import run
from gateway.ledger.store import CardTaken

Rows: TypeAlias = list[tuple[Any, ...]]
# The busy handler of SQLite is not fair: with four processes one waited for 1.1 seconds.
DEADLINE = 2.0
_MOST = 200  # statements in one transaction
# Seconds to wait for more statements where the last transaction had several: each costs CPU, too.
_GATHER = 0.001
_NOT_A_LEDGER = "is not a ledger of this gateway, or is damaged; it is left as it is"


@dataclass(frozen=True, slots=True)
class _Job:
    """A statement that waits for the thread, and where its rows go."""

    statement: str
    values: Mapping[str, Any]
    rows: "asyncio.Future[Rows]"

    @property
    def writes(self) -> bool:
        return not self.statement.startswith("SELECT")


class SqliteEngine:
    """Runs statements on the file ``path``; ``now`` is the store's clock in UNIX seconds.

    A statement that has no answer within ``deadline`` seconds is LedgerUnavailable: nobody knows
    then whether it is carried out.
    """

    def __init__(self, path: Path, now: Callable[[], float], *, deadline: float = DEADLINE) -> None:
        self._path = path.resolve()  # a link is followed once
        self._now = now
        self._deadline = deadline
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._thread: threading.Thread | None = None
        self._paths = (str(self._path), f"{self._path}-wal")  # looked at in each transaction
        self._files: list[tuple[int, int]] = []

    async def start(self, schema: Sequence[str], new_store: str, values: Mapping[str, Any]) -> None:
        """Open the file, and make it where there is none; a file that cannot be read is left.

        Raises ConfigError, which names the file and the reason.
        """
        await asyncio.to_thread(self._open, schema, new_store, values)
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    async def execute(self, statement: str, values: Mapping[str, Any]) -> Rows:
        """Run one statement in the thread."""
        if self._thread is None:
            raise _unavailable("is not open yet")
        job = _Job(statement, values, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        try:
            async with asyncio.timeout(self._deadline):
                return await job.rows
        except TimeoutError:
            raise _unavailable("did not answer in time") from None

    async def aclose(self) -> None:
        """Write what waits, and close the file."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, schema: Sequence[str], new_store: str, values: Mapping[str, Any]) -> None:
        try:
            self._make_file()
            self._connection = self._connect()
            self._begin()
            for statement in schema:
                self._connection.execute(statement)
            run(self._connection, new_store, {**values, "now": self._now()})
            self._connection.execute("COMMIT")
        except OSError as error:
            raise self._unusable(
                f"cannot be opened: {(error.strerror or 'failed').lower()}"
            ) from error
        except apsw.BusyError as error:
            self._close()
            raise _unavailable(_reason(error)) from error
        except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError) as error:
            raise self._unusable(_NOT_A_LEDGER) from error
        except apsw.Error as error:
            raise self._unusable(f"cannot be opened: {error}") from error
        self._files = self._found_files()

    def _make_file(self) -> None:
        """Nobody else may read it; SQLite gives its other files the same mode."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(int(self._deadline * 1000))
        if connection.execute("PRAGMA journal_mode = WAL").get != "wal":
            raise self._unusable("is on a file system without shared memory")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _found_files(self) -> list[tuple[int, int]]:
        """Device and inode of the file and of its log."""
        found = (os.stat(path) for path in self._paths)
        return [(file.st_dev, file.st_ino) for file in found]

    def _begin(self) -> None:
        assert self._connection is not None  # noqa: S101 (it is open)
        # A transaction that reads first and writes then could not wait for another process's.
        self._connection.execute("BEGIN IMMEDIATE")

    def _work(self) -> None:
        is_busy = False
        while (first := self._jobs.get()) is not None:
            if is_busy:
                time.sleep(_GATHER)
            jobs = self._following(first)
            is_busy = len(jobs) > 1
            self._run_all(jobs)

    def _following(self, first: _Job) -> list[_Job]:
        """The job, and those that have come meanwhile."""
        jobs = [first]
        while len(jobs) < _MOST and not self._jobs.empty():
            following = self._jobs.get()
            if following is None:
                self._jobs.put(None)
                break
            jobs.append(following)
        return jobs

    def _run_all(self, jobs: list[_Job]) -> None:
        """Run the statements, and tell the event loop of them only when all are durable."""
        writes = [job for job in jobs if job.writes]
        reads = [job for job in jobs if not job.writes]
        told = self._read(reads) if reads else []
        try:
            told += self._commit(writes) if writes else []
        except Exception as error:  # a thread that ends would leave all keys without an answer
            self._roll_back()
            told += _all_fail(writes, error)
        jobs[0].rows.get_loop().call_soon_threadsafe(_tell, told)

    def _read(self, jobs: list[_Job]) -> list[tuple[_Job, Rows | Exception]]:
        try:
            self._check_files()
            return [(job, self._one(job)) for job in jobs]
        except Exception as error:
            return _all_fail(jobs, error)

    def _commit(self, jobs: list[_Job]) -> list[tuple[_Job, Rows | Exception]]:
        assert self._connection is not None  # noqa: S101 (it is open)
        self._begin()
        told = [(job, self._one(job)) for job in jobs]
        self._check_files()
        self._connection.execute("COMMIT")
        return told

    def _one(self, job: _Job) -> Rows | Exception:
        """What a statement brings; a card that is taken leaves the others' transaction standing."""
        assert self._connection is not None  # noqa: S101 (it is open)
        try:
            return run(self._connection, job.statement, {**job.values, "now": self._now()})
        except CardTaken as taken:
            return taken

    def _check_files(self) -> None:
        """After the file is unlinked, SQLite goes on writing to what nobody will ever read."""
        if self._found_files() != self._files:
            raise OSError("the file was replaced")

    def _roll_back(self) -> None:
        assert self._connection is not None  # noqa: S101 (it is open)
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                return  # SQLite has done so itself

    def _unusable(self, reason: str) -> ConfigError:
        return ConfigError([f"GATEWAY_LEDGER: {self._path} {reason}"])


def _tell(told: list[tuple[_Job, Rows | Exception]]) -> None:
    for job, result in told:
        if job.rows.done():  # its deadline has passed
            continue
        if isinstance(result, Exception):
            job.rows.set_exception(result)
        else:
            job.rows.set_result(result)


def _all_fail(jobs: list[_Job], error: Exception) -> list[tuple[_Job, Rows | Exception]]:
    failure = _unavailable(_reason(error))
    return [(job, failure) for job in jobs]


def _reason(error: Exception) -> str:
    """Why a statement failed; SQLite's own words name no value."""
    if isinstance(error, FileNotFoundError):
        return "was deleted: its file is gone"
    known = isinstance(error, apsw.Error | OSError)
    return f"cannot be used: {error if known else type(error).__name__}"


def _unavailable(what: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"The ledger {what}.")
