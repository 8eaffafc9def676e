"""One run: load on one system, and what it, the provider and the generator did meanwhile."""

import gc
import time
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.figures import Figures
from benchmarks.load import Load, percentile
from benchmarks.processes import busy
from benchmarks.systems import ProviderProcess, System
from benchmarks.wire import WrongAnswer


def measured(
    system: System, provider: ProviderProcess, latency_ms: float, make_load: Callable[[], Load]
) -> Figures:
    """Put load on a system; raises WrongAnswer where an answer or a call was not as it must be."""
    gc.collect()
    provider.reset(latency_ms)
    cores = system.process.cores
    clocks: dict[str, Callable[[], float]] = {
        "wall": time.perf_counter,
        "generator_cpu": time.process_time,
        "provider_cpu": provider.process.cpu,
        "system_cpu": system.process.cpu,
        "core_cpu": partial(busy, cores),
    }
    before = {name: clock() for name, clock in clocks.items()}
    try:
        load = make_load()
    except WrongAnswer as wrong:
        raise WrongAnswer(f"{system.name}: {wrong}") from wrong
    used = {name: clock() - before[name] for name, clock in clocks.items()}
    wall = used.pop("wall")
    return {
        **of_load(load),
        **_at_the_provider(system, provider, load),
        **{name: seconds / wall for name, seconds in used.items()},
        # Where something else takes the core, this tells more than the rate.
        "cpu_per_request": used["system_cpu"] / load.answered * 1000,
        "peak_memory": system.process.peak_memory(),
    }


def of_load(load: Load) -> Figures:
    """Rate and latencies."""
    times = load.latencies
    return {
        "rate": load.rate,
        "requests": len(times),
        "errors": load.errors,
        "p50": percentile(times, 0.5) * 1000,
        "p90": percentile(times, 0.9) * 1000,
        "p99": percentile(times, 0.99) * 1000,
        "slowest": percentile(times, 1) * 1000,
    }


def _at_the_provider(system: System, provider: ProviderProcess, load: Load) -> Figures:
    counters = provider.counters()
    if counters.refused:
        raise WrongAnswer(f"{system.name}: {counters.refused} provider calls were not signed.")
    if not load.latencies:
        raise WrongAnswer(f"{system.name}: nothing was answered within the measured time.")
    return {
        "calls_per_request": (counters.reads + counters.creates) / load.answered,
        "most_in_flight": counters.most_in_flight,
        "most_per_card": counters.most_in_flight_per_card,
    }


def joined(loads: Iterable[Load]) -> Load:
    """Several loads as one."""
    whole = Load()
    for load in loads:
        whole.seconds += load.seconds
        whole.latencies += load.latencies
        whole.answered += load.answered
        whole.errors += load.errors
    return whole
