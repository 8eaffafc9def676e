"""A JWKS source that a test controls, and the verifier of tokens behind it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from gateway.callers import KeySet, RememberedTokens, TokenRules, TokenVerifier
from gateway.events import Event
from tests.tokens import AUDIENCE, ISSUER, IdentityProvider

RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE, leeway=10, accounts_claim="accounts")


class KeySource:
    """Counts how often the keys are fetched; the clock is the test's, and so is the answer."""

    def __init__(self, idp: IdentityProvider) -> None:
        self.idp = idp
        self.fetches = 0
        self.failures = 0
        self.good_at: float | None = None  # when the last one that did not fail was asked for
        self.time = 0.0
        self.now: Callable[[], float] = time.time
        self.answer: bytes | Exception | None = None  # None: the identity provider's keys
        self.open = asyncio.Event()  # fetches wait for it
        self.open.set()
        self.events: list[Event] = []
        self.keys = KeySet(self, clock=lambda: self.time, emit=self.events.append)
        self.read = 0  # how often the claims of a token were read
        self.remembered = RememberedTokens()
        self.verifier = self.verifier_with(self.remembered)

    def verifier_with(self, remembered: RememberedTokens) -> TokenVerifier:
        """A verifier behind these keys with a memory of its own."""
        return TokenVerifier(
            self.keys, RULES, self._name_of, now=lambda: self.now(), remembered=remembered
        )

    def _name_of(self, subject: str) -> str:
        """Not asked for a token that is remembered."""
        self.read += 1
        return subject

    async def __call__(self) -> bytes:
        self.fetches += 1
        await self.open.wait()
        if isinstance(self.answer, Exception):
            self.failures += 1
            raise self.answer
        self.good_at = self.time
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
