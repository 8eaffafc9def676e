"""Scenario h: how long from the command to the first answer."""

import time

from benchmarks.figures import Figures
from benchmarks.load import closed_loop
from benchmarks.scenarios import Bench
from benchmarks.workloads import Workload

TITLE = "start-up to the first card"
SHOWN = ("start",)


def startup(bench: Bench) -> Figures:
    """Start a gateway and ask it for a card at once."""
    bench.provider.reset(0)
    began = time.perf_counter()
    system = bench.site.gateway(bench.checkout, name="started")
    try:
        asks = Workload(system.url).unique_cards()
        closed_loop(system.url, asks, seconds=0, connections=1)
        return {"start": (time.perf_counter() - began) * 1000}
    finally:
        system.stop()
