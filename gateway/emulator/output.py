"""What `gateway emulator` prints: how to point a gateway at it, and a line for each request."""

import contextlib
import os
import select
import shlex
import threading
from datetime import UTC, datetime
from queue import Full, Queue
from typing import TextIO

from gateway.emulator.observed import ObservedCall
from gateway.emulator.options import EmulatorOptions

WAITING = 1000
"""Most lines that wait for a reader of the output."""
_FLUSH = 2.0  # seconds, at the end
_LONGEST_REASON = 300
_ENDINGS = {
    "drop_before": "the connection was closed before the call was looked at",
    "drop_after": "carried out with {told}, and the connection was closed instead of the answer",
    "half_answer": "carried out, and the connection was closed after half the body",
}
_GREEN, _YELLOW, _RED, _MAGENTA, _BOLD = "32", "33", "31", "35", "1"


class Output:
    """Writes lines in a thread of its own, so that nobody waits for their reader.

    Where the reader is slow, lines are dropped, and counted; where it is gone, all are.
    ``coloured`` says whether escape sequences may be written: on terminals, unless the environment
    has ``NO_COLOR``.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._descriptor = _descriptor(stream)
        self.coloured = _takes_colours(self._descriptor)
        self._lines: Queue[str | None] = Queue(WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Have the text and a line end written soon."""
        try:
            self._lines.put_nowait(text)
        except Full:
            self._dropped += 1

    def observe(self, record: ObservedCall) -> None:
        """Write what became of a request."""
        self.write(request_line(record, coloured=self.coloured))

    def close(self) -> None:
        """Wait a moment for what was not written yet."""
        with contextlib.suppress(Full):
            self._lines.put(None, timeout=_FLUSH)
            self._thread.join(_FLUSH)

    def _run(self) -> None:
        told = 0
        while True:
            text = self._lines.get()
            if missing := self._dropped - told:
                self._put(f"({missing} lines are missing: they were not read in time)")
                told += missing
            if text is None:
                return
            self._put(text)

    def _put(self, text: str) -> None:
        # Past Python's buffer: a thread that waits within it would stop the interpreter's end.
        data = f"{text}\n".encode(errors="surrogateescape")
        try:
            while data and self._descriptor is not None:
                data = data[_write(self._descriptor, data) :]
        except OSError:
            self._descriptor = None  # nobody reads any more


def request_line(record: ObservedCall, *, coloured: bool = False) -> str:
    """Time, method, path, status, and what there is to say about it."""
    time = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
    dropped = record.fault in {"drop_before", "drop_after"}
    status = None if dropped else record.status
    parts = [
        time.replace("+00:00", "Z"),
        record.method,
        record.path,
        _paint(str(status or "-"), _colour(status), coloured),
        _ending(record)[:_LONGEST_REASON],
        _paint(_fault(record), _MAGENTA, coloured),
    ]
    return " ".join(filter(None, parts))


def banner(url: str, options: EmulatorOptions, gateway_port: int, *, coloured: bool = False) -> str:
    """How to start a gateway in front of this emulator: a shell takes the commands as they are.

    ``url`` is the emulator's as its clients reach it. The key goes into a folder of its own, so
    that the commands work again for the next emulator.
    """
    title = "The emulator is running. To start a gateway in front of it, in another shell:"
    return f"""\
{_paint(title, _BOLD, coloured)}

  export GATEWAY_PROVIDER_URL={shlex.quote(f"{url}/v1")}
  export GATEWAY_PROVIDER_API_KEY={options.api_key}
  export GATEWAY_PROVIDER_API_SECRET={shlex.quote(options.api_secret)}
  export GATEWAY_AUTH=none
  export GATEWAY_PORT={gateway_port}
  eval "$(gateway keygen --out "$(mktemp -d)/signing-key.pem")"
  gateway register-key && gateway serve
"""


def _ending(record: ObservedCall) -> str:
    told = f"{record.status} {record.reason}".strip()
    if record.fault in _ENDINGS:
        return _ENDINGS[record.fault].format(told=told)
    return record.reason if record.status else "no answer was sent " + record.reason


def _fault(record: ObservedCall) -> str:
    names = [record.fault] if record.fault else []
    delay = [f"latency {record.delay:.3f} s"] if record.delay else []
    return f"[fault: {', '.join([*names, *delay])}]" if names or delay else ""


def _colour(status: int | None) -> str:
    if status is None or status >= 500:
        return _RED
    return _GREEN if status < 400 else _YELLOW


def _paint(text: str, colour: str, coloured: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured and text else text


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream else None  # None: it was closed before we started
    except (OSError, ValueError):
        return None


def _takes_colours(descriptor: int | None) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return descriptor is not None and os.isatty(descriptor) and not plain


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:  # somebody else made the pipe non-blocking
        select.select([], [descriptor], [])
        return 0
