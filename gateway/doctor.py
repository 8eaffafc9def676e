"""The examination behind ``gateway doctor``: token, signature, clock, each with what to do."""

from dataclasses import dataclass
from uuid import uuid4

from gateway.errors import GatewayError
from gateway.provider import ProviderClient


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says what to do where it is bad."""

    good: bool
    what: str
    advice: str = ""


async def examine(provider: ProviderClient) -> list[Finding]:
    """Look at token, signature and clock; without a token there is no signature to look at."""
    token = await _token(provider)
    if not token.good:
        return [token, _clock(provider)]
    return [token, await _signature(provider), _clock(provider)]


async def _token(provider: ProviderClient) -> Finding:
    try:
        await provider.check_token()
    except GatewayError as error:
        return Finding(
            False,
            f"access token: {error.message}",
            "Check GATEWAY_PROVIDER_URL, GATEWAY_PROVIDER_API_KEY and GATEWAY_PROVIDER_API_SECRET.",
        )
    return Finding(True, "access token: the provider gives us one")


async def _signature(provider: ProviderClient) -> Finding:
    try:
        # Whatever it answers for a card that cannot exist, it checked the signature before that.
        await provider.card(uuid4())
    except GatewayError as error:
        return Finding(
            False,
            f"signature: {error.message}",
            "Check GATEWAY_SIGNING_KEY_ID and the key, run `gateway register-key`; see the clock.",
        )
    return Finding(True, "signature: the provider accepts a signed read")


def _clock(provider: ProviderClient) -> Finding:
    skew = provider.clock.skew
    if skew is None:
        return Finding(False, "clock: the provider shows no Date", "Compare the clocks by hand.")
    if provider.clock.is_off:
        ahead = "ahead of" if skew > 0 else "behind"
        return Finding(
            False,
            f"clock: the provider is {abs(skew):.0f} s {ahead} this machine",
            "Set this machine's clock (NTP): signatures carry its time.",
        )
    return Finding(True, "clock: within a few seconds of the provider's")
