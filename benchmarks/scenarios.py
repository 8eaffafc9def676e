"""The scenarios in which systems take turns: who takes part, and what is asked of each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec

from benchmarks.figures import Figures
from benchmarks.load import Load, burst, closed_loop, constant_arrival
from benchmarks.measuring import joined, measured
from benchmarks.systems import ROOT, NotHere, ProviderProcess, Site, System
from benchmarks.wire import Ask
from benchmarks.workloads import CARD, Workload, document_id

Asks: TypeAlias = Callable[[Workload], Iterator[Ask]]
CONNECTIONS = 32
LATENCY = 50.0  # milliseconds, of the provider where it has any
CALLERS = 500
ROUNDS = 2
_WARM_UP = 0.1  # of the measured time, before each run


@dataclass
class Bench:
    """All that a scenario needs to measure."""

    site: Site
    provider: ProviderProcess
    seconds: float
    checkout: Path = ROOT
    """Whose gateway is measured."""
    against: Path | None = None
    """Another checkout, whose gateway takes part as ``other``."""
    hive: bool = True
    rates: dict[str, float] = field(default_factory=dict)
    """What each system reached in scenario a of this run."""

    def load(self, system: System, latency_ms: float, make_load: Callable[[], Load]) -> Figures:
        """Put a load on a system."""
        return measured(system, self.provider, latency_ms, make_load)

    def closed_loop(
        self, system: System, asks: Asks, latency_ms: float = 0, connections: int = CONNECTIONS
    ) -> Figures:
        """The usual load: a constant number of requests under way."""
        requests = asks(Workload(system.url, system.issue))
        return self.load(
            system,
            latency_ms,
            lambda: closed_loop(
                system.url,
                requests,
                seconds=self.seconds,
                warm_up=self.seconds * _WARM_UP,
                connections=connections,
            ),
        )


@dataclass
class Field:
    """The systems of one scenario, all running, and why others are not."""

    systems: list[System] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One question to all systems; ``shown`` are the figures that answer it."""

    id: str
    title: str
    shown: tuple[str, ...]
    run: Callable[[Bench, System], Figures]
    start: Callable[[Bench, ExitStack], Field]
    systems: int = 4
    """How many take part where all can be run."""


def everyone(bench: Bench, stack: ExitStack) -> Field:
    """The gateway and all peers that can be run here."""
    site, taking_part = bench.site, Field()

    def add(start: Callable[[], System]) -> None:
        system = start()
        stack.callback(system.stop)
        taking_part.systems.append(system)

    add(partial(site.gateway, bench.checkout))
    if bench.against is not None:
        add(partial(site.gateway, bench.against, name="other"))
    for name in ("naive", "limit"):
        add(partial(site.peer, name))
    try:
        if not bench.hive:
            raise NotHere("left out by --no-hive")
        add(site.hive)
    except NotHere as reason:
        taking_part.not_run["hive"] = str(reason)
    return taking_part


def both_ways(bench: Bench, stack: ExitStack) -> Field:
    """One gateway, asked by documents' ids and by their texts."""
    manifest = bench.site.folder / "manifest.json"
    manifest.write_bytes(msgspec.json.encode({document_id(CARD): CARD}))
    gateway = bench.site.gateway(
        bench.checkout, name="trusting", documents=str(manifest), documents_mode="prefer"
    )
    stack.callback(gateway.stop)
    ways = [System(name, gateway.url, gateway.process) for name in ("trusted", "ad-hoc")]
    return Field(ways)


def gateway_and_limit(bench: Bench, stack: ExitStack) -> Field:
    """The gateway beside what no gateway can exceed: the other peers have no lists."""
    systems = [bench.site.gateway(bench.checkout), bench.site.peer("limit")]
    for system in systems:
        stack.callback(system.stop)
    return Field(systems)


def unique_cards(bench: Bench, system: System) -> Figures:
    """Each request reads another card."""
    return bench.closed_loop(system, Workload.unique_cards)


def hot_card(bench: Bench, system: System) -> Figures:
    """All requests read one card; how many of its calls overlap shows where calls take time."""
    fast = bench.closed_loop(system, Workload.hot_card)
    shorter = replace(bench, seconds=bench.seconds / 4)
    slow = shorter.closed_loop(system, Workload.hot_card, LATENCY)
    most = max(fast["most_per_card"], slow["most_per_card"])
    return {**fast, "most_per_card": most}


def many_cards(bench: Bench, system: System) -> Figures:
    """One document reads 50 cards, one document at a time."""
    return bench.closed_loop(system, Workload.many_cards, LATENCY, connections=1)


def new_cards(bench: Bench, system: System) -> Figures:
    """Each request issues a card."""
    return bench.closed_loop(system, Workload.new_cards)


def half_rate(bench: Bench, system: System) -> Figures:
    """Requests come at half the rate that the system can do, whatever it does."""
    rate = bench.rates.get(system.name) or unique_cards(bench, system)["rate"]
    bench.rates[system.name] = rate
    asks = Workload(system.url).unique_cards()
    return bench.load(
        system,
        LATENCY,
        lambda: constant_arrival(
            system.url, asks, rate=rate / 2, seconds=bench.seconds, warm_up=bench.seconds * _WARM_UP
        ),
    )


def many_callers(bench: Bench, system: System) -> Figures:
    """500 callers ask at the same moment, several times."""
    asks = Workload(system.url).unique_cards()
    figures = bench.load(
        system,
        LATENCY,
        lambda: joined(burst(system.url, asks, callers=CALLERS) for _ in range(ROUNDS)),
    )
    return {**figures, "slowest_to_median": figures["slowest"] / figures["p50"]}


def one_way(bench: Bench, system: System) -> Figures:
    """Unique cards, by text or by the document's id."""
    trusted = system.name == "trusted"
    return bench.closed_loop(system, Workload.trusted_cards if trusted else Workload.unique_cards)


def lists_of_cards(bench: Bench, system: System) -> Figures:
    """Each request reads the 50 cards of another account."""
    return bench.closed_loop(system, Workload.lists)


SPEED = ("rate", "p50", "p99", "cpu_per_request", "calls_per_request", "peak_memory")
SCENARIOS = (
    Scenario("a", "unique cards", SPEED, unique_cards, everyone),
    Scenario("b", "one hot card", (*SPEED, "most_per_card"), hot_card, everyone),
    Scenario(
        "c",
        "50 cards in one document, provider takes 50 ms",
        ("p50", "p99", "calls_per_request", "most_in_flight", "peak_memory"),
        many_cards,
        everyone,
    ),
    Scenario("d", "issue a virtual card", SPEED, new_cards, everyone),
    Scenario(
        "e",
        "arrival at half of the rate of a, provider takes 50 ms",
        ("p99", "p50", "slowest", "rate"),
        half_rate,
        everyone,
    ),
    Scenario(
        "e500",
        "500 callers at once, provider takes 50 ms",
        ("p50", "slowest", "slowest_to_median", "errors"),
        many_callers,
        everyone,
    ),
    Scenario("l", "the 50 cards of an account", SPEED, lists_of_cards, gateway_and_limit, 2),
    Scenario("g", "trusted documents and ad-hoc text", SPEED, one_way, both_ways, 2),
)
