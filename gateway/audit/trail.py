"""Audits calls: a line before anything can be sent, and one with what came of it."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

from gateway import __version__
from gateway.audit.writer import Writer
from gateway.card_numbers import has_card_number
from gateway.errors import AuditUnavailable, ConfigError, GatewayError, InternalError
from gateway.events import AuditChanged, AuditHead, AuditLineLost, AuditLineWritten, Sink
from gateway.runtime import Runtime, look_at, rfc3339

T = TypeVar("T")
Facts: TypeAlias = Mapping[str, Any]
DEADLINE = 2.0  # seconds that a call waits for its line to be on the disk
_HEAD_EVERY = 60.0  # seconds
_MOST_WAITING = 10_000  # lines that the disk has not taken yet


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """A modifying call: who asks for what. ``caller`` is the caller's id, and ``key`` the one that
    the provider gets.

    ``account`` is that of a call that makes a card, ``card`` and ``authorisation`` what another one
    is about.
    """

    caller: str
    operation: str
    account: UUID | None
    card: UUID | None
    authorisation: UUID | None
    key: UUID
    request_id: str


class Trail(Protocol):
    """Where calls are audited."""

    @property
    def condition(self) -> str:
        """``ok``, ``off`` where no trail is kept, or why lines cannot be written now."""

    async def start(self) -> None:
        """Begin to keep the trail; raises ConfigError where that cannot be."""

    async def aclose(self) -> None:
        """Write what is left."""

    async def audited(
        self, call: AuditedCall, run: Callable[[], Awaitable[T]], found: Callable[[T], Facts]
    ) -> T:
        """Run a call between its two lines, of which the second has what is ``found`` in its
        result. Raises AuditUnavailable, and what the call raises.
        """


class NoTrail:
    """Audits nothing."""

    condition = "off"

    async def start(self) -> None:
        """Nothing is to be opened."""

    async def aclose(self) -> None:
        """Nothing is left to be written."""

    async def audited(
        self, _call: AuditedCall, run: Callable[[], Awaitable[T]], _found: Callable[[T], Facts]
    ) -> T:
        """Run the call."""
        return await run()


class AuditTrail:
    """Keeps a trail in a file, or in a stream such as ``/dev/stdout``.

    With ``refuse`` a call whose first line cannot be written is refused; else it goes on.
    ``name_of`` makes the names of callers from their ids.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        *,
        refuse: bool,
        name_of: Callable[[str], str],
        runtime: Runtime,
        emit: Sink,
    ) -> None:
        self._path = path
        self._writer = Writer(path, key, partial(self._in_loop, self._lose))
        self._refuse = refuse
        self._name_of = name_of
        self._now = runtime.now
        self._emit = emit
        self._calls: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        self._heads: asyncio.Task[None] | None = None
        self._told_seq = 0
        self._loop: asyncio.AbstractEventLoop
        self._problem: str | None = None

    @property
    def condition(self) -> str:
        """``ok``, or why the last line could not be written."""
        return self._problem or "ok"

    async def start(self) -> None:
        """Open the file; raises ConfigError where that cannot be."""
        self._loop = asyncio.get_running_loop()
        try:
            self._writer.start()
        except OSError as error:
            reason = f"{self._path} cannot be opened: {_words(error)}"
            raise ConfigError([f"GATEWAY_AUDIT_FILE: {reason}"]) from error
        self._heads = asyncio.create_task(self._tell_heads())

    async def aclose(self) -> None:
        """Write the last lines; the ledger has ended its calls, and with them ends what is here."""
        if self._heads is None:
            return
        self._heads.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=DEADLINE)
        await asyncio.to_thread(self._writer.close, DEADLINE)
        self._tell_head()

    async def audited(
        self, call: AuditedCall, run: Callable[[], Awaitable[T]], found: Callable[[T], Facts]
    ) -> T:
        """Run a call between its two lines.

        Whoever goes away meanwhile, the second one is written when the outcome is known.
        """
        facts = {"call": secrets.token_hex(8), **asdict(call), "caller": self._name(call.caller)}
        facts |= {"version": __version__, "process": os.getpid()}
        await self._begin(facts)
        task = asyncio.ensure_future(run())
        self._calls.add(task)
        task.add_done_callback(partial(self._end, facts, found))
        return await asyncio.shield(task)

    def _name(self, caller: str) -> str:
        """Nobody can bring a card number into the trail as their name."""
        name = self._name_of(caller)
        return "(not shown)" if has_card_number(name) else name

    async def _begin(self, facts: Facts) -> None:
        """Write the first line, and wait until it is durable; raises AuditUnavailable."""
        written: asyncio.Future[str | None] = self._loop.create_future()
        self._write({"event": "begun", **facts}, written)
        try:
            async with asyncio.timeout(DEADLINE):
                problem = await asyncio.shield(written)
        except TimeoutError:
            problem = "its disk does not answer in time"
            written.add_done_callback(partial(self._began_too_late, facts))
        self._note(problem)
        if problem is not None and self._refuse:
            raise AuditUnavailable

    def _began_too_late(self, facts: Facts, written: "asyncio.Future[str | None]") -> None:
        """A line that says that a refused call has begun gets one that says that it was refused."""
        if self._refuse and written.result() is None:
            self._write_end(facts, {"outcome": AuditUnavailable.code})

    def _end(self, facts: Facts, found: Callable[[Any], Facts], task: "asyncio.Task[Any]") -> None:
        self._calls.discard(task)
        look_at(task)  # nobody may be left to see its error
        error = InternalError() if task.cancelled() else task.exception()
        if error is None:
            self._write_end(facts, {"outcome": "done", **found(task.result())})
        else:
            code = error.code if isinstance(error, GatewayError) else InternalError.code
            self._write_end(facts, {"outcome": code})

    def _write_end(self, facts: Facts, outcome: Facts) -> None:
        written: asyncio.Future[str | None] = self._loop.create_future()
        written.add_done_callback(lambda _: self._note(written.result()))
        self._write({"event": "ended", **facts, **outcome}, written, must_be_written=True)

    def _write(
        self,
        facts: Facts,
        written: "asyncio.Future[str | None]",
        *,
        must_be_written: bool = False,
    ) -> None:
        """Hand a line to the writer; ``written`` is then why it could not be written, or None."""
        if self._waiting >= _MOST_WAITING:
            self._lose()
            written.set_result("its disk does not answer")
            return
        self._waiting += 1
        told = partial(self._in_loop, self._told, facts["event"], written)
        self._writer.write(
            {"time": rfc3339(self._now()), **facts}, told, must_be_written=must_be_written
        )

    def _told(
        self, event: str, written: "asyncio.Future[str | None]", failure: OSError | None
    ) -> None:
        """A line is on the disk, or is not; one that must be is told of until it is."""
        if failure is None:
            self._emit(AuditLineWritten(event=event))
        if not written.done():
            self._waiting -= 1
            written.set_result(None if failure is None else _words(failure))
        elif failure is None:
            self._note(None)

    def _in_loop(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something in the event loop, from the writer's thread."""
        with suppress(RuntimeError):  # at the end there is none any more
            self._loop.call_soon_threadsafe(act, *arguments)

    def _note(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self._emit(AuditChanged(problem=problem))

    def _lose(self) -> None:
        self._emit(AuditLineLost())

    async def _tell_heads(self) -> None:
        while True:
            await asyncio.sleep(_HEAD_EVERY)
            self._tell_head()

    def _tell_head(self) -> None:
        head = self._writer.head
        if head.seq != self._told_seq:
            self._told_seq = head.seq
            self._emit(AuditHead(head=str(head)))


def _words(error: OSError) -> str:
    return (error.strerror or "it failed").lower()
