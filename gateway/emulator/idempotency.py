"""The key ledger: under one idempotency key, one answer (section 5).

How it works: a key is held from before the first ``await`` until its answer is kept, in one event
loop, so two calls can never both find it free. Held and presented again: 409. Kept and presented
again: the identical answer, for an hour. With another payload: 422.

A call lets go of its key, which may then be used again with any payload, when it is cancelled, ends
with a 5xx or, without the option ``replay_errors``, with a 4xx. What a guard refuses (token,
signature, digest, media type, a body where none belongs) never gets as far as the key.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.emulator.answers import Answer, Refusal, retry_after
from gateway.emulator.calls import ReceivedCall
from gateway.emulator.options import EmulatorOptions

VALIDITY = 3600
"""Seconds for which a key is remembered."""


@dataclass(slots=True)
class Entry:
    """What is known of one key; ``expires`` is UNIX seconds, ``presented`` counts every use.

    ``method`` and ``path`` are those of the call that the key is bound to.
    """

    method: str
    path: str
    fingerprint: bytes
    expires: float
    presented: int = 0
    in_flight: bool = False
    answer: Answer | None = None

    @property
    def card_id(self) -> str | None:
        """The card that was made under this key."""
        return self.answer.made_card if self.answer else None

    @property
    def free(self) -> bool:
        """Nothing was done under this key: neither is it being done."""
        return self.answer is None and not self.in_flight


class KeyLedger:
    """All keys of the last hour, the oldest first."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    @contextmanager
    def hold(
        self, key: str, call: ReceivedCall, *, now: float, options: EmulatorOptions
    ) -> Iterator[Entry]:
        """Hold the key for this call until the block ends; the entry has an answer to replay, or
        gets one through ``keep``.

        Refuses a key in flight with 409 and another payload with 422, or what the options say.
        """
        self._forget(now)
        entry = self._present(key, call, now)
        if entry.fingerprint != fingerprint(call):
            raise Refusal(
                options.reused_key_status, "the idempotency key was used with another payload"
            )
        if entry.in_flight:
            raise Refusal(
                409,
                "a request with this idempotency key is in flight",
                headers=retry_after(options.retry_after),
            )
        entry.in_flight = entry.answer is None
        try:
            yield entry
        finally:
            entry.in_flight = False

    def _present(self, key: str, call: ReceivedCall, now: float) -> Entry:
        entry = self.entries.get(key)
        if entry is None or entry.free:
            # The hour starts afresh, and the entry moves to the end: entries stay in the order in
            # which they expire.
            presented = entry.presented if entry else 0
            self.entries.pop(key, None)
            entry = Entry(call.method, call.path, fingerprint(call), now + VALIDITY, presented)
            self.entries[key] = entry
        entry.presented += 1
        return entry

    def _forget(self, now: float) -> None:
        while self.entries and next(iter(self.entries.values())).expires <= now:
            del self.entries[next(iter(self.entries))]


def keep(entry: Entry, answer: Answer, *, replay_errors: bool) -> None:
    """Keep the answer for replays, unless it is one that is not kept: never a 5xx."""
    if answer.status < (500 if replay_errors else 400):
        entry.answer = answer


def fingerprint(call: ReceivedCall) -> bytes:
    """A hash of what makes two calls the same call: method, path and the body's bytes."""
    head = f"{call.method} {call.path}\n".encode()
    return hashlib.sha256(head + call.body).digest()
