"""Scenario f: minutes of mixed traffic in which nothing comes twice; does memory stay flat?

Every request has another request id; callers, documents, cards and keys go on changing, and the
gateway checks tokens. Few requests issue a card: each idempotency key is remembered for 30 days,
in under 600 bytes, which is no leak and would look like one.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from random import Random
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from benchmarks.figures import Figures
from benchmarks.load import Load, closed_loop, percentile
from benchmarks.results import Soak
from benchmarks.scenarios import Bench
from benchmarks.systems import System
from benchmarks.wire import Ask
from benchmarks.workloads import Workload, new_id

TITLE = "soak: mixed traffic, nothing twice"
SHOWN = ("rate", "p50", "p99", "memory_early", "memory_late", "memory_growth")
ASKS_PER_CALLER = 20
WINDOW = 10  # seconds
_ISSUER, _AUDIENCE, _KEY_ID = "https://id.example", "card-gateway", "soak"
_SHARES = {"unique": 55, "hot": 30, "issue": 5, "ad hoc": 10}  # percent
_AD_HOC = "query Ad{n}($id: ID!) {{ card(id: $id) {{ id name alias{n}: status }} }}"


class Callers:
    """Ever new callers, each with an access token for a few requests."""

    def __init__(self, folder: Path) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.keys = folder / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [{**public, "kid": _KEY_ID, "use": "sig"}]}))

    @property
    def settings(self) -> dict[str, str]:
        """How the gateway knows them."""
        return {
            "auth": "jwt",
            "jwt_keys": str(self.keys),
            "jwt_issuer": _ISSUER,
            "jwt_audience": _AUDIENCE,
        }

    def headers(self) -> Iterator[tuple[str, str]]:
        """The ``Authorization`` and ``X-Request-Id`` of each request."""
        while True:
            authorization = f"Authorization: Bearer {self._token()}"
            for _ in range(ASKS_PER_CALLER):
                yield authorization, f"X-Request-Id: {uuid4().hex}"

    def _token(self) -> str:
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": uuid4().hex,
            "exp": int(time.time()) + 600,
            "scope": "cards:read cards:issue",
            "accounts": "*",
        }
        return jwt.encode(claims, self._key, "EdDSA", headers={"kid": _KEY_ID})


def mixed(workload: Workload, callers: Callers, seed: int = 1) -> Iterator[Ask]:
    """Reads, a hot card, mutations and documents that were never seen before."""
    chance, headers, hot = Random(seed), callers.headers(), new_id()  # noqa: S311 - not a secret
    for number in count():
        [kind] = chance.choices(list(_SHARES), list(_SHARES.values()))
        given = next(headers)
        if kind == "issue":
            yield workload.issue(new_id(), new_id(), *given)
        elif kind == "ad hoc":
            yield workload.card(new_id(), {"query": _AD_HOC.format(n=number)}, *given)
        else:
            yield workload.card(hot if kind == "hot" else new_id(), None, *given)


class Watch:
    """Looks at a system each second while it is under load."""

    def __init__(self, system: System, show: Callable[[str], None]) -> None:
        self._system = system
        self._show = show
        self.memory: list[float] = []
        self._marks = [0]
        self._latencies: list[float] = []

    def __call__(self, load: Load) -> None:
        """A second has passed."""
        self._latencies = load.latencies
        self.memory.append(self._system.process.memory())
        if len(self.memory) % WINDOW == 0:
            self._marks.append(len(load.latencies))
            self._show(f"{len(self.memory)} s, {self.memory[-1]:.1f} MiB")

    def soak(self) -> Soak:
        """What was seen, window by window."""
        windows = [
            self._latencies[start:end]
            for start, end in zip(self._marks, self._marks[1:], strict=False)
        ]
        memory = [
            statistics.median(self.memory[start : start + WINDOW])
            for start in range(0, len(windows) * WINDOW, WINDOW)
        ]
        return Soak(
            window=WINDOW,
            memory=[round(each, 2) for each in memory],
            p50=[round(percentile(each, 0.5) * 1000, 3) for each in windows],
            p99=[round(percentile(each, 0.99) * 1000, 3) for each in windows],
        )

    def growth(self) -> Figures:
        """Memory after a minute (a tenth of a shorter soak) and in the end, and their ratio."""
        after = min(60, max(len(self.memory) // 10, 1))
        early = statistics.median(self.memory[after : after + WINDOW])
        late = statistics.median(self.memory[-WINDOW:])
        return {"memory_early": early, "memory_late": late, "memory_growth": late / early}


def soak(bench: Bench, minutes: float, show: Callable[[str], None]) -> tuple[Figures, Soak]:
    """Run it; the figures of the whole time, and how they went."""
    callers = Callers(bench.site.folder)
    with ExitStack() as stack:
        system = bench.site.gateway(bench.checkout, name="soaked", **callers.settings)
        stack.callback(system.stop)
        watch = Watch(system, show)
        asks = mixed(Workload(system.url), callers)
        figures = bench.load(
            system,
            0,
            lambda: closed_loop(system.url, asks, seconds=minutes * 60, watch=watch),
        )
    return figures | watch.growth(), watch.soak()
