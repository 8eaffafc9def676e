"""The identity provider's public keys: fetched in the background, and within bounds on demand.

    a token of a key that is held → answered at once, whatever is being fetched
    keys older than 5 minutes     → fetched anew in the background, while they serve on
    a token that no key proves    → waits for one fetch, which all such tokens share
    that fails, or is too early   → IdentityUnavailable, with the seconds until the next fetch

Only a fetch that began after a token was first seen says that its key is not known: a key may have
been published a moment ago. A signature that does not fit a key which is listed is refused after
any fetch on demand in the last interval.
"""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.callers.published_keys import (
    KeysUnusable,
    PublicKey,
    PublishedKeys,
    RefusedKey,
    read_keys,
)
from gateway.callers.remembered_tokens import digest_of
from gateway.errors import IdentityUnavailable
from gateway.events import IdentityKeyRefused, IdentityKeysExpired, IdentityKeysUnavailable, Sink
from gateway.telemetry import loggable

Fetch = Callable[[], Awaitable[bytes]]

CACHE_LIFE = 300.0  # seconds until a set of keys is fetched anew
LONGEST_LIFE = 3600.0  # seconds that keys serve at most, counted from when they were asked for
LEAST_INTERVAL = 10.0  # seconds between two fetches that tokens cause, and after one that failed
FETCH_TIME = 5.0  # seconds, the whole of it
READY_TIME = 1.0  # seconds that readiness waits for the first keys
MOST_TOLD = 100  # refused keys of one fetch that are events
MOST_TOKENS = 4096  # of which is remembered when they were first seen; 0.2 KB each


