"""The examination behind ``gateway doctor``, and registering and deleting the signing key.

    connection ─► access token ─► signature ─► clock

Each step needs the one before it. What cannot be looked at any more is said to be so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from gateway.config import ProviderSettings
from gateway.diagnosis import Finding, Watched, explain
from gateway.diagnosis.answers import difference
from gateway.errors import GatewayError
from gateway.events import to_nobody
from gateway.provider import ProviderClient, ProviderClock
from gateway.provider.transport import transport_to
from gateway.runtime import Runtime
from gateway.signing import fastest

Tell = Callable[[Finding], None]


async def examine(settings: ProviderSettings, tell: Tell, runtime: Runtime | None = None) -> bool:
    """Tell each finding as soon as it is there; whether nothing is bad.

    It takes ``call_deadline`` at most, and asks for everything once.
    """
    once = settings.model_copy(update={"max_attempts": 1})
    async with _Examination(once, tell, runtime or Runtime()) as it:
        try:
            async with asyncio.timeout(settings.call_deadline):
                await it.run()
        except TimeoutError:
            it.tell(await explain(None, settings, it.provider.clock))
    return it.good


def signer(settings: ProviderSettings) -> Finding:
    """The library that signs; no fault is found, for each of them does."""
    library = fastest(settings.private_key).library
    slow = "The extra `fast` signs twice as fast: awscrt is not installed, or cannot be loaded."
    return Finding(True, f"signer: {library}", "" if library == "aws-lc" else slow)


async def register_key(settings: ProviderSettings) -> Finding:
    """Tell the provider the public half of the signing key; whether it took it, or why not."""
    public = settings.private_key.public_key()
    async with _Examination(settings, lambda _finding: None, Runtime()) as it:
        failure = await it.attempt(it.provider.register_signing_key(public))
    done = f"Registered under the key id {settings.signing_key_id}."
    return failure or Finding(True, done)


async def delete_key(settings: ProviderSettings, key_id: str) -> Finding:
    """Have the provider delete the key under an id (UUID text); whether it did, or why not."""
    async with _Examination(settings, lambda _finding: None, Runtime()) as it:
        failure = await it.attempt(it.provider.delete_signing_key(key_id))
    return failure or Finding(True, f"Deleted the signing key with the id {key_id}.")


class _Examination:
    """A client of the provider whose exchanges are watched, and what has been found with it."""

    def __init__(self, settings: ProviderSettings, tell: Tell, runtime: Runtime) -> None:
        self._settings = settings
        self._tell = tell
        network = transport_to(settings.provider_url, ca_file=settings.provider_ca_file)
        self._transport = Watched(network)
        self.provider = ProviderClient(settings, self._transport, runtime, emit=to_nobody)
        self.good = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.provider.aclose()

    def tell(self, finding: Finding) -> None:
        """Hand out a finding."""
        self.good = self.good and finding.good is not False
        self._tell(finding)

    async def run(self) -> None:
        """Look at token, signature and clock, in that order."""
        if failure := await self.attempt(self.provider.check_token()):
            self.tell(failure)
            self.tell(Finding(None, "signature: not looked at, for there is no access token"))
        else:
            self.tell(Finding(True, "access token: the provider gives us one"))
            # Whatever it answers for a card that cannot exist, it checked the signature before.
            failure = await self.attempt(self.provider.card(uuid4()))
            accepted = Finding(True, "signature: the provider accepts a signed read")
            self.tell(failure or accepted)
        self.tell(_clock(self.provider.clock))

    async def attempt(self, call: Awaitable[object]) -> Finding | None:
        """Make a call; what is wrong where it fails."""
        try:
            await call
        except GatewayError:
            return await explain(self._transport.last, self._settings, self.provider.clock)
        return None


def _clock(clock: ProviderClock) -> Finding:
    if clock.skew is None:
        return Finding(None, "clock: not looked at, for no answer showed the provider's time")
    if clock.is_off:
        return Finding(
            False,
            f"clock: the provider's is {difference(clock)} this machine's",
            "Set this machine's clock (NTP): signatures carry its time.",
        )
    return Finding(True, "clock: within a few seconds of the provider's")
