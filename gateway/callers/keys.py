"""The identity provider's public keys (RFC 7517 JWKS): cached, rotated, fetched within bounds."""

import asyncio
from collections.abc import Awaitable, Callable

import jwt
import structlog

from gateway.errors import IdentityUnavailable

log = structlog.get_logger()

Fetch = Callable[[], Awaitable[bytes]]

CACHE_LIFE = 300.0  # seconds until a set of keys is fetched anew
LONGEST_LIFE = 3600.0  # seconds that old keys serve while new ones cannot be had
LEAST_INTERVAL = 10.0  # seconds between two fetches, whatever key ids callers make up
FETCH_TIME = 5.0  # seconds, the whole of it
_ASYMMETRIC = {"RSA", "EC", "OKP"}


class KeySet:
    """Finds the key that a token names; ``clock`` is monotonic seconds."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._good_at = clock()
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key with this id; without an id the only key there is. None when there is none.

        Raises IdentityUnavailable when no keys could be had at all.
        """
        if self._age() > CACHE_LIFE or self._lookup(key_id) is None:
            await self._refresh()
        return self._lookup(key_id)

    def _lookup(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    async def _refresh(self) -> None:
        async with self._lock:
            # Another caller may have been here first, or made-up key ids come too fast.
            if self._age() >= LEAST_INTERVAL:
                await self._fetch_keys()
        if not self._keys:
            raise IdentityUnavailable(
                "The keys that prove callers cannot be had now; try again in a moment."
            )

    async def _fetch_keys(self) -> None:
        self._fetched_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_TIME):
                self._keys = _public_keys(await self._fetch())
            self._good_at = self._clock()
        except Exception as error:
            # Keys that were good a while ago are better than turning everybody away.
            if self._clock() - self._good_at > LONGEST_LIFE:
                self._keys = {}
            log.warning("jwks_unavailable", error=error, keys_kept=len(self._keys))


def _public_keys(document: bytes) -> dict[str | None, jwt.PyJWK]:
    """The asymmetric signing keys of a JWKS by key id; anything else in it is passed over."""
    keys = jwt.PyJWKSet.from_json(document.decode()).keys
    return {
        key.key_id: key
        for key in keys
        if key.key_type in _ASYMMETRIC and key.public_key_use in {None, "sig"}
    }
