"""What the one who runs it sees: progress, tables, the verdict."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.figures import Figures, Spread
from benchmarks.results import Result
from benchmarks.verdict import Judged

_HEADINGS = {
    "rate": "requests/s",
    "p50": "median ms",
    "p99": "p99 ms",
    "slowest": "slowest ms",
    "errors": "errors",
    "slowest_to_median": "slowest ÷ median",
    "calls_per_request": "provider calls\nper request",
    "most_in_flight": "most calls\nin flight",
    "most_per_card": "most per card\nin flight",
    "cpu_per_request": "CPU ms\nper request",
    "peak_memory": "peak MiB",
    "flush": "flush ms",
    "memory_early": "MiB after\na minute",
    "memory_late": "MiB in\nthe end",
    "memory_growth": "ratio",
    "start": "ms",
}
_FULL, _DISTURBED = 0.9, 0.1  # of one core
_SHARES = ("system_cpu", "generator_cpu", "provider_cpu")


class Watcher:
    """A progress bar on a terminal, elsewhere a line for every step."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=2,  # it shares its core with the generator
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> "Watcher":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def expects(self, steps: int) -> None:
        """So many steps there will be."""
        self._progress.update(self._task, total=steps)

    def begins(self, what: str) -> None:
        """Something is going on."""
        self._progress.update(self._task, description=what)

    def says(self, what: str) -> None:
        """Something is worth knowing meanwhile."""
        self._progress.update(self._task, description=what)
        if not self.console.is_terminal:
            self.console.print(what, markup=False)

    def ended(self, what: str, figure: str, figures: Figures) -> None:
        """A step is done; its figure is shown."""
        self._progress.advance(self._task)
        heading = _HEADINGS[figure].replace("\n", " ")
        self.says(f"{what}: {_number(figures[figure])} {heading}")


def table(result: Result, shown: Iterable[str]) -> Table:
    """The figures of one scenario: medians, and from least to most."""
    figures = list(shown)
    made = Table("", title=f"{result.id}: {result.title}", title_justify="left")
    for name in figures:
        made.add_column(_HEADINGS[name], justify="right")
    if compared := len(result.systems) > 1 and "gateway" in result.systems:
        made.add_column("gateway ÷ this", justify="right")
    if shared := all(name in found for found in result.systems.values() for name in _SHARES):
        made.add_column("CPU shares: system,\ngenerator, provider", justify="right")
    for system, found in result.systems.items():
        cells = [_cell(found[name]) for name in figures]
        ratios = [_ratio(result, system, figures[0])] if compared else []
        shares = ["  ".join(f"{found[name].median:.0%}" for name in _SHARES)] if shared else []
        made.add_row(system, *cells, *ratios, *shares)
    return made


def remarks(results: Iterable[Result]) -> list[str]:
    """What was left out, and what may have bent the figures."""
    listed = list(results)
    said = [
        f"{peer} was not run: {reason}"
        for result in listed
        for peer, reason in result.not_run.items()
    ]
    if any(not result.machine.pinned for result in listed):
        said.append("There is one core only: all processes shared it.")
    said += (f"{result.id}: {what}" for result in listed for what in _bent(result))
    return list(dict.fromkeys(said))


def verdict(judged: Iterable[Judged]) -> Table:
    """What is asked, what was reached."""
    made = Table("what is asked", title="The bars", title_justify="left")
    made.add_column("asked", justify="right")
    made.add_column("reached", justify="right")
    made.add_column("")
    words = {True: "[green]met[/]", False: "[red]missed[/]", None: "not measured"}
    for each in judged:
        reached = "" if each.reached is None else f"{each.reached:.2f}"
        made.add_row(each.bar.what, each.bar.asked, reached, words[each.met])
    return made


def _bent(result: Result) -> Iterator[str]:
    measured = [found for found in result.systems.values() if "core_cpu" in found]
    if not measured or not result.machine.pinned:
        return
    if max(each["generator_cpu"].median + each["provider_cpu"].median for each in measured) > _FULL:
        yield "generator and provider had hardly time to spare."
    foreign = [each["core_cpu"].median - each["system_cpu"].median for each in measured]
    if max(foreign) > _DISTURBED:
        yield f"something else took {min(foreign):.0%} to {max(foreign):.0%} of the system's core."


def _cell(spread: Spread) -> str:
    if spread.least == spread.most:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.least)}–{_number(spread.most)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _ratio(result: Result, system: str, figure: str) -> str:
    ours, theirs = result.median("gateway", figure), result.median(system, figure)
    if system == "gateway" or ours is None or not theirs:
        return ""
    return f"{ours / theirs:.2f}"
