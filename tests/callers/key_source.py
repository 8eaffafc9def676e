"""A JWKS source that a test controls, and the verifier of tokens behind it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from gateway.callers import KeySet, TokenRules, TokenVerifier, as_they_are
from gateway.events import Event
from tests.tokens import AUDIENCE, ISSUER, IdentityProvider

RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE, leeway=10, accounts_claim="accounts")


class KeySource:
    """Counts how often the keys are fetched; the clock is the test's, and so is the answer."""

    def __init__(self, idp: IdentityProvider) -> None:
        self.idp = idp
        self.fetches = 0
        self.time = 0.0
        self.now: Callable[[], float] = time.time
        self.answer: bytes | Exception | None = None  # None: the identity provider's keys
        self.open = asyncio.Event()  # fetches wait for it
        self.open.set()
        self.events: list[Event] = []
        self.keys = KeySet(self, clock=lambda: self.time, emit=self.events.append)
        self.verifier = TokenVerifier(self.keys, RULES, as_they_are, now=lambda: self.now())

    async def __call__(self) -> bytes:
        self.fetches += 1
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.idp.file.read_bytes() if self.answer is None else self.answer

    async def identify(self, key_id: str = "ec-1", **changes: Any) -> str:
        """The id of the caller with a token; raises what the verifier raises."""
        return await self.present(self.idp.token(key_id, **changes))

    async def present(self, token: str) -> str:
        """The id of the caller with this token."""
        return (await self.verifier.identify(f"Bearer {token}")).id

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]
