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
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structlog

from gateway.cli.workers.forks import forked
from gateway.cli.workers.place import Place
from gateway.cli.workers.service import Service
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
    """Keeps the processes of a service running, and of the one ``beside`` it where there is one.

    An orderly end takes ``end`` seconds at most, and connections are accepted for the first
    ``readiness_delay`` of them. From now on SIGINT and SIGTERM mean such an end: whoever stops the
    supervisor before it runs is obeyed too. That the service beside does not work ends nothing.
    SIGHUP calls ``reload``, and goes on to the workers where that says that it was of use.
    """

    def __init__(
        self,
        service: Service,
        *,
        beside: Service | None = None,
        reload: Callable[[], bool] = lambda: False,
        readiness_delay: float,
        end: float,
    ) -> None:
        self._readiness_delay = readiness_delay
        self._patience = end + MARGIN
        self._signals = Signals()
        self._service = service
        self._reload = reload
        self._services = [service] if beside is None else [service, beside]
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
        self._ever_up = self._ever_up or bool(self._service.takers)
        if self._ever_up or self._refusal():
            return self._ever_up
        failures = self._service.failures
        if failures < MOST_STARTS:
            return True
        log.error("no_worker_can_start", starts_of_each=failures)
        self._exit_code = NONE_STARTED
        return False

    def _refusal(self) -> str:
        """What is wrong with the settings, where it keeps all workers from a start."""
        return "" if self._ever_up else self._service.refusal

    def _all(self) -> Iterator[tuple[Service, Place]]:
        return ((service, place) for service in self._services for place in service.places)

    def _fill_places(self) -> None:
        for service, place in self._all():
            if place.pid is None and place.due <= time.monotonic():
                self._start(service, place)

    def _start(self, service: Service, place: Place) -> None:
        place.refusal = ""
        try:
            place.fill(forked(self._signals, partial(self._become_worker, service, place)))
        except OSError as error:  # too many processes, or no memory left
            wait = place.clear()
            log.error(f"{place.role}_cannot_be_started", error=error, next_start_in=wait)

    def _become_worker(self, service: Service, own: Place) -> int:
        """In the child: close what is the supervisor's, and work.

        Were an end of a channel kept open here, its worker would not see the supervisor's end.
        """
        for each in self._services:
            each.distributor.close()
        for _, place in self._all():
            if place is not own:
                place.channel.close()
        own.channel.close_upper()
        return service.work(own.number, own.channel)

    def _longest_wait(self) -> float | None:
        """Seconds until something is due that no event tells of; None: nothing is."""
        dues = [place.due for _, place in self._all() if place.pid is None]
        return max(min(dues) - time.monotonic(), 0) if dues else None

    def _wait(self, seconds: float | None) -> None:
        """Wait for an event, and do what it asks for.

        The selector is made anew each time: poll takes all that it waits for with one call, and no
        child inherits a selector that its parent goes on with.
        """
        with selectors.PollSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ, self._look_after_ended)
            for service in self._services:
                service.register(selector)
            for key, events in selector.select(seconds):
                if events & selectors.EVENT_READ:
                    key.data()
        for service in self._services:
            service.hand_out()

    def _look_after_ended(self) -> None:
        self._signals.clear()
        if self._signals.reload_is_wanted:
            self._signals.reload_is_wanted = False
            self._tell_to_reload()
        for service, place in self._all():
            code = place.end()
            if code is not None:
                self._empty(service, place, code)

    def _tell_to_reload(self) -> None:
        if not self._drains and self._reload():
            for place in self._service.places:
                place.send(signal.SIGHUP)

    def _empty(self, service: Service, place: Place, code: int) -> None:
        """Its worker has ended: say so, and keep for others what it had not taken."""
        self._ever_up = self._ever_up or (service is self._service and place.takes)
        service.distributor.take_back(place.channel)
        service.ended(place.number)
        facts: dict[str, Any] = {"worker": place.number, "pid": place.pid, "exit_code": code}
        wait = place.clear()
        if not self._drains:
            reason = {"problems": place.refusal} if place.refusal else {}
            log.error(f"{place.role}_ended", **facts, **reason, next_start_in=wait)
        elif code not in (0, -signal.SIGTERM):  # by SIGTERM: before it had come up
            log.error(f"{place.role}_ended", **facts)
            self._exit_code = NOT_IN_ORDER

    def _drain(self) -> None:
        """End all workers at once, each in order, and kill those that do not end."""
        self._drains = True
        limit = time.monotonic() + self._patience
        self._tell_all(signal.SIGTERM)
        self._stay_ready_to_accept()
        self._service.distributor.accept_the_last(lambda: self._service.takers)
        self._tell_all(signal.SIGINT)  # they need not wait for connections any longer
        while self._living() and (left := limit - time.monotonic()) > 0:
            self._wait(left)
        for place in self._living():
            self._kill(place)
        for service in self._services:
            service.distributor.close()

    def _tell_all(self, number: signal.Signals) -> None:
        for _, place in self._all():
            place.send(number)

    def _stay_ready_to_accept(self) -> None:
        """Hand connections out until it has been noticed that the workers are not ready."""
        until = time.monotonic() + self._readiness_delay
        while (left := until - time.monotonic()) > 0:
            if self._signals.hurry_is_wanted or not self._service.takers:
                return
            self._wait(left)

    def _living(self) -> list[Place]:
        return [place for _, place in self._all() if place.pid is not None]

    def _kill(self, place: Place) -> None:
        facts = {"worker": place.number, "pid": place.pid, "after": self._patience}
        log.error(f"{place.role}_is_killed", **facts)
        place.send(signal.SIGKILL)
        self._exit_code = NOT_IN_ORDER
