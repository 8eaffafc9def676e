"""python -m benchmarks: all scenarios in one run; exit code 1 when an answer was wrong."""

import argparse
import gc
import resource
import signal
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from rich.console import Console

from benchmarks import plot, report
from benchmarks.processes import ProcessEnded, divide_cores, on_cores
from benchmarks.results import Machine, Result, Results
from benchmarks.run import SHOWN, Run
from benchmarks.scenarios import Bench
from benchmarks.systems import ROOT, ProviderProcess, Site
from benchmarks.verdict import judge
from benchmarks.wire import WrongAnswer

RESULTS = ROOT / "benchmarks" / "results.json"
PLOT = ROOT / "docs" / "benchmarks.svg"
WIDTH = 170
_OPEN_FILES = 4096


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", default=",".join(sorted(SHOWN)), help="scenarios, such as a,c")
    add("--runs", type=int, help="runs of each system (5; short: 2)")
    add("--seconds", type=float, help="measured seconds of a run (4; short: 1)")
    add("--soak-minutes", type=float, help="length of f (10; short: 0, which leaves it out)")
    add("--short", action="store_true", help="fewer and shorter runs; keeps results with --out")
    add("--no-hive", action="store_true", help="leave Hive Gateway out")
    add("--gateway-from", type=Path, default=ROOT, help="checkout whose gateway is measured")
    add("--against", type=Path, help="checkout whose gateway takes part as `other`")
    add("--out", type=Path, help="results file; the plot goes beside it")
    options = parser.parse_args(arguments)
    short, given = options.short, options.soak_minutes
    options.runs = options.runs or (2 if short else 5)
    options.seconds = options.seconds or (1.0 if short else 4.0)
    options.soak_minutes = given if given is not None else (0.0 if short else 10.0)
    options.wanted = [
        name for name in options.only.split(",") if name != "f" or options.soak_minutes
    ]
    if unknown := set(options.only.split(",")) - SHOWN.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    for checkout in filter(None, (options.gateway_from, options.against)):
        if not (checkout / "gateway" / "__init__.py").exists():
            parser.error(f"there is no gateway in {checkout}")
    return options


def play(options: argparse.Namespace, watcher: report.Watcher) -> list[Result]:
    """Start the provider, run the scenarios; raises WrongAnswer."""
    cores = divide_cores()
    with tempfile.TemporaryDirectory() as directory, on_cores(cores.others):
        provider = ProviderProcess(Path(directory), cores)
        with closing(provider):
            bench = Bench(
                Site(Path(directory), provider.url, cores),
                provider,
                options.seconds,
                checkout=options.gateway_from.resolve(),
                against=options.against and options.against.resolve(),
                hive=not options.no_hive,
            )
            run = Run(bench, Machine.here(cores), watcher, options.runs, options.soak_minutes)
            watcher.expects(run.steps(options.wanted))
            return list(run.play(options.wanted))


def keep(results: Iterable[Result], options: argparse.Namespace) -> None:
    """Put the results beside those of other scenarios, and draw them all."""
    if options.short and not options.out:
        return
    file = options.out or RESULTS
    kept = Results.load(file)
    kept.scenarios.update({result.id: result for result in results})
    kept.save(file)
    drawn = options.out.with_suffix(".svg") if options.out else PLOT
    drawn.write_text(plot.draw(kept.scenarios))


def show(results: list[Result], console: Console) -> None:
    """Tables, remarks and the verdict."""
    for result in results:
        console.print(report.table(result, SHOWN[result.id]))
    for remark in report.remarks(results):
        console.print(remark, markup=False)
    console.print(report.verdict(judge({result.id: result for result in results})))


def main(arguments: list[str] | None = None) -> int:
    """Run, show, keep."""
    options = parse(arguments)
    # Tables that go to a file are not cut to the width of no terminal.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard == resource.RLIM_INFINITY else max(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, most), hard))
    gc.freeze()
    try:
        with report.Watcher(console) as watcher:
            results = play(options, watcher)
    except (WrongAnswer, ProcessEnded) as error:
        console.print(f"The run is worth nothing. {error}", style="bold red", markup=False)
        return 1
    show(results, console)
    keep(results, options)
    return 0


if __name__ == "__main__":
    # Ended from outside, it still ends the processes that it started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
