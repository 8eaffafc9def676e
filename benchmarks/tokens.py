"""Gateways with the same load whose callers have access tokens, beside one that lets anybody in."""

import time
from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.figures import Figures
from benchmarks.scenarios import SPEED, Bench, Field, Scenario
from benchmarks.systems import System
from tests.tokens import IdentityProvider

CALLERS = 100  # in turns, each far below the rate limit of a caller
LIFE = 86_400  # seconds that a token is valid: longer than any run
KEYS = {"ES256": "ec-1", "RS256": "rsa-1"}
"""The key of each algorithm; they are the names of the systems as well."""


def algorithms(bench: Bench, stack: ExitStack) -> Field:
    """A gateway that lets anybody in, and one for each algorithm of tokens."""
    provider = IdentityProvider(bench.site.folder)
    provider.add("rsa-1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    settings: dict[str, str] = provider.settings()
    field = Field()
    for name, given in {"gateway": {}, **dict.fromkeys(KEYS, settings)}.items():
        system = bench.site.gateway(bench.checkout, name=name, **given)
        stack.callback(system.stop)
        field.systems.append(system)
        _write_tokens(bench, name, provider)
    return field


def _write_tokens(bench: Bench, name: str, provider: IdentityProvider) -> None:
    """One token for each caller, where the runs of this system find them; none for anybody."""
    ends, callers = int(time.time()) + LIFE, range(CALLERS if name in KEYS else 0)
    tokens = [provider.token(KEYS[name], sub=f"caller {n}", exp=ends) for n in callers]
    (bench.site.folder / f"{name}.tokens").write_text("\n".join(tokens))


def cards_of_callers(bench: Bench, system: System) -> Figures:
    """Each request reads another card, for the next caller in turn."""
    tokens = (bench.site.folder / f"{system.name}.tokens").read_text().split()
    return bench.closed_loop(
        system, lambda load: load.cards_of_callers(tokens) if tokens else load.unique_cards()
    )


TOKENS = (
    Scenario("j", "unique cards, by the callers' tokens", SPEED, cards_of_callers, algorithms, 3),
)
