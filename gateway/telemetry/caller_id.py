"""The caller on whose behalf something is done: set once a request is authenticated.

It is known further down without being handed on: asyncio copies the context when a task is made,
so that the tasks of a request, of its batches and of the ledger all have the caller they run for.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

NOBODY = ""  # what the gateway does of its own accord
caller_id: ContextVar[str] = ContextVar("caller_id", default=NOBODY)
"""Tells callers apart inside the gateway. It is never logged: it may be a name or an address."""
caller_name: ContextVar[str] = ContextVar("caller_name", default=NOBODY)
"""What events and log lines call the caller."""


@contextlib.contextmanager
def on_behalf_of(caller: str, *, name: str) -> Iterator[None]:
    """Run a block for the caller with this id, who has this name in the log."""
    ids, names = caller_id.set(caller), caller_name.set(name)
    try:
        yield
    finally:
        caller_name.reset(names)
        caller_id.reset(ids)
