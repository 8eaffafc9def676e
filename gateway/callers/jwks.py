"""The identity provider's public keys (RFC 7517 JWKS): cached, rotated, fetched within bounds."""

import asyncio
from collections.abc import Awaitable, Callable

import jwt

from gateway.errors import IdentityUnavailable
from gateway.events import IdentityKeysExpired, IdentityKeysUnavailable, Sink

Fetch = Callable[[], Awaitable[bytes]]

CACHE_LIFE = 300.0  # seconds until a set of keys is fetched anew
LONGEST_LIFE = 3600.0  # seconds that keys serve at most, counted from when they were asked for
LEAST_INTERVAL = 10.0  # seconds between two fetches, whatever key ids callers make up
FETCH_TIME = 5.0  # seconds, the whole of it
_ASYMMETRIC = {"RSA", "EC", "OKP"}


class KeySet:
    """Finds the key that a token names; ``clock`` is monotonic seconds."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float], emit: Sink) -> None:
        self._fetch = fetch
        self._clock = clock
        self._emit = emit
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at: float | None = None  # the last time, whatever came of it
        self._good_at = clock()  # when the keys that are kept were asked for
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key with this id; without an id the only key there is. None when there is none.

        Raises IdentityUnavailable when there are no keys, or only such as have served too long.
        """
        if self._age() > CACHE_LIFE or self._lookup(key_id) is None:
            await self._refresh()
        return self._lookup(key_id)

    def _drop_old_keys(self) -> None:
        """A key that was revoked meanwhile must not serve for ever while the source is broken."""
        if self._keys and self._clock() - self._good_at > LONGEST_LIFE:
            self._keys = {}
            self._emit(IdentityKeysExpired(seconds=LONGEST_LIFE))

    def _lookup(self, key_id: str | None) -> jwt.PyJWK | None:
        self._drop_old_keys()
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _age(self) -> float:
        return float("inf") if self._asked_at is None else self._clock() - self._asked_at

    async def _refresh(self) -> None:
        async with self._lock:
            # Another caller may have been here first, or made-up key ids come too fast.
            if self._age() >= LEAST_INTERVAL:
                await self._fetch_keys()
        self._drop_old_keys()
        if not self._keys:
            raise IdentityUnavailable(
                "The keys that prove callers cannot be had now; try again in a moment."
            )

    async def _fetch_keys(self) -> None:
        self._asked_at = began = self._clock()
        try:
            async with asyncio.timeout(FETCH_TIME):
                self._keys = _public_keys(await self._fetch())
            self._good_at = began
        except Exception as error:
            # Keys that were good a while ago are better than turning everybody away.
            self._emit(IdentityKeysUnavailable(error=type(error).__name__, kept=len(self._keys)))


def _public_keys(document: bytes) -> dict[str | None, jwt.PyJWK]:
    """The asymmetric signing keys of a JWKS by key id; anything else in it is passed over."""
    keys = jwt.PyJWKSet.from_json(document.decode()).keys
    return {
        key.key_id: key
        for key in keys
        if key.key_type in _ASYMMETRIC and key.public_key_use in {None, "sig"}
    }
