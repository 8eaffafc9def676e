"""python -m tests.chaos: a run with a progress bar and a summary; exit code 1 when it is bad."""

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.ledgers import shared_ledger
from tests.chaos.scenario import FAULTS, Run, Scenario
from tests.chaos.servers import Servers
from tests.chaos.verdict import Result, broken_promises


class Bar:
    """A progress bar on a terminal, elsewhere a line for every tenth of the run."""

    def __init__(self, console: Console, operations: int) -> None:
        self._console = console
        self._operations = operations
        self._tenths = 0
        self._progress = Progress(
            TextColumn("issuing cards"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=operations, note="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, result: Result) -> None:
        """Show how far the run is."""
        done = result.finished
        note = f"{result.repeats} repeats, {result.disturbances.total()} disturbances"
        self._progress.update(self._task, completed=done, note=note)
        tenths = done * 10 // self._operations
        if tenths > self._tenths and not self._console.is_terminal:
            self._tenths = tenths
            self._console.print(f"{done} of {self._operations} operations, {note}")


def play(scenario: Scenario, console: Console) -> Result:
    """Run a scenario from start to end."""
    with (
        tempfile.TemporaryDirectory() as directory,
        shared_ledger(scenario.engine, Path(directory)) as ledger,
    ):
        servers = Servers(Path(directory), ledger, FAULTS | {"seed": scenario.seed})
        try:
            servers.start(scenario.replicas, scenario.workers)
            with Bar(console, scenario.operations) as bar:
                result = asyncio.run(Run(scenario, servers, bar.show).play())
        finally:
            output = servers.stop()
        result.output = output
        return result


def summary(result: Result) -> Table:
    """The figures of a run."""
    presented = result.presented
    table = Table("what", "how many", title="Chaos")
    rows: list[tuple[str, object]] = [
        ("operations", len(result.keys)),
        ("cards", result.final_ledger["cards"]),
        ("repeats by the clients", result.repeats),
        ("presentations of a key: mean", f"{statistics.fmean(presented):.2f}"),
        ("presentations of a key: most", max(presented)),
        ("access tokens fetched", result.ledger["tokens"]),
        ("seconds", f"{result.seconds:.1f}"),
        *sorted(result.disturbances.items()),
        ("workers that came up without their ledger", result.starts_in_vain),
        *((f"alarms: {what}", count) for what, count in sorted(result.alarms.items())),
        *((f"faults: {kind}", count) for kind, count in sorted(result.ledger["faults"].items())),
        *((f"clients saw: {kind}", count) for kind, count in result.seen.most_common()),
    ]
    for what, count in rows:
        table.add_row(what, str(count))
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run, show, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    for field in fields(Scenario):
        kind = {"type": type(field.default), "default": field.default, **field.metadata}
        parser.add_argument(f"--{field.name}", **kind)
    scenario = Scenario(**vars(parser.parse_args(arguments)))
    console = Console(highlight=False)
    return judge(play(scenario, console), console)


def judge(result: Result, console: Console) -> int:
    """Show the summary and what it means; the exit code."""
    console.print(summary(result))
    broken = broken_promises(result)
    if not broken:
        console.print("One card for every operation, and everyone knows theirs.", style="green")
        return 0
    console.print(result.output[-5000:], markup=False)
    for sentence in broken:
        console.print(sentence, style="bold red")
    return 1


if __name__ == "__main__":
    # Ended from outside, it still ends the processes that it started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
