"""The supervisor: starts workers, starts them anew where they end, and ends them in order.

Workers are forked. What they share with the supervisor, modules above all, then is in memory once,
a new worker needs no new interpreter, and settings with their secrets need not be pickled. A fork
copies one thread only, with all locks as they are: it is safe here because the supervisor has no
other thread and no event loop (uvloop's would be shared), builds no application, and connects to
nothing. Python and OpenSSL seed their random numbers anew in a child.

uvicorn's own supervisor is not used: it kills a worker that leaves a ping unanswered for five
seconds, with the requests in it, and starts one that cannot start again at once and without end.
"""

import gc
import selectors
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from gateway.cli.workers.channel import Channel
from gateway.cli.workers.distributor import Distributor
from gateway.cli.workers.forks import forked
from gateway.cli.workers.place import Place
from gateway.cli.workers.signals import Signals
from gateway.errors import ConfigError

log = structlog.get_logger()

# Seconds beyond the time for an orderly end after which a worker that still lives is killed.
MARGIN = 1.0
# Starts that have failed in each place when it is said that no worker can start.
MOST_STARTS = 3
# Exit codes: the first is uvicorn's for an application that does not start.
NONE_STARTED, NOT_IN_ORDER = 3, 1


def refuse_memory(ledger: str, workers: int) -> None:
    """Raise ConfigError where several workers would each have a ledger of their own."""
    if workers > 1 and ledger == "memory":
        words = "memory is for one process; with several workers use sqlite:PATH or postgresql://…"
        raise ConfigError([f"GATEWAY_LEDGER: {words}"])


