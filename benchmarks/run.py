"""A run of scenarios: the systems take turns, so that noise hits them all."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks import soak, startup
from benchmarks.figures import Figures, Spread, together
from benchmarks.ledgers import LEDGERS
from benchmarks.report import Watcher
from benchmarks.results import Machine, Result, Soak
from benchmarks.scenarios import SCENARIOS as SYSTEMS
from benchmarks.scenarios import Bench, Scenario
from benchmarks.systems import System
from benchmarks.tokens import TOKENS

SCENARIOS = (*SYSTEMS, *TOKENS, *LEDGERS)
SHOWN = {each.id: each.shown for each in SCENARIOS} | {"f": soak.SHOWN, "h": startup.SHOWN}
"""The figures that answer each scenario's question."""
_WARM_UP = 0.25  # of a run, before the first of each system


@dataclass(frozen=True)
class Run:
    """So many runs of each system, and a soak of so many minutes."""

    bench: Bench
    machine: Machine
    watcher: Watcher
    runs: int
    soak_minutes: float

    def steps(self, wanted: Sequence[str]) -> int:
        """How often something ends, as far as it is known before."""
        turns = sum(scenario.systems * self.runs for scenario in SCENARIOS if scenario.id in wanted)
        return turns + ("h" in wanted) * self.runs + ("f" in wanted)

    def play(self, wanted: Sequence[str]) -> Iterator[Result]:
        """The results of the scenarios, as they come; raises WrongAnswer."""
        for scenario in SCENARIOS:
            if scenario.id in wanted:
                yield self._take_turns(scenario)
        if "h" in wanted:
            yield self._start_up()
        if "f" in wanted:
            yield self._soak()

    def _take_turns(self, scenario: Scenario) -> Result:
        runs: dict[str, list[Figures]] = {}
        with ExitStack() as stack:
            self.watcher.begins(f"{scenario.id}: starting the systems")
            field = scenario.start(self.bench, stack)
            self._warm_up(scenario, field.systems)
            for number in range(1, self.runs + 1):
                for system in field.systems:
                    what = f"{scenario.id}, {system.name}, run {number}"
                    self.watcher.begins(what)
                    figures = scenario.run(self.bench, system)
                    runs.setdefault(system.name, []).append(figures)
                    self.watcher.ended(what, scenario.shown[0], figures)
        systems = {name: together(each) for name, each in runs.items()}
        if scenario.id == "a":
            self.bench.rates.update({name: each["rate"].median for name, each in systems.items()})
        return self._result(scenario.id, scenario.title, systems, not_run=field.not_run)

    def _warm_up(self, scenario: Scenario, systems: Sequence[System]) -> None:
        usual = self.bench.seconds * _WARM_UP
        for system in systems:
            seconds = max(usual, system.warm_up)
            bench = replace(self.bench, seconds=seconds, rates=dict(self.bench.rates))
            self.watcher.begins(f"{scenario.id}, {system.name}, warming up")
            scenario.run(bench, system)

    def _start_up(self) -> Result:
        runs = []
        for number in range(1, self.runs + 1):
            self.watcher.begins(f"h, gateway, run {number}")
            runs.append(startup.startup(self.bench))
            self.watcher.ended(f"h, gateway, run {number}", "start", runs[-1])
        return self._result("h", startup.TITLE, {"gateway": together(runs)})

    def _soak(self) -> Result:
        minutes = self.soak_minutes
        self.watcher.begins(f"f, gateway, {minutes:g} minutes")
        figures, course = soak.soak(self.bench, minutes, self.watcher.says)
        self.watcher.ended("f, gateway", "memory_growth", figures)
        return self._result("f", soak.TITLE, {"gateway": together([figures])}, course=course)

    def _result(
        self,
        name: str,
        title: str,
        systems: dict[str, dict[str, Spread]],
        *,
        not_run: dict[str, str] | None = None,
        course: Soak | None = None,
    ) -> Result:
        return Result(
            id=name,
            title=title,
            machine=self.machine,
            seconds=self.soak_minutes * 60 if course else self.bench.seconds,
            systems=systems,
            not_run=not_run or {},
            soak=course,
        )