class KeySet:
    """Finds the keys that may have signed a token; ``clock`` is monotonic seconds."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float], emit: Sink) -> None:
        self._fetch = fetch
        self._clock = clock
        self._emit = emit
        self._keys: Sequence[PublicKey] = ()
        self._digest = b""  # of the document that brought them
        self._refused: frozenset[RefusedKey] = frozenset()
        self._begun = 0  # how many fetches have begun
        self._good = 0  # the number of the one that brought the keys which are held
        self._good_at = 0.0  # when that one began
        self._demanded = 0  # the number of the last one that a token caused
        self._asked_at = self._demanded_at = -math.inf  # when the last one began, and that one
        self._failed = False  # whether the last one that ended did
        self._fetching: asyncio.Task[bool] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._first_seen: OrderedDict[bytes, int] = OrderedDict()  # fetches begun by then

    def find(self, key_id: str | None, algorithm: str) -> Sequence[PublicKey]:
        """The keys for this algorithm that have this id; without an id all of the algorithm."""
        self._refresh()
        fitting = (key for key in self._held() if algorithm in key.algorithms)
        return [key for key in fitting if key_id is None or key.id == key_id]

    def version(self) -> bytes:
        """Tells the keys that are held from all others: equal versions are equal keys.

        It is empty where none are held, which no token is proved by.
        """
        self._refresh()
        return self._digest if self._held() else b""

    def came_from(self, document: bytes) -> bool:
        """Whether this document brought the keys that were fetched last."""
        return hashlib.sha256(document).digest() == self._digest

    def has_looked_for(self, token: str, key_id: str | None) -> bool:
        """Whether keys were fetched after this token was first seen, and not long ago.

        Then it is known that none of them proves it, and otherwise ``renew`` is worth a call. For a
        key that is listed any fetch on demand within the interval will do: that it was replaced
        since is less likely than that the token is forged.
        """
        name = digest_of(token)
        seen_at = self._first_seen.setdefault(name, self._begun)
        if len(self._first_seen) > MOST_TOKENS:
            self._first_seen.popitem(last=False)
        is_recent = self._clock() - self._good_at < LEAST_INTERVAL
        return is_recent and (self._good > seen_at or self._is_confirmed(key_id))

    def _is_confirmed(self, key_id: str | None) -> bool:
        """Whether a fetch for a token was good just now, and lists this key, usable or not."""
        is_recent = self._clock() - self._demanded_at < LEAST_INTERVAL
        listed = {key.id for key in self._keys} | {key.id for key in self._refused}
        is_listed = key_id is None or key_id in listed
        return is_recent and self._good >= self._demanded and is_listed

    async def renew(self, key_id: str | None) -> None:
        """Wait for the fetch that is going on, or for one that begins now, for a token of this key.

        Raises IdentityUnavailable where it fails, or where it is too early for another one.
        """
        fetching = self._in_flight() or self._begin_on_demand()
        if fetching is None or not await _succeeds(fetching):
            raise self._unavailable(key_id)

    async def check(self) -> None:
        """Raise IdentityUnavailable where no keys are held; a first fetch has a second to end."""
        self._refresh()
        fetching = self._in_flight()
        if not self._held() and fetching is not None:
            await asyncio.wait([fetching], timeout=READY_TIME)
        if not self._held():
            raise self._unavailable()

    @property
    def age(self) -> float | None:
        """Seconds since the keys that are held were asked for; None: none are held."""
        return self._age() if self._held() else None

    def condition(self) -> dict[str, Any]:
        """``state`` (fresh, aging or unavailable), ``keys`` (a number) and ``ageSeconds``."""
        held, age = self._held(), self._age()
        if not held:
            return {"state": "unavailable", "keys": 0, "ageSeconds": None}
        state = "fresh" if age <= CACHE_LIFE + FETCH_TIME else "aging"
        return {"state": state, "keys": len(held), "ageSeconds": round(age)}

    def reload(self, fetch: Fetch) -> None:
        """Fetch the keys now, from this source from now on; those that are held serve meanwhile."""
        self._fetch = fetch
        if (fetching := self._in_flight()) is not None:
            fetching.cancel()  # it would bring the keys of the source before
        self._begin()

    def start(self) -> None:
        """Fetch the keys now, and anew whenever they have aged; nobody waits for it."""
        self._upkeep = asyncio.create_task(self._keep_fresh())

    async def aclose(self) -> None:
        """Stop what was started."""
        for task in (self._upkeep, self._fetching):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _keep_fresh(self) -> None:
        while True:
            self._refresh()
            await asyncio.sleep(LEAST_INTERVAL)

    def _refresh(self) -> None:
        """Begin a fetch where the keys are old, unless one is going on or has just failed."""
        due = not self._held() or self._age() > CACHE_LIFE
        early = self._clock() - self._asked_at < LEAST_INTERVAL
        if due and not early and self._in_flight() is None:
            self._begin()

    def _begin_on_demand(self) -> asyncio.Task[bool] | None:
        """Begin a fetch for a token, unless one was begun for another token a moment ago."""
        if self._seconds_to_next() > 0:
            return None
        begun = self._begin()
        self._demanded, self._demanded_at = self._begun, self._asked_at
        return begun

    def _begin(self) -> asyncio.Task[bool]:
        self._begun += 1
        self._asked_at = self._clock()
        self._fetching = asyncio.create_task(self._fetch_keys(self._begun, self._asked_at))
        return self._fetching

    def _in_flight(self) -> asyncio.Task[bool] | None:
        fetching = self._fetching
        return None if fetching is None or fetching.done() else fetching

    def _seconds_to_next(self) -> float:
        last = self._asked_at if self._failed else self._demanded_at
        return max(last + LEAST_INTERVAL - self._clock(), 0.0)

    def _unavailable(self, key_id: str | None = None) -> IdentityUnavailable:
        return IdentityUnavailable(
            "Access tokens cannot be checked now; try again in a moment.",
            retry_after=max(self._seconds_to_next(), 1.0),
            key_id=key_id,
        )

    def _age(self) -> float:
        return self._clock() - self._good_at

    def _held(self) -> Sequence[PublicKey]:
        """A key that was revoked meanwhile must not serve for ever while the source is broken."""
        if self._keys and self._age() > LONGEST_LIFE:
            self._keys = ()
            self._emit(IdentityKeysExpired(seconds=LONGEST_LIFE))
        return self._keys

    async def _fetch_keys(self, number: int, began: float) -> bool:
        """Fetch the keys, and tell whether that succeeded."""
        self._failed = True  # unless it ends well
        try:
            async with asyncio.timeout(FETCH_TIME):
                document = await self._fetch()
            # In a thread: 1 MiB of keys takes a second, in which all callers would wait.
            keys = self._usable(await asyncio.to_thread(read_keys, document))
        except Exception as error:
            # Keys that were good a while ago are better than turning everybody away.
            kept = len(self._held())
            self._emit(IdentityKeysUnavailable(error=type(error).__name__, kept=kept))
            return False
        self._keys, self._digest = keys, hashlib.sha256(document).digest()
        self._good, self._good_at, self._failed = number, began, False
        return True

    def _usable(self, published: PublishedKeys) -> Sequence[PublicKey]:
        new = [one for one in dict.fromkeys(published.refused) if one not in self._refused]
        for refused in new[:MOST_TOLD]:  # once, and not at each fetch
            self._emit(IdentityKeyRefused(key_id=loggable(refused.id), reason=refused.reason))
        self._refused = frozenset(published.refused)
        if not published.usable:
            raise KeysUnusable("it has no usable key")
        return published.usable


async def _succeeds(fetching: asyncio.Task[bool]) -> bool:
    await asyncio.wait([fetching])  # which a caller that goes away does not cancel
    return not fetching.cancelled() and fetching.result()
