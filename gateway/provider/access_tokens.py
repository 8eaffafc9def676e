"""The access token of all calls: fetched once, kept for its life, and not asked for in vain.

    fetch fails ──► all get its error ──(1 s, doubled up to a bound)──► the next fetch
    API says 401 ─► the next fetch ──(401 again: 1 s, doubled up to a bound)──► the next fetch
    clocks apart ─► the next fetch, in the same measure

One gateway must not become a flood of logins, whatever the provider answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import GatewayError, ProviderUnavailable
from gateway.events import RequestsHeldBack, Sink, TokenRenewed
from gateway.provider.models import AccessToken
from gateway.provider.retries import LONGEST_HOLD
from gateway.provider.transport import Cause, causes
from gateway.runtime import Runtime, look_at

# A token that lives for seconds only is still used for most of its life before it is renewed.
_LEAST_SHARE = 0.8
_LEAST_USE = 1.0  # seconds
_UNKNOWN_LIFE = 60.0  # seconds that a token is used which has expired already by our clock
_WITHDRAWN_AFTER = 60.0  # seconds; a token that was accepted for so long was good once
_LONGEST_UNREACHED = 5.0  # seconds between two fetches while the provider cannot be reached


@dataclass(frozen=True, slots=True)
class FetchedToken:
    """A token and the seconds that it was good for when it arrived."""

    access: AccessToken
    lifetime: float


class Backoff:
    """Seconds between two tries: from 1 on, doubled, a random half of them taken away."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._tries = 0

    def next(self, longest: float) -> float:
        """The seconds until the next try."""
        seconds = min(2.0 ** min(self._tries, 16), longest)
        self._tries += 1
        return seconds * (1 + self._random()) / 2

    def reset(self) -> None:
        """Begin with a second again."""
        self._tries = 0


class TokenSource:
    """Hands out one access token to any number of callers, fetching it once."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[FetchedToken]],
        *,
        runtime: Runtime,
        margin: float,
        emit: Sink,
    ) -> None:
        self._fetch = fetch
        self._clock = runtime.clock
        self._margin = margin
        self._emit = emit
        self._token: AccessToken | None = None
        self._is_proven = False
        self._fetched_at = self._renew_at = self._expires_at = 0.0
        self._fetching: asyncio.Task[AccessToken] | None = None
        self._failure: GatewayError | None = None
        self._cause: Cause | None = None
        self._next_fetch = 0.0
        self._fetches = Backoff(runtime.random)
        self._next_renewal = 0.0
        self._renewals = Backoff(runtime.random)

    @property
    def age(self) -> float | None:
        """Seconds since the token that is held was fetched; None: none is held."""
        return None if self._token is None else self._clock() - self._fetched_at

    async def get(self) -> AccessToken:
        """The current token, fetched where there is none or where it is about to expire.

        Raises what fetching raises, for a while without fetching; all callers that waited for the
        same fetch see the same error. One that cannot be renewed is used until it expires.
        """
        if self._token is not None and self._clock() < self._renew_at:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._check_failure()
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(look_at)
        fetching = self._fetching
        await asyncio.wait([fetching])  # which a caller that goes away does not cancel
        return fetching.result()

    def proven(self, token: AccessToken) -> None:
        """The provider's API has accepted this token."""
        self._is_proven = self._is_proven or token is self._token

    def forget(self, token: AccessToken) -> bool:
        """Drop a token that the provider refused; whether it is worth asking for another one.

        It is where another caller has renewed it already. If one is refused after another, a fresh
        one is not what is missing: they are renewed less and less often.
        """
        if self._token is not token:
            return True
        if self._is_proven and self._clock() >= self._fetched_at + _WITHDRAWN_AFTER:
            self._renewals.reset()
            self._next_renewal = 0.0
        if not self._may_renew():
            return False
        self._token = None
        return True

    def renew(self, token: AccessToken) -> None:
        """Fetch another one before the next call, for the ``Date`` of the answer.

        The token is good, and is used on where that fails.
        """
        if self._token is token and self._failure is None and self._may_renew():
            self._renew_at = self._clock()

    def _may_renew(self) -> bool:
        """Whether it is time for one more renewal that no expiry asks for."""
        now = self._clock()
        if now < self._next_renewal:
            return False
        self._next_renewal = now + self._renewals.next(LONGEST_HOLD)
        return True

    def _check_failure(self) -> None:
        """Raise the known error while it is too early for another fetch."""
        left = self._next_fetch - self._clock()
        if self._failure is not None and left > 0:
            raise _with_hint(self._failure, left) from self._cause

    async def _renew(self) -> AccessToken:
        try:
            fetched = await self._fetch()
        except GatewayError as error:
            self._failed(error)
            if self._token is None or self._clock() >= self._expires_at:
                raise
            self._renew_at = min(self._next_fetch, self._expires_at)
            return self._token
        self._failure = None
        self._fetches.reset()
        self._token, self._is_proven, self._fetched_at = fetched.access, False, self._clock()
        self._renew_at = self._fetched_at + self._life(fetched.lifetime)
        self._expires_at = self._fetched_at + fetched.lifetime
        self._emit(TokenRenewed(lifetime=fetched.lifetime))
        return fetched.access

    def _life(self, lifetime: float) -> float:
        """Seconds to use a token; one that has expired already shows that a clock is wrong."""
        if lifetime <= 0:
            return _UNKNOWN_LIFE
        return max(lifetime - self._margin, lifetime * _LEAST_SHARE, _LEAST_USE)

    def _failed(self, error: GatewayError) -> None:
        """The next fetch waits, and not less than the provider has asked for."""
        refused = isinstance(error, ProviderUnavailable) and error.refuses_us
        wait = self._fetches.next(LONGEST_HOLD if refused else _LONGEST_UNREACHED)
        wait = max(wait, min(error.retry_after or 0.0, LONGEST_HOLD))
        # Without its traceback, whose frames hold the request with its secret.
        self._failure, self._cause = error.worded(error.message), causes.known(error)
        self._next_fetch = self._clock() + wait
        self._emit(RequestsHeldBack(of="access_token", seconds=wait, code=error.code))


def _with_hint(error: GatewayError, seconds: float) -> GatewayError:
    copy = error.worded(error.message)
    copy.retry_after = seconds
    return copy
