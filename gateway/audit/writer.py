"""Writes lines of the audit trail in a thread of its own, and says when they are on the disk.

What has come while the disk was waited for is flushed together. Lines are appended in one write
each, so that those of several processes never mix. A file that was renamed, as log rotation does,
is noticed before the next line: that goes into a new file of the old name.
"""

import errno
import os
import queue
import stat
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gateway.audit.chain import Chain, Head

_MOST_IN_ONE_FLUSH = 200
_MOST_KEPT = 10_000  # lines that could not be written, and are tried again
_TRY_EVERY = 1.0  # seconds
_NOT_ON_A_DISK = {errno.EINVAL, errno.EROFS, errno.ENOTSUP}  # a pipe or a terminal is not flushed

Told: TypeAlias = Callable[[OSError | None], None]
"""Is called in the thread: the line is on the disk, or why it is not."""


@dataclass(frozen=True, slots=True)
class _Job:
    facts: Mapping[str, Any]
    told: Told
    must_be_written: bool
    """Whether it is kept where it cannot be written now."""


class Writer:
    """Appends to the file ``path``. ``lost`` is called for each line that is given up."""

    def __init__(self, path: Path, key: bytes, lost: Callable[[], None]) -> None:
        self._path = path
        self._chain = Chain(key)
        self._lost = lost
        self._descriptor = -1
        self._is_torn = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._kept: deque[_Job] = deque()
        self._thread: threading.Thread | None = None

    @property
    def head(self) -> Head:
        """Where the chain stands."""
        return self._chain.head

    def start(self) -> None:
        """Open the file; raises OSError."""
        self._open()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    def write(self, facts: Mapping[str, Any], told: Told, *, must_be_written: bool = False) -> None:
        """Write a line soon; what could not be written is tried again with each later one."""
        self._jobs.put(_Job(facts, told, must_be_written))

    def close(self, seconds: float) -> None:
        """Write what waits, for so many seconds at most."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            jobs, goes_on = self._next()
            self._append([*self._kept, *jobs])
        os.close(self._descriptor)

    def _next(self) -> tuple[list[_Job], bool]:
        """The jobs that are there, and whether there will be more."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=_TRY_EVERY if self._kept else None)
            while job is not None:
                jobs.append(job)
                if len(jobs) >= _MOST_IN_ONE_FLUSH or self._jobs.empty():
                    return jobs, True
                job = self._jobs.get()
        except queue.Empty:
            return [], True
        return jobs, False

    def _append(self, jobs: Sequence[_Job]) -> None:
        self._kept.clear()
        written: list[_Job] = []
        failure: OSError | None = None
        for job in jobs:
            failure = failure or self._problem_of(job)
            if failure is None:
                written.append(job)
            else:
                self._failed(job, failure)
        failure = self._flush() if written else None
        for job in written:
            job.told(failure)

    def _problem_of(self, job: _Job) -> OSError | None:
        try:
            self._follow_rotation()
            line, head = self._chain.sealed(job.facts)
            self._put(b"\n" + line if self._is_torn else line)
            self._is_torn = False
            self._chain.head = head
        except OSError as error:
            return error.with_traceback(None)
        return None

    def _failed(self, job: _Job, failure: OSError) -> None:
        if not job.must_be_written:
            job.told(failure)
        elif len(self._kept) < _MOST_KEPT:
            self._kept.append(job)
            job.told(failure)
        else:
            self._lost()

    def _put(self, line: bytes) -> None:
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full: the line is begun anew on a line of its own
            self._is_torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _flush(self) -> OSError | None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            return None if error.errno in _NOT_ON_A_DISK else error.with_traceback(None)
        return None

    def _follow_rotation(self) -> None:
        try:
            there, here = os.stat(self._path), os.fstat(self._descriptor)
            is_same = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._is_torn = descriptor, False
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            self._flush_folder()

    def _flush_folder(self) -> None:
        """The name of a new file has to be on the disk as well."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
