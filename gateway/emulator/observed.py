"""What became of each request, for whoever asked to be told: never a value that was sent."""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.emulator.answers import RECORD
from gateway.emulator.faults import Kind
from gateway.uuids import is_uuid

# A word of a path, or a UUID. Other segments may hold anything: card numbers, control characters.
_SHOWN = re.compile(r"[A-Za-z0-9_.~-]{1,40}")
_MOST_DIGITS = 8
_METHOD = re.compile(r"[A-Z]{1,20}")
_LONGEST_PATH = 200


@dataclass(slots=True)
class ObservedCall:
    """One request and its end.

    ``time`` is UNIX seconds by the clock that no fault shifts; ``path`` has no query, and ``...``
    for segments that are neither words nor UUIDs. ``status`` is the answer's, None without one;
    ``reason`` is why a call was refused. ``fault`` is the mishap that befell the call, and
    ``delay`` the seconds that a fault added to it.
    """

    method: str
    path: str
    time: float = 0
    status: int | None = None
    reason: str = ""
    fault: Kind | None = None
    delay: float = 0


Observer = Callable[[ObservedCall], None]


class Observed:
    """Wraps the whole application and tells the observer of each request when it has ended.

    A failure of our own that was answered with 500 ends here: the observer was told of it, and the
    server would write a traceback, whose text may quote values.
    """

    def __init__(self, app: ASGIApp, observe: Observer, clock: Callable[[], float]) -> None:
        self._app = app
        self._observe = observe
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = scope[RECORD] = ObservedCall(shown_method(scope["method"]), shown_path(scope))
        try:
            await self._app(scope, receive, send)
        except ConnectionResetError:  # how a fault ends a call where there is no connection
            raise
        except Exception as error:
            record.reason = f"internal error: {type(error).__name__} {_place(error.__traceback__)}"
            if record.status is None:
                raise
        finally:
            record.time = self._clock()
            self._observe(record)


def shown_method(method: str) -> str:
    """The method, if it looks like one."""
    return method if _METHOD.fullmatch(method) else "?"


def shown_path(scope: Scope) -> str:
    """The path of a request, as much of it as may be shown."""
    path = scope["raw_path"].decode("latin-1")[:_LONGEST_PATH]
    return "/".join(map(_shown_segment, path.split("/")))


def _shown_segment(segment: str) -> str:
    if not segment or is_uuid(segment):
        return segment
    few = sum(map(str.isdigit, segment)) <= _MOST_DIGITS
    return segment if few and _SHOWN.fullmatch(segment) else "..."


def _place(trace: TracebackType | None) -> str:
    frames = list(traceback.walk_tb(trace))
    return f"in {frames[-1][0].f_globals.get('__name__')}:{frames[-1][1]}" if frames else ""
