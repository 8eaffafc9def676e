"""The switch for mutations: the operator stops new ones, or all, while the gateway runs."""

from gateway.config import MutationMode
from gateway.errors import MutationsPaused
from gateway.events import MutationRefused, MutationsSwitched, Sink


class Switch:
    """Says which mutations are carried out.

    on            all
    repeats-only  those whose key has a row in the ledger, and those that must go out: a stolen
                  card has to be switched off
    off           none
    """

    def __init__(self, emit: Sink) -> None:
        self._emit = emit
        self.mode: MutationMode = "on"

    def turn(self, mode: MutationMode) -> None:
        """From now on this mode holds; calls that have begun go on."""
        self.mode = mode
        self._emit(MutationsSwitched(mode=mode))

    def check(self, field: str, *, is_known: bool, must_go_out: bool) -> None:
        """Raise MutationsPaused unless a mutation of this field is carried out now."""
        if self.mode == "on" or (self.mode == "repeats-only" and (is_known or must_go_out)):
            return
        self._emit(MutationRefused(field=field, mode=self.mode))
        raise MutationsPaused
