"""A fork whose child does one thing and ends, without a way back into the code that forked."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from gateway.cli.workers.signals import Signals


def forked(signals: Signals, child: Callable[[], int]) -> int:
    """Run ``child`` in a new process, which ends with its exit code; the number of the process.

    Signals are kept back meanwhile, until the child handles them in its own way. Raises OSError.
    """
    with signals.held():
        pid = os.fork()
        if pid == 0:
            _only(signals, child)
    return pid


def _only(signals: Signals, child: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        signals.leave_to_worker()
        code = child()
    finally:
        try:
            _write_what_is_left()
        finally:
            os._exit(code)


def _write_what_is_left() -> None:
    """What the interpreter does at its own end; a stream that is closed or gone stops nothing."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
