"""Workers that share a listening socket, and which of them get its connections."""

import selectors
import socket
from collections.abc import Callable

from gateway.cli.workers.channel import Channel
from gateway.cli.workers.distributor import Distributor
from gateway.cli.workers.place import Place


class Service:
    """``workers`` places, each for a process that calls ``work`` with its number and channel.

    They are numbered from ``first`` on. ``ended`` is called with the number of one that has ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        workers: int,
        work: Callable[[int, Channel], int],
        *,
        first: int = 1,
        role: str = "worker",
        ended: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.work = work
        self.ended = ended
        self.distributor = Distributor(listener)
        self.places = [Place(number, role) for number in range(first, first + workers)]

    @property
    def takers(self) -> list[Channel]:
        """Where connections can be handed to."""
        return [place.channel for place in self.places if place.takes]

    @property
    def failures(self) -> int:
        """Starts in a row that have failed in each place."""
        return min(place.restarts.failures for place in self.places)

    @property
    def refusal(self) -> str:
        """What a worker has found wrong with the settings."""
        return next((place.refusal for place in self.places if place.refusal), "")

    def hand_out(self) -> None:
        """Give the connections that are here to the workers in turn."""
        self.distributor.hand_out(self.takers)

    def register(self, selector: selectors.BaseSelector) -> None:
        """Wait for words of workers, and for connections, or for room where one is held already."""
        for place in self.places:
            if place.talks:
                room = place.takes and self.distributor.holds
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if room else 0)
                selector.register(place.channel.upper, events, self._listener_to(place))
        if self.takers and self.distributor.accepts:
            accept = self.distributor.accept
            selector.register(self.distributor.listener, selectors.EVENT_READ, accept)

    def _listener_to(self, place: Place) -> Callable[[], None]:
        def listen() -> None:
            place.hear()
            if not place.takes:
                self.distributor.take_back(place.channel)

        return listen