class Supervisor:
    """Keeps ``workers`` processes running: each calls ``work`` with its number and its channel.

    An orderly end takes ``end`` seconds at most, and connections are accepted for the first
    ``readiness_delay`` of them. From now on SIGINT and SIGTERM mean such an end: whoever stops the
    supervisor before it runs is obeyed too.
    """

    def __init__(
        self,
        listener: socket.socket,
        workers: int,
        work: Callable[[int, Channel], int],
        *,
        readiness_delay: float,
        end: float,
    ) -> None:
        self._work = work
        self._readiness_delay = readiness_delay
        self._patience = end + MARGIN
        self._signals = Signals()
        self._distributor = Distributor(listener)
        self._places = [Place(number) for number in range(1, workers + 1)]
        self._ever_up = self._drains = False
        self._exit_code = 0

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM, or until it is clear that no worker can start.

        Returns the exit code. Raises ConfigError where the workers cannot use the settings.
        """
        gc.freeze()  # a collection writes to what it looks at, which would no longer be shared
        while not self._signals.end_is_wanted and self._can_start():
            self._fill_places()
            self._wait(self._longest_wait())
        self._drain()
        if refusal := self._refusal():
            raise ConfigError(refusal.splitlines())
        return self._exit_code

    def _can_start(self) -> bool:
        """Whether a worker has ever come up, or another trial might bring one up."""
        if self._ever_up or self._refusal():
            return self._ever_up
        failures = min(place.restarts.failures for place in self._places)
        if failures < MOST_STARTS:
            return True
        log.error("no_worker_can_start", starts_of_each=failures)
        self._exit_code = NONE_STARTED
        return False

    def _refusal(self) -> str:
        """What is wrong with the settings, where it keeps all workers from a start."""
        refusals = [place.refusal for place in self._places if place.refusal]
        return refusals[0] if refusals and not self._ever_up else ""

    def _fill_places(self) -> None:
        for place in self._places:
            if place.pid is None and place.due <= time.monotonic():
                self._start(place)

    def _start(self, place: Place) -> None:
        place.refusal = ""
        try:
            place.fill(forked(self._signals, partial(self._become_worker, place)))
        except OSError as error:  # too many processes, or no memory left
            log.error("worker_cannot_be_started", error=error, next_start_in=place.clear())

    def _become_worker(self, own: Place) -> int:
        """In the child: close what is the supervisor's, and work.

        Were an end of a channel kept open here, its worker would not see the supervisor's end.
        """
        self._distributor.close()
        for place in self._places:
            if place is not own:
                place.channel.close()
        own.channel.close_upper()
        return self._work(own.number, own.channel)

    def _longest_wait(self) -> float | None:
        """Seconds until something is due that no event tells of; None: nothing is."""
        dues = [place.due for place in self._places if place.pid is None]
        return max(min(dues) - time.monotonic(), 0) if dues else None

    def _takers(self) -> list[Channel]:
        return [place.channel for place in self._places if place.takes]

    def _wait(self, seconds: float | None) -> None:
        """Wait for an event, and do what it asks for.

        The selector is made anew each time: poll takes all that it waits for with one call, and no
        child inherits a selector that its parent goes on with.
        """
        with selectors.PollSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ, self._look_after_ended)
            self._wait_for_workers(selector)
            for key, events in selector.select(seconds):
                if events & selectors.EVENT_READ:
                    key.data()
        self._distributor.hand_out(self._takers())

    def _wait_for_workers(self, selector: selectors.PollSelector) -> None:
        """Wait for words of workers, and for connections, or for room where one is held already."""
        for place in self._places:
            if place.talks:
                room = place.takes and self._distributor.holds
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if room else 0)
                selector.register(place.channel.upper, events, partial(self._listen_to, place))
        if self._takers() and self._distributor.accepts:
            listener, accept = self._distributor.listener, self._distributor.accept
            selector.register(listener, selectors.EVENT_READ, accept)

    def _listen_to(self, place: Place) -> None:
        place.hear()
        self._ever_up = self._ever_up or place.takes
        if not place.takes:
            self._distributor.take_back(place.channel)

    def _look_after_ended(self) -> None:
        self._signals.clear()
        for place in self._places:
            code = place.end()
            if code is not None:
                self._empty(place, code)

    def _empty(self, place: Place, code: int) -> None:
        """Its worker has ended: say so, and keep for others what it had not taken."""
        self._ever_up = self._ever_up or place.takes
        self._distributor.take_back(place.channel)
        facts: dict[str, Any] = {"worker": place.number, "pid": place.pid, "exit_code": code}
        wait = place.clear()
        if not self._drains:
            reason = {"problems": place.refusal} if place.refusal else {}
            log.error("worker_ended", **facts, **reason, next_start_in=wait)
        elif code not in (0, -signal.SIGTERM):  # by SIGTERM: before it had come up
            log.error("worker_ended", **facts)
            self._exit_code = NOT_IN_ORDER

    def _drain(self) -> None:
        """End all workers at once, each in order, and kill those that do not end."""
        self._drains = True
        limit = time.monotonic() + self._patience
        self._tell_all(signal.SIGTERM)
        self._stay_ready_to_accept()
        self._distributor.accept_the_last(self._takers)
        self._tell_all(signal.SIGINT)  # they need not wait for connections any longer
        while self._living() and (left := limit - time.monotonic()) > 0:
            self._wait(left)
        for place in self._living():
            self._kill(place)
        self._distributor.close()

    def _tell_all(self, number: signal.Signals) -> None:
        for place in self._places:
            place.send(number)

    def _stay_ready_to_accept(self) -> None:
        """Hand connections out until it has been noticed that the workers are not ready."""
        until = time.monotonic() + self._readiness_delay
        while (left := until - time.monotonic()) > 0:
            if self._signals.hurry_is_wanted or not self._takers():
                return
            self._wait(left)

    def _living(self) -> list[Place]:
        return [place for place in self._places if place.pid is not None]

    def _kill(self, place: Place) -> None:
        log.error("worker_is_killed", worker=place.number, pid=place.pid, after=self._patience)
        place.send(signal.SIGKILL)
        self._exit_code = NOT_IN_ORDER
